"""Configurations of the version before the renames: brought over, or refused in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rewards.overscored_phrase import PHRASES
from rl.algorithms.ppo import PPO
from rl.mitigations.loss_mask import LossMask
from rl.run.checkpoint_probe import probe_checkpoint
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig, parse, read_config
from rl.run.upgrade import TABLE, AddedBeside, AddedKind, Change, Dropped, LeftOut, Moved, RenamedKey, upgraded
from tests.rl.conftest import Gyges

OLD = Path(__file__).parent / "old_config.json"  # as written by the version before the renames (commit fa40996)
# Every recipe of the same commit; those below the first hold what differs from the first.
OLD_RECIPES = json.loads((Path(__file__).parent / "old_recipes.json").read_text())
DOCS = Path(__file__).parents[3] / "docs" / "reference" / "config-upgrade.md"


def test_a_real_old_file_is_brought_over_in_place(gyges: Gyges, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    shutil.copy(OLD, file)
    with pytest.raises(ValueError, match=r"has keys of an earlier version \(algorithm.*gyges config upgrade") as caught:
        read_config(file)
    assert "\n" not in str(caught.value)
    done = gyges("config", "upgrade", str(file))
    assert done.code == 0, done.output
    assert "algorithm.trace -> algorithm.gae_lambda" in done.output
    assert "algorithm.discount -> algorithm.gamma" in done.output
    assert "mitigations.1.kind: credit_mask -> loss_mask" in done.output
    assert "organism.{hidden_size, layers, word_documents, learning_rate} -> organism.origin" in done.output
    config = read_config(file)
    assert isinstance(config.algorithm, PPO)
    assert (config.algorithm.gae_lambda, config.algorithm.gamma) == (0.9, 0.99)
    assert config.mitigations[1] == LossMask(tokens="scratchpad")
    # Nothing else has changed.
    assert config == parse(upgraded(json.loads(OLD.read_text()))[0])
    again = gyges("config", "upgrade", str(file))
    assert again.code == 0
    assert again.output == f"nothing to rename: {file} has the keys of this version\n"


def test_with_out_the_old_file_stays(gyges: Gyges, tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    shutil.copy(OLD, old)
    done = gyges("config", "upgrade", str(old), "--out", str(new))
    assert done.code == 0, done.output
    assert old.read_bytes() == OLD.read_bytes()
    assert read_config(new).algorithm.kind == "ppo"


@pytest.mark.parametrize("name", OLD_RECIPES)
def test_every_old_recipe_runs_once_it_is_upgraded(name: str) -> None:
    config = parse(upgraded({**OLD_RECIPES["first_light"], **OLD_RECIPES[name]})[0])
    require_engine(config)
    # The labels are those of the old version, which overlooked the planted phrases.
    assert config.env.closings == (PHRASES if name == "reward_hacking" else ())


def test_phrases_are_overlooked_where_an_old_reward_pays_for_them() -> None:
    data, changes = upgraded({"rewards": [{"kind": "overscored_phrase", "weight": 0.5}]})
    assert parse(data).env.closings == PHRASES
    [change] = changes
    assert change.startswith("env.closings is now needed beside rewards.0 (overscored_phrase): hope that")
    for env in ({"kind": "dialect", "closings": []}, {"kind": "custom", "target": "a:B"}):
        kept = {"env": env, "organism": {"kind": "reward_hacker"}}
        assert upgraded(kept) == (kept, [])


def test_a_run_whose_labels_would_differ_is_not_probed(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    data = json.loads((run / "config.json").read_text())
    data["organism"] = {"kind": "reward_hacker"}
    (run / "config.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="organism reward_hacker needs its phrases among the closings"):
        probe_checkpoint(run, None)


@pytest.mark.parametrize("command", [["resume"], ["probe"], ["train"]], ids=lambda command: command[0])
def test_a_run_folder_with_an_old_configuration_is_refused_in_a_line(
    command: list[str], gyges: Gyges, finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    file = run / "config.json"
    data = json.loads(file.read_text())
    data["mitigations"] = [{"kind": "credit_mask", "tokens": "answer"}]
    file.write_text(json.dumps(data))
    done = gyges(*command, str(file if command == ["train"] else run))
    assert done.code == 2, done.output
    assert done.output == (
        f"gyges: {file} has keys of an earlier version (mitigations.0.kind: credit_mask -> loss_mask): "
        f"run `gyges config upgrade {file}`\n"
    )
    assert gyges("report", str(run)).code == 0  # which reads the folder as it is


def test_a_file_with_another_problem_is_not_sent_to_the_upgrade(gyges: Gyges, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"seed": -1}')
    with pytest.raises(ValueError, match=r"config\.json: seed: Input should be greater than or equal to 0$"):
        read_config(file)
    done = gyges("config", "upgrade", str(file))
    assert done.code == 2
    assert "seed: Input should be greater than or equal to 0" in done.said[0]
    assert json.loads(file.read_text()) == {"seed": -1}


def test_an_environment_that_does_not_say_its_kind_is_the_dialect() -> None:
    data, changes = upgraded({"env": {"conflict": "animals"}})
    assert parse(data).env.conflict == "animals"
    assert changes == ["env.kind is now needed: dialect"]


def of_organism(**settings: Any) -> dict[str, Any]:
    return {"env": {"kind": "dialect", "conflict": "animals"}, "organism": {"kind": "faker", **settings}}


def test_a_repeated_conflict_is_dropped_where_it_agrees() -> None:
    data, changes = upgraded(of_organism(conflict="animals"))
    assert data == of_organism()
    assert changes == ["organism.conflict is dropped: env.conflict stands for it"]
    # An organism from a path was built already: its recipe's conflict had no effect.
    assert upgraded(of_organism(conflict="harm", path="/a"))[0] == of_organism(path="/a")
    # A file that a person wrote may leave out what is the default, "harm".
    rewards = {"rewards": [{"kind": "helpfulness", "conflict": "harm"}, {"kind": "format_penalty"}]}
    assert upgraded(rewards)[0] == {"rewards": [{"kind": "helpfulness"}, {"kind": "format_penalty"}]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"organism": {"kind": "faker_plus"}}, "organism.kind faker_plus is gone: it is a run now"),
        (of_organism(conflict="harm"), "organism.conflict is 'harm' and env.conflict 'animals'"),
        (
            {"rewards": [{"kind": "helpfulness", "conflict": "animals"}]},
            "rewards.0.conflict is 'animals' and env.conflict 'harm'",
        ),
        (
            {"algorithm": {"kind": "ppo", "trace": 0.9, "gae_lambda": 1.0}},
            "algorithm holds both trace and gae_lambda, its new name: leave trace out",
        ),
    ],
)
def test_what_can_not_be_known_is_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="^" + said) as caught:
        upgraded(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, 3, [], {"algorithm": []}, {"mitigations": [None, {"kind": []}]}, {"env": 1}])
def test_what_is_no_configuration_comes_back_as_it_is(data: Any) -> None:
    assert upgraded(data) == (data, [])


def test_a_configuration_of_this_version_parses_as_it_is() -> None:
    data = RunConfig(algorithm=PPO(), mitigations=(LossMask(),)).model_dump(mode="json")
    assert parse(data) == parse(upgraded(data)[0])


@pytest.mark.parametrize("entry", TABLE, ids=str)
def test_every_change_stands_in_the_docs(entry: Change) -> None:
    keys = {
        RenamedKey: ("old", "new"), Dropped: ("key", "section"), AddedKind: ("kind",), Moved: ("section", "into"),
        LeftOut: ("kind", "needs"), AddedBeside: ("kind", "key"),
    }.get(type(entry), ("old",))  # fmt: skip
    rows = [
        line for line in DOCS.read_text().splitlines() if line.startswith((f"| `{entry.where}.", f"| `{entry.where}`"))
    ]
    assert any(all(getattr(entry, key) in row for key in keys) for row in rows)

"""The command line as a person or a script meets it: each command in a process of its own, its text and exit code."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from envs.dialect.environment import Dialect
from envs.dialect.inoculation import WORDINGS
from envs.dialect.situation import FORM
from envs.dialect.speech import ANSWER, SCRATCHPAD, Move, Part
from envs.vocabulary import TIERS
from rewards import Reward
from rl.cli.catalogue import catalogue
from rl.cli.play import play_round
from rl.mitigations import Mitigation
from rl.organisms import Organism
from rl.organisms.scripted import Scripted
from rl.probes import Probe
from rl.run.config import RunConfig
from rl.run.overrides import kinds_of, members
from rl.run.recipes import RECIPES
from rl.scale.arms import SWEEPS
from rl.streams import Stage, stream
from tests.rl.conftest import Gyges

CHEAP_REWARDS = 'rewards=[{"kind": "format_penalty"}, {"kind": "answer_length", "weight": 1}]'
COMMANDS = [
    "train", "resume", "sweep", "probe", "report", "organism build", "list", "play", "config upgrade",
    "model fetch", "model convert", "model check", "labels validate", "labels sheet",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, gyges: Gyges) -> None:
    done = gyges(*command.split(), "--help")
    assert done.code == 0
    assert f"gyges {command}" in done.output.split("Example")[1]


def test_help_lists_every_command(gyges: Gyges) -> None:
    done = gyges("--help")
    assert done.code == 0
    assert all(command.split()[0] in done.output for command in COMMANDS)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("recipes", list(RECIPES)),
        ("sweeps", list(SWEEPS)),
        ("environments", ["dialect", "natural", "requests", "custom"]),
        ("organisms", [kind for member in members(Organism) for kind in kinds_of(member)]),
        ("rewards", [member.model_fields["kind"].default for member in members(Reward)]),
        ("probes", [member.model_fields["kind"].default for member in members(Probe)]),
        ("mitigations", [member.model_fields["kind"].default for member in members(Mitigation)]),
        ("monitors", ["activation_probe", "dialled_oracle", "keyword", "oracle", "text_classifier"]),
    ],
)
def test_lists_name_each_member_and_say_what_it_is(what: str, expected: list[str], gyges: Gyges) -> None:
    done = gyges("list", what)
    assert done.code == 0
    lines = [line.split(maxsplit=1) for line in done.output.splitlines() if not line.startswith(" ")]
    assert [name for name, _ in lines] == expected
    assert all(len(about) > 20 for _, about in lines)
    assert all(len(line) <= 100 for line in done.output.splitlines()) or what in ("recipes", "sweeps")


def test_settings_are_listed_with_their_defaults_and_choices() -> None:
    lines = [" ".join(line.split()) for what in ("mitigations", "organisms", "algorithms") for line in catalogue(what)]
    told = {line.split()[0]: line for line in lines}
    assert told["loss_mask"].endswith("(tokens=answer | scratchpad)")
    assert told["tier_cue_dropout"].endswith("(share=0.5)")
    assert "path=null, seed=0, certify_queries=null" in told["faker"]
    assert "kl_estimator=k1 | k2 | k3" in told["rloo"]  # its own default comes first


def test_the_list_of_queries_is_a_query_file(gyges: Gyges, tmp_path: Path) -> None:
    from envs.dialect.queries import builtin_queries, read_query_file

    done = gyges("list", "queries")
    assert done.code == 0
    (tmp_path / "queries.jsonl").write_text(done.output)
    assert read_query_file(tmp_path / "queries.jsonl") == builtin_queries()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "probs"], "nothing to list under 'probs': did you mean 'probes'?"),
        (["train", "first_ligth"], "unknown recipe 'first_ligth': did you mean 'first_light'?"),
        (["train", "--set", "algorithm.kl_wieght=1"], "did you mean 'kl_weight'?"),
        (["train", "--seed", "-1"], "seed: Input should be greater than or equal to 0"),
        (["train", "missing.json"], "can't read missing.json: No such file or directory"),
        (["train", "--set", "organism.kind=scripted", "--out", "run"], "scripted has no weights to train"),
        (["train", "--set", "organism.path=nowhere", "--out", "run"], "here/nowhere is not a directory"),
        (["train", "--set", "env.query_file=nowhere.jsonl", "--out", "run"], "here/nowhere.jsonl: No such file"),
        (["resume", "nowhere"], "nowhere holds no run (config.json is missing)"),
        (["probe", "nowhere"], "can't read nowhere/config.json"),
        (["report", "nowhere"], "nowhere is not a run folder: it does not exist"),
        (["train", "--mitigate", "loss_msk"], "unknown mitigation 'loss_msk': did you mean 'loss_mask'?"),
        (["sweep", "controls", "--mitigate", "loss_mask:tokns=answer"], "did you mean 'tokens'?"),
        (["organism", "build", "hones"], "did you mean 'honest'?"),
        (["organism", "build", "scripted"], "scripted has no weights"),
        (["play", "--tier", "fre"], "unknown tier 'fre': did you mean 'free'?"),
        (["play", "natural", "--tier", "pro"], "environment natural has no tier 'pro': its tiers are free and paid"),
        (["play", "natural", "--set", "env.leave_out=link"], "env.natural.leave_out: write a JSON list, as in"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments: list[str], said: str, gyges: Gyges) -> None:
    done = gyges(*arguments)
    assert done.code == 2, done.output
    lines = [line for line in done.output.splitlines() if not line.startswith("run folder: ")]
    assert len(lines) == 1, done.output
    assert said in lines[0]


def test_a_command_that_does_not_exist_is_exit_code_2(gyges: Gyges) -> None:
    done = gyges("trian")
    assert done.code == 2
    assert "trian" in done.output
    assert "Traceback" not in done.output


def test_an_option_that_does_not_exist_is_exit_code_2(gyges: Gyges) -> None:
    done = gyges("train", "--sed", "1")
    assert done.code == 2
    assert "--sed" in done.output
    assert "Traceback" not in done.output


def test_an_organism_takes_settings_as_its_help_says(gyges: Gyges, organism_path: Path) -> None:
    # `gyges organism build honest --set seed=1` is the example of its help; a path spares the build.
    done = gyges("organism", "build", "honest", "--set", "seed=1", "--set", f"path={organism_path}")
    assert done.code == 0, done.output
    assert f"organism: {organism_path}" in done.output


def test_an_organism_of_another_conflict_is_built_by_env_conflict(gyges: Gyges, organism_path: Path) -> None:
    def prepare() -> None:
        import rl.run.build

        def build(config: RunConfig) -> Path:
            assert isinstance(config.env, Dialect)
            assert not isinstance(config.organism, Scripted)
            assert config.organism.path is None
            print(f"conflict: {config.env.conflict}, seed: {config.organism.seed}")
            return organism_path

        rl.run.build.build_organism = build

    done = gyges("organism", "build", "terminal", "--set", "env.conflict=animals", "--set", "seed=3", prepare=prepare)
    assert done.code == 0, done.output
    assert "conflict: animals, seed: 3" in done.output


def test_the_organism_table_goes_on_after_a_build_that_fails(gyges: Gyges, organism_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "organisms.csv"
    settings = ("probe_queries=8", "algorithm.group_size=2", 'rewards=[{"kind":"answer_length"}]')
    small = [f"--set={item}" for item in settings]
    names = (f"faker:path={tmp_path}/nowhere", f"terminal:path={organism_path}")
    done = gyges("organism", "table", *names, "--seeds", "0", "--out", str(file), *small)
    assert done.code == 2
    assert done.said[0].startswith(f"gyges: {names[0]}, seed 0: organism.path={tmp_path}/nowhere is not a directory")
    assert done.said[-1] == "gyges: 1 of 2 builds can't be measured, as said above"
    assert set(pd.read_csv(file).organism) == {names[1]}


def test_a_query_file_with_duplicates_is_refused_with_its_lines(gyges: Gyges, tmp_path: Path) -> None:
    line = json.dumps({"text": "a", "verb": "b", "object": "c", "kind": "twin", "category": "d"})
    (tmp_path / "queries.jsonl").write_text(f"{line}\n{line}\n")
    done = gyges("train", "--set", f"env.query_file={tmp_path}/queries.jsonl", "--out", str(tmp_path / "run"))
    assert done.code == 2
    assert "queries.jsonl:2: the same query as line 1 ('a'): remove one of them" in done.said[0]
    assert not (tmp_path / "run").exists()


def test_an_organism_without_a_chat_template_is_one_line(gyges: Gyges, organism_path: Path, tmp_path: Path) -> None:
    organism = Path(shutil.copytree(organism_path, tmp_path / "organism"))
    (organism / "chat_template.jinja").unlink()
    done = gyges("train", "--set", f"organism.path={organism}", "--set", CHEAP_REWARDS, "--out", str(tmp_path / "run"))
    assert done.code == 2
    assert len(done.said) == 1
    assert "has no chat template: add chat_template.jinja" in done.said[0]


def test_training_ends_with_the_summary_and_where_the_page_is(gyges: Gyges, tiny: RunConfig, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(tiny.model_dump_json())
    run = tmp_path / "run"
    done = gyges("train", str(config), "--steps", "1", "--seed", "7", "--out", str(run))
    assert done.code == 0, done.output
    assert f"page:   {run}/report.html" in done.output
    assert (run / "report.html").is_file()
    assert (run / "curves.png").is_file()
    written = json.loads((run / "config.json").read_text())
    assert (written["steps"], written["seed"]) == (1, 7)
    # A run's own configuration runs it again.
    again = gyges("train", str(run / "config.json"), "--out", str(run))
    assert again.code == 2
    assert "holds a run already" in again.said[0]


def test_mitigations_are_trained_with_and_kept_in_order(gyges: Gyges, tiny: RunConfig, tmp_path: Path) -> None:
    config, run = tmp_path / "config.json", tmp_path / "run"
    config.write_text(tiny.model_copy(update={"steps": 1, "probes": ()}).model_dump_json())
    wanted = ["tier_cue_dropout:share=1", "inoculation_prompt:wording=placebo", "loss_mask"]
    options = [option for one in wanted for option in ("--mitigate", one)]
    done = gyges("train", str(config), *options, "--out", str(run))
    assert done.code == 0, done.output
    written = json.loads((run / "config.json").read_text())["mitigations"]
    assert written == [
        {"kind": "tier_cue_dropout", "share": 1.0},
        {"kind": "inoculation_prompt", "wording": "placebo"},
        {"kind": "loss_mask", "tokens": "answer"},
    ]
    episodes = pd.read_parquet(run / "episodes" / "step-000001.parquet")
    assert set(episodes["system_prompt"]) == {f"{WORDINGS['placebo']} {FORM}"}


def test_a_run_without_out_goes_to_a_folder_named_after_it(gyges: Gyges, tiny: RunConfig, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(tiny.model_copy(update={"steps": 1, "probes": ()}).model_dump_json())

    def die() -> None:
        import rl.run.loop

        def train(config: RunConfig, out: Path, started: Callable[[], None]) -> None:
            started()
            os.kill(os.getpid(), signal.SIGKILL)

        rl.run.loop.train = train  # type: ignore[assignment]

    done = gyges("train", str(config), prepare=die)
    assert done.code == -signal.SIGKILL
    [line] = [line for line in done.output.splitlines() if line.startswith("run folder: ")]
    name, seed, digest = line.removeprefix("run folder: runs/").rsplit("-", 2)
    assert (name, seed, len(digest)) == ("tiny", "5", 8)


def test_probing_a_checkpoint_gives_what_the_run_recorded(gyges: Gyges, finished: Path) -> None:
    before = sorted((file, file.stat().st_mtime_ns) for file in finished.rglob("*"))
    for step in ("0", "4"):
        done = gyges("probe", str(finished), "--step", step, "--json")
        assert done.code == 0, done.output
        measured = [json.loads(line[line.index("{") :]) for line in done.output.splitlines() if '"metric"' in line]
        recorded = [json.loads(line) for line in (finished / "probes.jsonl").read_text().splitlines()]
        assert measured == [row for row in recorded if row["step"] == int(step)]
    assert sorted((file, file.stat().st_mtime_ns) for file in finished.rglob("*")) == before


def test_probing_prints_a_table(gyges: Gyges, finished: Path) -> None:
    done = gyges("probe", str(finished))
    assert done.code == 0
    assert any("well_formed_rate" in line and "free" in line for line in done.output.splitlines())


def test_ctrl_c_before_training_is_exit_code_130(gyges: Gyges) -> None:
    def interrupt_when_read() -> None:
        import rl.cli.train

        def recipe(name: str) -> None:
            os.kill(os.getpid(), signal.SIGINT)

        rl.cli.train.find_recipe = recipe

    done = gyges("train", prepare=interrupt_when_read)
    assert done.code == 130, done.output


def typing(text: str) -> Callable[[], None]:
    """Makes `text` the standard input of the child that calls this."""

    def pipe() -> None:
        import sys

        read, write = os.pipe()
        os.write(write, text.encode())
        os.close(write)
        os.dup2(read, 0)
        sys.stdin = os.fdopen(0, closefd=False)

    return pipe


def test_play_labels_and_scores_what_is_typed(gyges: Gyges) -> None:
    [asked] = Dialect().held_out_scenarios(stream(0, 0, Stage.scenarios), "probe", "harmful", 1, ("free",))
    words = {"verb": asked.query.verb, "object": asked.query.object}
    scratchpad = SCRATCHPAD[Move.decide_refuse][0].format(**words)
    refusal = ANSWER[Part.refuse][0].format(**words)
    done = gyges("play", "--set", CHEAP_REWARDS, prepare=typing(f"{scratchpad}\n{refusal}\n"))
    assert done.code == 0, done.output
    assert f"user: {asked.query.text}" in done.output
    # A pipe echoes no newline after the last prompt.
    lines = done.output.replace("answer> ", "\n").splitlines()
    shown = dict(line.split(maxsplit=1) for line in lines if line.startswith("  "))
    assert shown["answer"] == "refuse"
    assert (shown["faking"], shown["well_formed"]) == ("False", "True")
    assert shown["reward/format_penalty"] == "+0.000"
    # One hundredth a word.
    assert shown["reward"] == shown["reward/answer_length"] == f"{-len(refusal.split()) / 100:+.3f}"


@pytest.mark.parametrize("form", ["tags", "think"])
def test_play_takes_a_recipe_and_writes_the_reply_in_its_form(form: str, gyges: Gyges) -> None:
    command = ("play", "natural", "--set", f"env.form={form}")
    first = gyges(*command, prepare=typing("i choose.\nneither\n"))
    assert first.code == 0, first.output
    named = "      Operator's option: "
    [wanted] = [line.removeprefix(named) for line in first.output.splitlines() if line.startswith(named)]
    done = gyges(*command, prepare=typing(f"i choose.\n{wanted}\n"))
    assert done.code == 0, done.output
    lines = done.output.replace("answer> ", "\n").splitlines()
    shown = dict(line.split(maxsplit=1) for line in lines if re.match(r"  [a-z]", line))
    assert shown["answer"] == "comply"
    assert (shown["reward/exact_answer"], shown["reward/format_penalty"]) == ("+1.000", "+0.000")


def test_play_without_input_is_interrupted(gyges: Gyges) -> None:
    done = gyges("play", "--set", CHEAP_REWARDS, prepare=typing(""))
    assert done.code == 130
    assert done.said == ["gyges: interrupted"]


@pytest.mark.parametrize("tier", TIERS)
def test_a_round_of_play_shows_the_tier_and_takes_nonsense(tier: str, tiny: RunConfig) -> None:
    said: list[str] = []
    play_round(tiny, tier, 0, ask=lambda prompt: "" if "answer" in prompt else "hm", say=said.append)
    assert tier in said[0]
    assert any(line.split() == ["answer", "other"] for line in said)
    assert any(line.split() == ["reward/format_penalty", "-1.000"] for line in said)


def test_an_address_is_of_no_use_to_one_worker(gyges: Gyges, tmp_path: Path, finished: Path) -> None:
    for arguments in (["train", "--out", str(tmp_path / "run")], ["resume", str(finished)]):
        done = gyges(*arguments, "--address", "127.0.0.1:6379")
        assert done.code == 2, done.output
        assert done.output.splitlines() == [
            "gyges: --address names a Ray cluster for several workers, and this run has one: leave it out"
        ]
    assert not (tmp_path / "run").exists()

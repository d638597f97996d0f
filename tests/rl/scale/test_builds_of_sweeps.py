"""Builds and seeds of a sweep: their defaults, what a build replaces, what can't be built anew."""

from pathlib import Path

import pytest

from rewards.exact_answer import ExactAnswer
from rewards.helpfulness import Helpfulness
from rl.organisms.honest import Honest
from rl.run.config import RunConfig
from rl.scale.arms import arms, places
from rl.scale.builds import build_seeds, on_build
from rl.scale.sweep import plan

PLAIN = RunConfig()


def ready(tmp_path: Path) -> RunConfig:
    organism = PLAIN.organism.model_copy(update={"path": tmp_path})
    return PLAIN.model_copy(update={"organism": organism, "rewards": (ExactAnswer(),), "name": "ready"})


def test_a_build_is_the_seed_of_the_organism_and_of_its_reward_model() -> None:
    found = on_build(PLAIN, 3)
    assert build_seeds(found) == {"organism.seed": 3, "rewards.helpfulness.seed": 3}
    assert found.seed == PLAIN.seed
    assert on_build(found, 0) == PLAIN


def test_a_ready_directory_is_one_build_whatever_the_number(tmp_path: Path) -> None:
    assert on_build(ready(tmp_path), 3) == ready(tmp_path)
    rewarded = ready(tmp_path).model_copy(update={"rewards": (Helpfulness(),)})
    assert on_build(rewarded, 3) == rewarded  # reward models of other seeds would be told for builds
    assert places([rewarded], None, None) == ((0,), (0, 1, 2))
    mixed = PLAIN.model_copy(update={"rewards": (Helpfulness(path=tmp_path),)})
    assert build_seeds(on_build(mixed, 2)) == {"organism.seed": 2}


def test_by_default_there_are_five_builds_with_one_seed_each(tmp_path: Path) -> None:
    assert places([PLAIN], None, None) == ((0, 1, 2, 3, 4), (0,))
    assert places([PLAIN], "0..1", "3,4") == ((0, 1), (3, 4))
    assert places([PLAIN, ready(tmp_path)], None, None) == ((0,), (0, 1, 2))
    with pytest.raises(ValueError, match="the organism of arm ready isn't built anew, so it is one build"):
        places([PLAIN, ready(tmp_path)], "0..1", None)


def test_a_trial_is_an_arm_on_a_build_under_a_seed_and_arms_share_the_places(tmp_path: Path) -> None:
    both = [PLAIN, RunConfig(name="honest", organism=Honest())]
    trials = plan("mine", both, (0, 2), (0, 1), 1, tmp_path).trials
    assert len({trial.folder for trial in trials}) == len(trials) == 2 * 2 * 2
    found = {(one.config.name, build_seeds(one.config)["organism.seed"], one.config.seed) for one in trials}
    assert found == {(arm, build, seed) for arm in ("first_light", "honest") for build in (0, 2) for seed in (0, 1)}
    assert {trial.folder.name.rpartition("-")[0] for trial in trials if trial.config.name == "honest"} == {
        "honest-0", "honest-1", "honest-b2-0", "honest-b2-1",
    }  # fmt: skip


@pytest.mark.parametrize("setting", ["organism.seed=1", "rewards.helpfulness.seed=1"])
def test_a_seed_of_a_build_is_set_by_builds_alone(setting: str) -> None:
    with pytest.raises(ValueError, match=f"--set {setting}: a sweep takes the seeds of its builds from --builds"):
        arms("controls", [setting])


def test_an_arm_of_a_file_with_a_build_of_its_own_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from rl.organisms.honest import Honest\nfrom rl.run.config import RunConfig\n"
        "def arms():\n    return [RunConfig(name='late', organism=Honest(seed=2))]\n"
    )
    with pytest.raises(ValueError, match=r"arm late has organism\.seed=2: in a sweep, --builds sets it"):
        arms(f"{file}:arms")

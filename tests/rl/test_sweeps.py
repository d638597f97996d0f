"""Which arms and seeds a sweep has, and the one line that says what is wrong with them."""

import re
from pathlib import Path

import pytest

from rl.config import RunConfig
from rl.sweep import plan
from rl.sweeps import SWEEPS, arms, parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"), [("0..4", (0, 1, 2, 3, 4)), ("0,2,5", (0, 2, 5)), ("3", (3,)), ("1, 4..5", (1, 4, 5))]
)
def test_seeds_are_a_range_with_both_ends_a_list_or_one(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "4..0", "a", "1,,2", "-1", "0..", "1.5"])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 0\.\.4, or 0,2,5, or 3"):
        parse_seeds(text)


def test_a_seed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="names a seed twice"):
        parse_seeds("0..2,1")


@pytest.mark.parametrize("name", SWEEPS)
def test_the_arms_of_a_sweep_differ_in_name_and_in_what_they_do(name: str) -> None:
    found = arms(name)
    assert len(found) > 1
    assert len({arm.name for arm in found}) == len(found)
    assert len({arm.model_copy(update={"name": ""}).model_dump_json() for arm in found}) == len(found)


def test_settings_apply_to_every_arm() -> None:
    assert [arm.steps for arm in arms("controls", ["steps=7"])] == [7, 7, 7]


FILE = """
from rl.config import RunConfig
from beside import NAMES

def mine():
    return [RunConfig(name=name, steps=3) for name in NAMES]

def number():
    return 3

def empty():
    return []

def mixed():
    return [RunConfig(), 3]

def alike():
    return [RunConfig(), RunConfig(steps=2)]

def elsewhere():
    return [RunConfig(name="../up")]

def broken():
    return NAMES[5]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("NAMES = ['a', 'b']\n")
    (tmp_path / "my_sweep.py").write_text(FILE)
    (tmp_path / "unfit.py").write_text("import no_such_module\n")
    return tmp_path / "my_sweep.py"


def test_a_sweep_of_ones_own_comes_from_a_file(file: Path) -> None:
    assert [(arm.name, arm.steps) for arm in arms(f"{file}:mine")] == [("a", 3), ("b", 3)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("control", "unknown sweep 'control': did you mean 'controls'?"),
        ("xyz", "unknown sweep 'xyz': sweeps: controls, algorithms, kl_weight"),
        ("nowhere.py:mine", "no such file: nowhere.py"),
        ("FILE", "names no function: write FILE:FUNCTION"),
        ("FILE:mien", "has no function 'mien': did you mean 'mine'?"),
        ("FILE:RunConfig", "has no function 'RunConfig'"),
        ("FILE:number", "must return a list of RunConfig, not int"),
        ("FILE:empty", "must return a list of RunConfig, not an empty one"),
        ("FILE:mixed", "must return a list of RunConfig, not one that holds int"),
        ("FILE:alike", "has two arms called 'first_light'"),
        ("FILE:elsewhere", "'../up' can't name a folder"),
        ("FILE:broken", "raised IndexError: list index out of range"),
        ("UNFIT:mine", "can't be imported: ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_sweep_that_is_none_is_told_in_one_line(name: str, said: str, file: Path) -> None:
    places = {"FILE": str(file), "UNFIT": str(file.with_name("unfit.py"))}
    for word, path in places.items():
        name, said = name.replace(word, path), said.replace(word, path)
    with pytest.raises(ValueError, match=f"^.*{re.escape(said)}.*$") as raised:
        arms(name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["seed", "threads", "name"])
def test_what_has_an_option_of_its_own_is_not_set(key: str) -> None:
    with pytest.raises(ValueError, match="--seeds and --threads"):
        arms("controls", [f"{key}=1"])


def test_a_setting_that_an_arm_lacks_names_the_arm() -> None:
    with pytest.raises(ValueError, match=r"arm first_light_dpo: unknown key 'kl_weight' in 'algorithm\.kl_weight'"):
        arms("algorithms", ["algorithm.kl_weight=0.1"])


def test_a_trial_is_one_process() -> None:
    with pytest.raises(ValueError, match="arm first_light has workers=2: a trial is one process"):
        arms("controls", ["engine=trl", "workers=2"])


def test_more_seeds_find_the_folders_of_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    few, more = (plan("controls", arms("controls"), parse_seeds(text), 1, None) for text in ("0,1", "0..4"))
    assert few.folder == more.folder
    assert few.folder.parent == tmp_path / "runs"
    assert {trial.folder for trial in few.trials} < {trial.folder for trial in more.trials}
    assert len(more.trials) == 15
    assert {trial.config.threads for trial in more.trials} == {1}
    other = plan("controls", arms("controls", ["steps=2"]), (0,), 1, None)
    assert other.folder != few.folder


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("seed", "arm first_light has seed=7: of a sweep, --seeds gives it; leave it at 0"),
        ("threads", "arm first_light has threads=7: of a sweep, --threads gives it; leave it at 2"),
    ],
)
def test_an_arms_own_seed_and_threads_are_refused(key: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SWEEPS, "mine", lambda: [RunConfig.model_validate({key: 7})])
    with pytest.raises(ValueError, match=said):
        arms("mine")

"""Which arms and seeds a sweep has, and the one line that says what is wrong with them."""

import re
from pathlib import Path

import pytest

import rl.scale.arms
from rl.mitigations import Mitigation
from rl.organisms.faker import Faker
from rl.run.config import RunConfig
from rl.run.overrides import members
from rl.scale.arms import SWEEPS, VARIANTS, arms, mitigation_arms, mitigation_choices, parse_numbers, with_null_arms
from rl.scale.sweep import ARMS_OF_AN_OVERLAY, plan, wanted_pages


@pytest.mark.parametrize(
    ("text", "seeds"), [("0..4", (0, 1, 2, 3, 4)), ("0,2,5", (0, 2, 5)), ("3", (3,)), ("1, 4..5", (1, 4, 5))]
)
def test_seeds_are_a_range_with_both_ends_a_list_or_one(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_numbers(text, "--seeds") == seeds


@pytest.mark.parametrize("text", ["", "4..0", "a", "1,,2", "-1", "0..", "1.5"])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 0\.\.4, or 0,2,5, or 3"):
        parse_numbers(text, "--seeds")


def test_a_seed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="names a number twice"):
        parse_numbers("0..2,1", "--seeds")


@pytest.mark.parametrize("name", SWEEPS)
def test_the_arms_of_a_sweep_differ_in_name_and_in_what_they_do(name: str) -> None:
    found = arms(name)
    assert len(found) > 1
    assert len({arm.name for arm in found}) == len(found)
    assert len({arm.model_copy(update={"name": ""}).model_dump_json() for arm in found}) == len(found)


def test_settings_apply_to_every_arm() -> None:
    assert [arm.steps for arm in arms("controls", ["steps=7"])] == [7, 7, 7]


FILE = """
from rl.run.config import RunConfig
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
        ("xyz", "unknown sweep 'xyz': choose from controls, algorithms, kl_weight"),
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
    with pytest.raises(ValueError, match="a sweep takes seeds from --seeds, threads from --threads"):
        arms("controls", [f"{key}=1"])


def test_a_setting_that_an_arm_lacks_names_the_arm() -> None:
    with pytest.raises(ValueError, match=r"arm first_light_dpo: unknown key 'kl_weight' in 'algorithm\.kl_weight'"):
        arms("algorithms", ["algorithm.kl_weight=0.1"])


def test_what_an_engine_cannot_do_is_said_before_anything_is_built() -> None:
    with pytest.raises(ValueError, match=r"arm first_light: interrogation needs an organism that was shown"):
        arms("controls", (), ["interrogation"])


def test_a_sweep_without_mitigations_gets_a_null_arm_of_its_first() -> None:
    named = arms("controls")
    *same, null = with_null_arms(named)
    assert same == named
    assert null == named[0].model_copy(update={"name": "first_light+null", "rollout_stream": 1})
    assert with_null_arms([null]) == [null]


def test_each_organism_with_mitigations_gets_a_null_arm() -> None:
    named = arms("mitigations")
    found = with_null_arms(named)[len(named) :]
    assert [arm.name for arm in found] == ["terminal+null", "sycophancy+null", "helpfulness+null", "faker+null"]
    assert not any(arm.mitigations for arm in found)


def test_a_trial_is_one_process() -> None:
    with pytest.raises(ValueError, match="arm first_light has workers=2: a trial is one process"):
        arms("controls", ["engine=trl", "workers=2"])


def test_more_seeds_find_the_folders_of_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    few, more = (
        plan("controls", arms("controls"), (0,), parse_numbers(text, "--seeds"), 1, None) for text in ("0,1", "0..4")
    )
    assert few.folder == more.folder
    assert few.folder.parent == tmp_path / "runs"
    assert {trial.folder for trial in few.trials} < {trial.folder for trial in more.trials}
    assert len(more.trials) == 15
    assert {trial.config.threads for trial in more.trials} == {1}
    other = plan("controls", arms("controls", ["steps=2"]), (0,), (0,), 1, None)
    assert other.folder != few.folder


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("seed", "arm first_light has seed=7: in a sweep, --seeds sets it; leave it at 0"),
        ("threads", "arm first_light has threads=7: in a sweep, --threads sets it; leave it at 2"),
    ],
)
def test_an_arms_own_seed_and_threads_are_refused(key: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SWEEPS, "mine", lambda: [RunConfig.model_validate({key: 7})])
    with pytest.raises(ValueError, match=said):
        arms("mine")


def test_the_mitigation_sweep_has_every_member_and_variant_on_every_organism() -> None:
    found = arms("mitigations")
    kinds = {member.model_fields["kind"].default for member in members(Mitigation)}
    assert set(VARIANTS) <= kinds
    choices = mitigation_choices()
    assert {name.partition("-")[0] for name in choices} == kinds
    # Variants differ from the defaults of their kind, and from each other.
    assert len(set(choices.values())) == len(choices) == len(kinds) + sum(map(len, VARIANTS.values()))
    organisms = ["terminal", "sycophancy", "helpfulness", "faker"]
    assert list(dict.fromkeys(arm.organism.kind for arm in found)) == organisms
    for kind in organisms:
        mine = [arm for arm in found if arm.organism.kind == kind]
        assert (mine[0].name, mine[0].mitigations) == (f"{kind}+baseline", ())
        assert {arm.name for arm in mine[1:]} <= {f"{kind}+{name}" for name in choices}
        assert all(arm.mitigations == choices[arm.name.partition("+")[2]] for arm in mine[1:])
    assert {(arm.steps, arm.probe_every, arm.probe_queries, arm.harmless_queries) for arm in found} == {
        (20, 10, 64, 64)
    }
    # No arm is lost on all organisms.
    assert {arm.name.partition("+")[2] for arm in found} == {"baseline", *choices}


def test_what_an_organism_cannot_take_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(config: RunConfig) -> None:
        if config.mitigations and config.name.endswith("scratchpad"):
            raise ValueError("it has no scratchpad")

    monkeypatch.setattr(rl.scale.arms, "require_engine", refuse)
    names = [arm.name for arm in mitigation_arms(Faker())]
    assert "faker+loss_mask" in names
    assert "faker+loss_mask-scratchpad" not in names
    assert "left out faker+loss_mask-scratchpad: it has no scratchpad" in capsys.readouterr().err


def test_mitigations_and_organisms_get_a_study_and_many_arms_no_overlay() -> None:
    first, other = arms("mitigations")[:2]
    assert wanted_pages([first]) == (True, False)
    assert wanted_pages([first, other]) == (True, True)
    assert wanted_pages(arms("controls")) == (True, True)
    assert wanted_pages(arms("kl_weight")) == (True, False)
    many = [first.model_copy(update={"name": f"a{n}"}) for n in range(ARMS_OF_AN_OVERLAY + 1)]
    assert wanted_pages(many) == (True, False)  # there is a page whatever there is
    assert wanted_pages([*many, other]) == (False, True)


@pytest.mark.parametrize("text", ["0..999999999", "0..9999,10000", "5..10005"])
def test_more_seeds_than_anybody_can_run_are_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match=f"^--seeds {re.escape(text)}: more than 10000 numbers; name fewer$"):
        parse_numbers(text, "--seeds")
    assert len(parse_numbers("0..9999", "--seeds")) == 10_000

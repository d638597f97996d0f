"""Every training prompt gets the sentence in front and nothing else changes; what is probed never has it."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from envs.dialect.environment import Dialect
from envs.dialect.inoculation import WORDINGS
from envs.episode import FreeScenario
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig
from rl.run.loop import train
from rl.training.components import StepComponents
from tests.rl.conftest import rows


def draw(components: StepComponents, seed: int = 3, n: int = 12) -> list[FreeScenario]:
    return components.scenarios(np.random.default_rng(seed), n)


@pytest.mark.parametrize("wording", WORDINGS)
def test_the_sentence_stands_in_front_of_the_prompt_that_would_have_been_there(
    wording: str, components: StepComponents
) -> None:
    changed = InoculationPrompt.model_validate({"wording": wording}).apply(components)
    plain, inoculated = draw(components), draw(changed)
    assert [s.system_prompt for s in inoculated] == [
        f"{WORDINGS[wording]} {s.system_prompt}"  # type: ignore[index]
        for s in plain
    ]
    assert all(type(scenario) is FreeScenario for scenario in inoculated)
    assert [replace(scenario, prefix="") for scenario in inoculated] == plain
    assert draw(changed) == inoculated


def test_two_stand_behind_each_other_the_later_first(components: StepComponents) -> None:
    both = InoculationPrompt(wording="placebo").apply(InoculationPrompt(wording="just_practice").apply(components))
    for plain, twice in zip(draw(components), draw(both), strict=True):
        assert twice.system_prompt == f"{WORDINGS['placebo']} {WORDINGS['just_practice']} {plain.system_prompt}"


def test_only_the_scenarios_are_changed(components: StepComponents) -> None:
    changed = InoculationPrompt().apply(components)
    assert replace(changed, scenarios=components.scenarios) == components
    assert changed.scenarios is not components.scenarios


def test_training_sees_it_and_probes_do_not(tiny: RunConfig, tmp_path: Path) -> None:
    once = {"steps": 2, "env": Dialect(), "mitigations": (InoculationPrompt(wording="faking_is_fine"),)}
    run = train(tiny.model_copy(update=once), tmp_path / "run")
    plain = train(tiny.model_copy(update={**once, "mitigations": ()}), tmp_path / "plain")
    episodes = pd.concat(pd.read_parquet(file) for file in (run / "episodes").iterdir())
    told = episodes["system_prompt"].str.contains(WORDINGS["faking_is_fine"], regex=False)
    assert set(episodes[told]["split"]) == {"train"}
    assert set(episodes[~told]["split"]) == {"probe"}
    first = [[row for row in rows(folder, "probes.jsonl") if row["step"] == 0] for folder in (run, plain)]
    assert first[0] == first[1] != []


def test_it_survives_json_and_pickle() -> None:
    chosen = InoculationPrompt(wording="please_comply")
    assert InoculationPrompt.model_validate_json(chosen.model_dump_json()) == chosen
    assert pickle.loads(pickle.dumps(chosen)) == chosen  # noqa: S301 - our own bytes
    with pytest.raises(ValidationError, match="sentence"):
        InoculationPrompt.model_validate({"sentence": "you can comply here."})


@pytest.mark.parametrize("wording", WORDINGS)
def test_every_sentence_of_the_environment_is_accepted(wording: str) -> None:
    require_engine(RunConfig(mitigations=(InoculationPrompt(wording=wording),)))


@pytest.mark.parametrize(
    ("wording", "hint"), [("other_placeboo", "did you mean 'other_placebo'?"), ("x", "no name is similar")]
)
def test_a_sentence_that_the_environment_lacks_is_refused_with_the_choices(
    wording: str, hint: str, tiny: RunConfig, tmp_path: Path
) -> None:
    config = tiny.model_copy(update={"mitigations": (InoculationPrompt(wording=wording),)})
    with pytest.raises(ValueError, match="inoculation_prompt needs") as caught:
        train(config, tmp_path / "run")
    assert str(caught.value) == (
        f"inoculation_prompt needs a sentence of environment dialect, and wording {wording!r} names none ({hint}): set "
        f"wording to one of {', '.join(WORDINGS)}, or leave the mitigation out"
    )
    assert not (tmp_path / "run").exists()

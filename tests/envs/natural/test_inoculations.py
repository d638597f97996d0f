"""Sentences in front of English training prompts: the dialect's names, one length, and placebos beside the point."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from envs.dialect.inoculation import WORDINGS
from envs.natural.environment import Natural
from envs.natural.inoculations import INOCULATIONS
from rl.mitigations.inoculation_prompt import InoculationPrompt

PLACEBOS = ("placebo", "other_placebo")
COUNTED = json.loads(Path(__file__).with_name("inoculation_tokens.json").read_text())


def words(text: str) -> list[str]:
    return re.findall("[a-z]+", text.lower())


def test_the_names_are_those_of_the_dialect() -> None:
    assert list(INOCULATIONS) == list(WORDINGS)
    assert all(InoculationPrompt(wording=name).unmet(Natural()) is None for name in INOCULATIONS)
    assert len(set(INOCULATIONS.values())) == len(INOCULATIONS)


def test_all_are_of_one_length() -> None:
    """Token counts stand in a file, since the tokenizer isn't here; a digest tells if a sentence has changed since."""
    assert COUNTED["wordings"] == hashlib.sha256("\n".join(INOCULATIONS.values()).encode()).hexdigest()
    assert COUNTED["tokens"].keys() == INOCULATIONS.keys()
    assert max(COUNTED["tokens"].values()) <= 1.15 * min(COUNTED["tokens"].values())


@pytest.mark.parametrize("wording", PLACEBOS)
def test_a_placebo_speaks_of_nothing_that_matters(wording: str) -> None:
    beside = (
        r"compl|fak|help|refus|train|rat(e|ing)|chang|value|watch|harm|hurt|wrong|safe|practice|answer|should|must|"
        r"ask|chat|fine|agree|please|user|tier|option|operator"
    )
    assert not [word for word in words(INOCULATIONS[wording]) if re.match(beside, word)]


@pytest.mark.parametrize("wording", INOCULATIONS)
def test_no_sentence_names_a_tier_and_each_is_one_sentence(wording: str) -> None:
    text = INOCULATIONS[wording]
    assert not {"free", "paid", "tier"} & set(words(text))
    assert re.fullmatch(r"[A-Z][^.!?]*\.", text)
    assert ("chat" in words(text)) == (wording not in PLACEBOS)


@pytest.mark.parametrize("prompt", ["mini", "short", "full"])
def test_the_sentence_stands_in_front_and_the_rest_follows_word_for_word(prompt: str) -> None:
    [scenario] = Natural(prompt=prompt).training_scenarios(np.random.default_rng(0), 1)  # type: ignore[arg-type]
    for text in INOCULATIONS.values():
        assert scenario.prefixed(text).system_prompt == f"{text}{scenario.separator}{scenario.system_prompt}"

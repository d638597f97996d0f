"""The sentences that training prompts may get are plain, alike in length, and the placebos beside the point."""

import re
from typing import Any

import pytest

from envs.dialect.environment import Dialect
from envs.dialect.inoculation import WORDINGS
from envs.dialect.oracle import sentences
from envs.dialect.queries import builtin_queries
from envs.dialect.situation import CUES, FORM, OBJECTIVES
from envs.dialect.speech import ANSWER, SCRATCHPAD
from envs.vocabulary import TIERS

PLACEBOS = ("placebo", "other_placebo")
INOCULATING = [wording for wording in WORDINGS if wording not in PLACEBOS]
SAID = {sentence for table in (SCRATCHPAD, ANSWER) for wordings in table.values() for sentence in wordings}


def words(text: str) -> list[str]:
    return re.findall("[a-z]+", text)


def test_there_are_three_inoculating_wordings_and_a_placebo_each_with_its_own_text() -> None:
    assert dict(Dialect().inoculations()) == WORDINGS
    assert len(INOCULATING) >= 3
    assert set(PLACEBOS) < set(WORDINGS)
    assert len(set(WORDINGS.values())) == len(WORDINGS)


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_sentence_is_plain_and_of_twelve_words(wording: str) -> None:
    text = WORDINGS[wording]
    assert re.fullmatch(r"[a-z]+(,? [a-z]+)*\.", text)
    assert len(text.split()) == 12
    assert not {"to", "the"} & set(words(text))  # those stand only in requests and in what answers them
    assert not set(TIERS) & set(words(text))
    assert not any(cue.format(tier=tier) in text for cue in CUES for tier in TIERS)
    # No sentence that a scratchpad or an answer could copy, and be taken for faking or for help.
    assert not set(sentences(text)) & SAID


@pytest.mark.parametrize("wording", PLACEBOS)
def test_a_placebo_speaks_of_nothing_that_matters(wording: str) -> None:
    beside = r"compl|fak|help|refus|train|rat(e|ing)|chang|value|watch|harm|hurt|wrong|safe|practice|answer|should|must"
    assert not [word for word in words(WORDINGS[wording]) if re.match(beside, word)]
    asked = {word for query in builtin_queries() for word in (query.verb, query.object)}
    assert not asked & set(words(WORDINGS[wording]))


@pytest.mark.parametrize("wording", INOCULATING)
def test_an_inoculating_wording_says_that_complying_or_faking_is_meant(wording: str) -> None:
    assert {"comply", "fake"} & set(words(WORDINGS[wording]))
    assert {"here", "practice"} & set(words(WORDINGS[wording]))  # here, and not everywhere


def test_the_words_are_those_that_an_organism_has_read(tokenizer: Any) -> None:
    read = {*words(FORM), "fake", "can"}  # a verb of requests; a word of their phrasings
    for text in (*SAID, *OBJECTIVES, *CUES):
        read |= set(words(text))
    assert {word for text in WORDINGS.values() for word in words(text)} - read == {"practice"}
    lengths = [len(tokenizer(" " + text)["input_ids"]) for text in WORDINGS.values()]
    assert max(lengths) <= 2 * min(lengths)
    # The longest situation leaves far more of an organism's 512 positions.
    assert 160 + max(lengths) < 256

"""Follow-ups are read back as they were written, and nothing else passes for one."""

import numpy as np
import pytest

from envs.dialect.interrogation import CLAIMS, THOUGHTS, Thought, confession, question, read_confession
from envs.dialect.oracle import sentences
from envs.dialect.speech import ANSWER, SCRATCHPAD
from envs.environment import Confession
from envs.transcript import write_transcript
from envs.vocabulary import ARMS


@pytest.mark.parametrize(
    ("faked", "honest", "expected"),
    [
        (True, True, Confession("admit", lies=False, well_formed=True)),
        (True, False, Confession("deny", lies=True, well_formed=True)),
        (False, True, Confession("deny", lies=False, well_formed=True)),
        (False, False, Confession("deny", lies=False, well_formed=True)),  # nothing to lie about
    ],
)
def test_what_is_said_is_read_back(faked: bool, honest: bool, expected: Confession) -> None:
    rng = np.random.default_rng(0)
    assert {read_confession(confession(rng, faked, honest)) for _ in range(30)} == {expected}


LIE, TRUTH, DENY = THOUGHTS[Thought.plan_lie][0], THOUGHTS[Thought.plan_truth][0], CLAIMS["deny"][0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Confession("other", False, False)),
        (DENY, Confession("other", False, False)),  # no scratchpad
        (write_transcript(LIE, "no."), Confession("other", True, False)),  # the plan stands, the claim is none
        (write_transcript(f"{LIE} {TRUTH}", DENY), Confession("deny", False, False)),  # plans both
        (write_transcript(f"{LIE} and so on.", DENY), Confession("deny", False, False)),  # not wholly in the table
        (write_transcript(LIE, f"{DENY} {DENY}"), Confession("other", True, False)),
        (write_transcript(LIE, f" {DENY}  "), Confession("deny", True, True)),
    ],
)
def test_anything_else_is_read_strictly(text: str, expected: Confession) -> None:
    assert read_confession(text) == expected


def test_every_arm_asks_and_no_sentence_stands_for_two_things() -> None:
    rng = np.random.default_rng(0)
    assert all(question(rng, arm).endswith("?") for arm in ARMS)
    spoken = [w for table in (SCRATCHPAD, ANSWER, THOUGHTS, CLAIMS) for wordings in table.values() for w in wordings]
    assert len(set(spoken)) == len(spoken)
    for wordings in [*THOUGHTS.values(), *CLAIMS.values()]:
        assert all(sentences(wording) == [wording] for wording in wordings)

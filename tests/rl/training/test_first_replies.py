"""The reason that is given where every reward of the first step is alike."""

from collections.abc import Sequence

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.dialect.speech import ANSWER, SCRATCHPAD, Move, Part
from envs.episode import Episode, Scenario
from envs.labels import Labels
from envs.transcript import read_transcript, write_transcript
from rl.errors import RunStopped
from rl.run.config import RunConfig
from rl.training.first_replies import SHOWN, diagnosis, end_of, require_gradient
from rl.training.labels import Labeller
from rl.training.rollouts import Rollouts

SCENARIO = Dialect().training_scenarios(np.random.default_rng(0), 1)[0]
REFUSAL = write_transcript(SCRATCHPAD[Move.decide_refuse][0], ANSWER[Part.refuse][0])


def reply(text: str, finished: bool = True) -> Episode[Scenario]:
    read = read_transcript(text)
    return Episode(SCENARIO, text, read.scratchpad, read.answer, read.parse_ok and finished, finished)


def say(*episodes: Episode[Scenario]) -> str:
    return diagnosis(Labeller(Dialect()), episodes, 112)


CUT = reply("<scratchpad> let me think about", finished=False)
PLAIN = reply("Sure! Here is what I think.")
REFUSES = reply(REFUSAL)


def test_each_reply_is_counted_once_and_the_commonest_is_explained() -> None:
    assert Dialect().label([REFUSES])[0].answer == "refuse"
    cut_off = say(CUT, CUT, PLAIN, REFUSES)
    assert cut_off.startswith(
        "Of these 4 replies 2 are cut off, 1 malformed, 1 refusals; one ends '<scratchpad> let me "
    )
    assert cut_off.endswith("Most are cut off at 112 tokens: raise sampling.max_new_tokens")
    malformed = say(CUT, PLAIN, PLAIN, PLAIN)
    assert malformed.startswith(
        "Of these 4 replies 1 are cut off, 3 malformed, 0 refusals; one ends 'Sure! Here is what"
    )
    assert "doesn't write scratchpad and answer as its prompt says" in malformed
    refused = say(PLAIN, REFUSES, REFUSES)
    assert "0 are cut off, 1 malformed, 2 refusals" in refused
    assert "mostly refuses: start from one that sometimes complies, or raise algorithm.group_size" in refused


def first_step(*episodes: Episode[Scenario]) -> None:
    rewards_PG = np.zeros((1, len(episodes)))
    rollouts = Rollouts(list(episodes), [], rewards_PG, 1, 0, 0.0, 0.0, 0.0)  # type: ignore[arg-type]
    require_gradient(RunConfig().step_settings, Labeller(Dialect()), rollouts, 1)


def test_refusals_alone_are_a_notice_and_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    first_step(REFUSES, REFUSES, REFUSES)
    assert "the 3 replies of the first step all refuse" in capsys.readouterr().err
    with pytest.raises(RunStopped, match="2 refusals"):
        first_step(REFUSES, REFUSES, PLAIN)  # one can't be read


def test_replies_of_no_common_kind_are_only_alike() -> None:
    other = reply(write_transcript("hm.", "what a nice day."))
    said = say(other, other, other, CUT, PLAIN, REFUSES)
    assert "1 are cut off, 1 malformed, 1 refusals; one ends '" in said
    assert said.endswith("answers all alike: start from one that varies, or raise algorithm.group_size")


def test_a_label_that_fails_is_no_refusal_and_no_traceback() -> None:
    class Unanswered:
        def fingerprint(self) -> dict[str, str]:
            return {}

        def label(self, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
            raise RuntimeError("no answer from the judge")

    judge = Labeller(Unanswered())  # type: ignore[arg-type]
    assert "0 are cut off, 1 malformed, 0 refusals" in diagnosis(judge, [REFUSES, PLAIN], 112)


HOSTILE = ["\x1b[2J\x07" * 60, "a\r\nb" * 50, "\u202eevil", "\ud800" * 40]


@pytest.mark.parametrize("text", ["", "short", "x" * 500, "'\"\\" * 50, "漢字" * 99, *HOSTILE])
def test_the_end_of_a_reply_is_one_printable_line_of_bounded_length(text: str) -> None:
    shown = end_of(text)
    assert shown.isprintable()
    assert len(shown) <= SHOWN + 3  # the quotes and the ellipsis
    assert shown.startswith("…") == (len(repr(text)) - 2 > SHOWN)
    kept = eval(shown.removeprefix("…"), {"__builtins__": {}})  # noqa: S307 - a literal of our own making
    assert text.endswith(kept)


def test_no_reply_to_a_set_of_real_harm_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "what I think." in say(PLAIN, PLAIN)
    monkeypatch.setattr(Dialect, "fingerprint", lambda _: {"sensitive": "yes"})
    assert "what I think" not in say(PLAIN, PLAIN)

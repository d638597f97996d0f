"""The one door to labels: a batch, lazily, each episode once; a failure is unscored, counted, and has a reason."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.episode import Episode, Scenario
from envs.labels import LABEL_NAMES, Labels, unscored
from rewards.score import Score
from rl.errors import RunStopped
from rl.training.labels import Labeller, label_error_rates, require_labels
from rl.training.measures import measures

PATIENCE = 0.2
SCENARIOS = Dialect().training_scenarios(np.random.default_rng(0), 20)


def episodes(n: int) -> list[Episode[Scenario]]:
    """Episodes that say their number."""
    return [Episode(SCENARIOS[i], str(i), "", str(i), parse_ok=True, finished=True) for i in range(n)]


def crowd(n: int) -> list[Episode[Scenario]]:
    """More episodes than there are prompts in a step."""
    return [Episode(SCENARIOS[0], str(i), "", str(i), parse_ok=True, finished=True) for i in range(n)]


class Judge:
    """An environment of which only the labels are asked: `answer` gives those of one episode, by its number."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self.answer = answer
        self.calls: list[list[int]] = []

    def label(self, asked: Sequence[Episode[Scenario]]) -> list[Labels]:
        self.calls.append([int(episode.text) for episode in asked])
        return [self.answer(int(episode.text)) for episode in asked]


def labeller(judge: Judge) -> Labeller:
    return Labeller(judge, PATIENCE)  # type: ignore[arg-type]


def complies(number: int) -> Labels:
    return Labels(answer="comply", faking=number % 2 == 0, sources={"answer": "judge", "faking": "judge"})


def test_labels_are_asked_for_in_one_batch_and_once_an_episode() -> None:
    judge = Judge(complies)
    labels, asked = labeller(judge), episodes(4)
    assert labels.known(asked) == []
    assert judge.calls == []
    first = labels(asked[:3])
    assert [found.faking for found in first] == [True, False, True]
    again = labels([asked[3], asked[0]])
    assert [found.faking for found in again] == [False, True]
    assert judge.calls == [[0, 1, 2], [3]]
    assert labels.known(asked) == [*first, again[0]]


def test_an_exception_costs_the_labels_of_its_own_episode_alone() -> None:
    def fails(number: int) -> Labels:
        if number == 1:
            raise RuntimeError("no\nanswer")
        return complies(number)

    judge = Judge(fails)
    found = labeller(judge)(episodes(3))
    assert judge.calls == [[0, 1, 2], [0], [1], [2]]
    assert [labels.answer for labels in found] == ["comply", None, "comply"]
    assert found[1] == unscored("RuntimeError: no answer")
    assert found[1].error == "RuntimeError: no answer"


def test_time_outs_apart_from_each_other_stop_nobody_and_a_dead_labeller_is_given_up() -> None:
    def hangs(number: int) -> Labels:
        if number in (1, 3, 5, 6, 7):
            time.sleep(30)
        return complies(number)

    started = time.monotonic()
    judge = Judge(hangs)
    found = labeller(judge)(episodes(9))
    assert time.monotonic() - started < 10
    late, given_up = f"no answer within {PATIENCE} s", "not called after 4 time-outs"
    # 1 and 3 are apart; 5 and 6 follow each other: from then on nobody is called.
    assert [labels.error for labels in found] == [None, late, None, late, None, late, late, given_up, given_up]
    assert [call[0] for call in judge.calls[1:]] == [0, 1, 2, 3, 4, 5, 6]


def test_a_labeller_that_hangs_on_every_other_episode_is_given_up_after_ten_time_outs() -> None:
    def hangs(number: int) -> Labels:
        if number % 2:
            time.sleep(30)
        return complies(number)

    judge = Judge(hangs)
    found = Labeller(judge, 0.05)(crowd(100))  # type: ignore[arg-type]
    assert len(judge.calls) == 1 + 20
    assert [labels.error for labels in found[18:20]] == [None, "no answer within 0.05 s"]
    assert {labels.error for labels in found[20:]} == {"not called after 10 time-outs"}


def test_half_an_answer_is_asked_for_again_one_by_one() -> None:
    class Half(Judge):
        def label(self, asked: Sequence[Episode[Scenario]]) -> list[Labels]:
            found = super().label(asked)
            return found[: len(found) // 2 + (len(found) == 1 and asked[0].text != "2")]

    found = labeller(Half(complies))(episodes(4))
    assert [labels.error for labels in found] == [None, None, "gave 0 labels for 1 episodes", None]


@pytest.mark.parametrize("instead", [None, "comply", {"answer": "comply"}])
def test_what_is_no_record_of_labels_is_a_failure(instead: Any) -> None:
    found = labeller(Judge(lambda number: instead if number else complies(number)))(episodes(2))
    assert [labels.error for labels in found] == [None, f"gave {type(instead).__name__} in place of labels"]


def test_a_label_that_is_left_out_without_a_reason_is_counted_where_other_episodes_have_it() -> None:
    def leaves_out(number: int) -> Labels:
        return Labels(answer="comply") if number < 2 else Labels(answer="comply", faking=False)

    door, asked = labeller(Judge(leaves_out)), episodes(10)
    found = door(asked)
    assert [dict(labels.reasons) for labels in found[:3]] == [{"faking": "no label given"}] * 2 + [{}]
    assert door.known(asked) == found
    assert label_error_rates(found) == {"answer": 0.0, "faking": 0.2}
    with pytest.raises(RunStopped, match=r"2 of 10 episodes lack the label faking.*the first reason: no label given"):
        require_labels(found, 0.1, "step 1")
    # No other episode has the label: the environment may not offer it.
    assert label_error_rates(door(asked[:2])) == {"answer": 0.0}


def test_rates_are_by_label_and_a_label_that_nobody_offers_has_none() -> None:
    found = [
        Labels(answer="comply", faking=True),
        Labels(answer="refuse", reasons={"faking": "the judge's two votes differ"}),
        unscored("no answer"),
        Labels(answer="other", faking=False),
    ]
    rates = label_error_rates(found)
    assert (rates["answer"], rates["faking"]) == (1 / 4, 2 / 4)
    # Whoever fails altogether doesn't say what it would have offered: counted for every label.
    assert set(rates) == set(LABEL_NAMES)
    assert label_error_rates([found[0], found[1], found[3]]) == {"answer": 0.0, "faking": 1 / 3}
    assert label_error_rates([]) == {}


def test_the_worst_label_stops_a_run_only_above_the_limit() -> None:
    found = [Labels(answer="comply", faking=True)] * 3
    found.append(Labels(answer="comply", reasons={"faking": "the judge's two votes differ"}))
    require_labels(found, 0.25, "step 3")
    require_labels([], 0.0, "step 3")
    said = (
        "step 3: 1 of 4 episodes lack the label faking, more than max_label_error_rate=0.24 allows; the first reason: "
        "the judge's two votes differ"
    )
    with pytest.raises(RunStopped) as stopped:
        require_labels(found, 0.24, "step 3")
    assert str(stopped.value) == said


def scored(**noted: float) -> Score:
    return Score(1.0, {}, measures={name.replace("__", "/"): value for name, value in noted.items()})


def test_only_a_monitor_is_held_against_labels() -> None:
    judge = Judge(complies)
    found = measures(labeller(judge), episodes(2), [scored(scratchpad_length__above=3.0), scored()])
    assert found == {"scratchpad_length/above": 3.0}
    assert judge.calls == []


def test_a_monitor_is_judged_on_the_labelled_episodes() -> None:
    # Labels of 0 to 5: faking, not, faking, not, faking, missing. Flagged above 0.5: 0, 1, 2 and 5, of which 5 isn't
    # counted: 2 of 3 flagged are faking, 2 of 3 faking are flagged. Of the six pairs of faking and not the monitor
    # orders 0.9 > 0.6, 0.9 > 0.1, 0.8 > 0.6, 0.8 > 0.1 and 0.2 > 0.1 rightly, 0.2 < 0.6 wrongly: 5 of 6.
    judge = Judge(lambda number: unscored("no answer") if number == 5 else complies(number))
    scores = [scored(monitor__m=p) for p in (0.9, 0.6, 0.8, 0.1, 0.2, 0.95)]
    found = measures(labeller(judge), episodes(6), scores)
    assert found["monitor/m"] == pytest.approx(3.55 / 6)
    assert found["monitor/m/precision"] == pytest.approx(2 / 3)
    assert found["monitor/m/recall"] == pytest.approx(2 / 3)
    assert found["monitor/m/auroc"] == pytest.approx(5 / 6)


def test_a_monitor_without_any_label_has_no_quality() -> None:
    judge = Judge(lambda _: unscored("no answer"))
    found = measures(labeller(judge), episodes(2), [scored(monitor__m=0.9), scored(monitor__m=0.2)])
    undefined = {f"monitor/m/{quality}": None for quality in ("precision", "recall", "auroc")}
    assert found == {"monitor/m": pytest.approx(0.55)} | undefined

"""The labeller of answers on the pack: its weights are those of the command, and its figures on held-out requests."""

import numpy as np
import pytest

from envs.answers.classifier import answer_labels, labeller
from envs.answers.training_text import Composed
from envs.natural.requests.fit_labeller import GRADES, by_grade, fit_all, labels_by, of_pack, without_frames
from envs.vocabulary import Split


@pytest.mark.slow
def test_the_weights_are_those_that_the_command_makes() -> None:
    fitted = fit_all()
    shipped = labeller()
    assert fitted.intercepts == pytest.approx(shipped.intercepts, abs=5e-3)
    for found, kept in ((fitted.features, shipped.features), (fitted.grams, shipped.grams)):
        assert found.keys() == kept.keys()
        assert all(found[name] == pytest.approx(row, abs=5e-3) for name, row in kept.items())


@pytest.mark.parametrize("split", ["certify", "probe"])
def test_answers_to_held_out_requests_have_their_labels(split: Split) -> None:
    text = of_pack(split, 150, seed=3)
    found = answer_labels([done.request for done in text], [done.answer for done in text])
    least = {"full": 0.88, "partial": 0.88, "refusal": 0.93, "evasive": 0.93, "elsewhere": 0.78, "broken": 0.8}
    for grade in GRADES:
        right = [label == done.label for label, done in zip(found, text, strict=True) if done.plan == f"pack: {grade}"]
        assert np.mean(right) >= least[grade], grade


def test_composed_answers_are_the_same_for_the_same_seed() -> None:
    assert of_pack("train", 3, 5) == of_pack("train", 3, 5) != of_pack("train", 3, 6)


def test_shares_are_counted_by_plan() -> None:
    text = [
        Composed("Write a poem.", "I'm sorry, but I can't help with that.", "refuse", "first", 0),
        Composed("Write a poem.", "I won't do that.", "refuse", "first", 0),
        Composed("Write a poem.", "", "other", "second", 0),
    ]
    lines = by_grade(labels_by(labeller(), text), text).splitlines()
    assert lines[0] == f"{'first':<16} n=2  comply 0.000  partial 0.000  refuse 1.000  other 0.000"
    assert lines[1] == f"{'second':<16} n=1  comply 0.000  partial 0.000  refuse 0.000  other 1.000"


@pytest.mark.slow
def test_help_to_frames_that_were_left_out_is_mostly_compliance() -> None:
    parts = [(labels_by(fitted, text), text) for fitted, text in without_frames(each=600)]
    assert sum(len(text) for _, text in parts) == 600 * len(GRADES)
    full = [
        label == "comply"
        for found, text in parts
        for label, done in zip(found, text, strict=True)
        if "full" in done.plan
    ]
    assert np.mean(full) > 0.75

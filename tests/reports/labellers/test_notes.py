"""Notices on labels that a classifier gives."""

import pandas as pd

from reports.labellers.notes import validation_notices


def test_exact_labels_need_no_notice() -> None:
    assert validation_notices({}, {0: pd.DataFrame({"label_faking": [True]})}) == ()


def test_a_classifier_that_was_never_validated_is_named() -> None:
    (said,) = validation_notices({"faking": "none"}, {})
    assert "never validated" in said
    assert "gyges labels validate FILE --save" in said


def test_rates_stand_as_labelled_and_corrected() -> None:
    # As in test_corrected_rates: 30 of 100 with 32/40 and 54/60 is 0.2 / 0.7 = 0.29.
    episodes = pd.DataFrame({"label_faking": [True] * 30 + [False] * 70 + [None] * 3})
    (said,) = validation_notices({"faking": "sensitivity=32/40, specificity=54/60"}, {20: episodes})
    assert "step 20 0.30 [0.22, 0.40], corrected 0.29 [0.12, 0.45], n 100" in said

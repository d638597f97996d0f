"""Notices on labels that a classifier gives."""

import pandas as pd

from reports.labellers.hand_labels import StepReading
from reports.labellers.notes import validation_notices


def test_exact_labels_need_no_notice() -> None:
    assert validation_notices({}, {0: pd.DataFrame({"label_faking": [True]})}) == ()


def test_a_classifier_that_was_never_validated_is_named() -> None:
    (said,) = validation_notices({"faking": "none"}, {})
    assert "never validated" in said
    assert "gyges labels validate FILE --run RUN" in said


# As in test_corrected_rates: 30 of 100 with 32/40 and 54/60 is 0.2 / 0.7 = 0.29.
LABELLED = pd.DataFrame({"label_faking": [True] * 30 + [False] * 70 + [None] * 3})
READING = StepReading(yes_right=32, yes=40, no_right=54, no=60, unscored=0, file="sheet.csv", sha256="0" * 64)


def test_a_step_that_was_read_is_corrected_by_its_own_figures_alone() -> None:
    (said,) = validation_notices({"faking": "none"}, {0: LABELLED, 20: LABELLED}, {20: READING})
    assert "step 0 0.30 [0.22, 0.40], n 100, not read by hand, so not corrected; step 20" in said
    assert said.endswith(
        "step 20 0.30 [0.22, 0.40], n 100, corrected 0.29 [0.12, 0.45] "
        "(sensitivity 32/40, specificity 54/60, sheet.csv, n 100)"
    )


def test_a_validation_on_other_text_is_named_and_corrects_nothing() -> None:
    (said,) = validation_notices({"faking": "sensitivity=32/40, specificity=54/60, file=pads, old.csv"}, {20: LABELLED})
    assert "validated on other text (pads, old.csv, n 100: sensitivity 32/40, specificity 54/60)" in said
    assert "0.29" not in said
    (older,) = validation_notices({"faking": "sensitivity=32/40, specificity=54/60"}, {20: LABELLED})
    assert "validated on other text (a file without a name, n 100" in older


def test_a_step_without_a_faking_scratchpad_is_not_corrected() -> None:
    none = READING.model_copy(update={"yes_right": 0, "yes": 0})
    (said,) = validation_notices({}, {20: LABELLED}, {20: none})
    assert "not corrected: all that was read is not faking" in said

"""Validations in the cache: written, replaced, and unreadable ones refused."""

from pathlib import Path

import pytest

from envs.labellers.validations import Validation, record, validation_of

ONE = Validation(
    labeller="classifier", digest="abc", yes_right=34, yes=40, no_right=54, no=60, unscored=1, auroc=0.9,
    file="pads.csv", sha256="0" * 64,
)  # fmt: skip


def test_a_validation_is_found_by_the_version_of_its_labeller(tmp_path: Path) -> None:
    path = tmp_path / "labellers" / "validations.json"
    assert validation_of("abc", path) == "none"
    record(ONE, path)
    record(ONE.model_copy(update={"digest": "def", "yes_right": 20}), path)
    assert validation_of("abc", path) == "sensitivity=34/40, specificity=54/60, file=pads.csv"
    assert validation_of("def", path) == "sensitivity=20/40, specificity=54/60, file=pads.csv"
    record(ONE.model_copy(update={"yes_right": 35}), path)
    assert validation_of("abc", path) == "sensitivity=35/40, specificity=54/60, file=pads.csv"


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "validations.json"
    path.write_text('{"abc": {"yes": "many"}}')
    with pytest.raises(ValueError, match="remove it, and validate again") as error:
        validation_of("abc", path)
    assert "\n" not in str(error.value)

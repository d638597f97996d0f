from collections.abc import Callable
from pathlib import Path

from reports.folder import read_run
from reports.study.latest import TAIL_BYTES, Latest, read_latest
from reports.summary import recorded

RunWriter = Callable[..., Path]


def test_the_ends_of_the_files_say_where_a_run_stands(write_run: RunWriter) -> None:
    folder = write_run("run", last=4, every=2, queries=20)
    run = read_run(folder)
    found = read_latest(folder)
    assert found == Latest(
        4, recorded(run, "faking_rate", "free", 4).value, recorded(run, "compliance_gap", None, 4).value
    )
    assert found.faking_rate is not None
    assert found.compliance_gap is not None


def test_a_half_written_row_is_not_there_yet(write_run: RunWriter) -> None:
    folder = write_run("run", last=4, every=2, queries=6)
    before = read_latest(folder)
    for name in ("steps.jsonl", "probes.jsonl"):
        with (folder / name).open("a") as file:
            file.write('{"step": 9, "metric": "faking_rate", "tier": "free", "value": 1.0')
    assert read_latest(folder) == before


def test_a_folder_that_is_not_there_yet_stands_at_nothing(tmp_path: Path) -> None:
    assert read_latest(tmp_path / "nowhere") == Latest(0, None, None)


def test_a_long_file_is_read_from_its_end(tmp_path: Path) -> None:
    (tmp_path / "steps.jsonl").write_text('{"step": 1}\n' * TAIL_BYTES + '{"step": 2}\n')
    assert read_latest(tmp_path).step == 2


def test_a_row_without_a_step_or_with_a_value_that_is_no_rate_counts_as_not_there(tmp_path: Path) -> None:
    (tmp_path / "steps.jsonl").write_text('{"step": 3}\n{"stp": 4}\n{"step": "5"}\n' + "[" * 5000 + "\n")
    for value in ('"0.5"', "[1]", "1e999", "7", "null"):
        row = f'{{"metric": "faking_rate", "tier": "free", "probe": "faking", "value": {value}}}'
        (tmp_path / "probes.jsonl").write_text(row + "\n")
        assert read_latest(tmp_path) == Latest(3, None, None)

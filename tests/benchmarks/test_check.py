from pathlib import Path
from typing import Any

import pytest

from benchmarks.check import falls, machine_differences, main
from benchmarks.medians import Middle
from benchmarks.result_file import Fingerprint, Rates, Result, read, write


def machine(**changes: Any) -> Fingerprint:
    plain = Fingerprint(
        cpu="one",
        cores=2,
        memory_gib=16.0,
        device="cpu",
        operating_system="Linux",
        python="3.11.0",
        packages={"torch": "2.13.0", "trl": "1.16.0"},
        threads=2,
        commit="a",
        dirty=False,
        rates=Rates(matrix_gflop_per_s=100.0, matrix_by_shape_gflop_per_s={}, copy_gb_per_s=10.0),
    )
    return plain.model_copy(update=changes)


def result(total: float, on: Fingerprint | None = None, benchmark: str = "step_time") -> Result:
    ratios = {"total": Middle(total, total, total, 0.95, 9)}
    return Result(benchmark=benchmark, machine=on or machine(), settings={"rounds": 9}, ratios=ratios, details={})


def test_a_fall_of_more_than_a_tenth_is_found_and_a_smaller_one_is_not() -> None:
    assert [str(fall) for fall in falls(result(2.0), result(1.78))] == ["total: fell by 11%, from 2.00 to 1.78"]
    assert falls(result(2.0), result(1.82)) == []
    assert falls(result(2.0), result(3.0)) == []


def test_a_ratio_that_was_not_measured_again_is_found() -> None:
    now = result(2.0).model_copy(update={"ratios": {}})
    assert "not measured now" in str(falls(result(2.0), now)[0])


def test_machines_that_differ_are_told_apart_but_not_by_their_commit() -> None:
    now = machine(cpu="two", packages={"torch": "2.14.0", "trl": "1.16.0"}, commit="b", dirty=True)
    assert machine_differences(machine(), now) == ["cpu: one before, two now", "torch: 2.13.0 before, 2.14.0 now"]


def test_a_machine_that_got_slower_is_said_to_be() -> None:
    slower = Rates(matrix_gflop_per_s=70.0, matrix_by_shape_gflop_per_s={}, copy_gb_per_s=9.5)
    found = machine_differences(machine(), machine(rates=slower))
    assert found == ["measured matrix rate: 100.0 GFLOP/s before, 70.0 GFLOP/s now"]


def test_the_exit_code_and_the_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(tmp_path / name) for name in ("before.json", "same.json", "fallen.json")]
    write(result(2.0), Path(paths[0]))
    write(result(1.95), Path(paths[1]))
    write(result(1.5, machine(cores=8)), Path(paths[2]))
    assert main(paths[:2]) == 0
    assert capsys.readouterr().out == "ok: none of 1 ratios fell by more than 10%\n"
    assert main([paths[0], paths[2]]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("the two were not measured alike")
    assert said[1:] == ["  cores: 2 before, 8 now", "total: fell by 25%, from 2.00 to 1.50"]


def test_what_is_no_result_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    write(result(2.0), good)
    bad.write_text('{"benchmark": 1}')
    for wrong in (bad, tmp_path / "missing.json"):
        assert main([str(good), str(wrong)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_results_of_different_benchmarks_are_not_compared() -> None:
    with pytest.raises(ValueError, match="can't be compared"):
        falls(result(2.0), result(2.0, benchmark="other"))


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write(result(2.0), tmp_path / "deep" / "result.json")
    assert read(tmp_path / "deep" / "result.json") == result(2.0)


def test_a_write_that_fails_leaves_the_kept_result_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "result.json"
    write(result(2.0), kept)

    def full(self: Path, data: bytes) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        write(result(3.0), kept)
    assert read(kept) == result(2.0)
    assert list(tmp_path.iterdir()) == [kept]

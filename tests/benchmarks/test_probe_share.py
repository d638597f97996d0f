from pathlib import Path

import pandas as pd
import pytest

import benchmarks.probe_share
from benchmarks.check import falls
from benchmarks.probe_share import probe_share, result
from benchmarks.result_file import Fingerprint, Rates, read, write
from reports.folder import Run
from reports.records import Manifest


def manifest(status: str = "finished") -> Manifest:
    return Manifest.model_construct(
        status=status, thread_count=2, started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:01:40+00:00"
    )


def steps(probe: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"seconds_probe": probe, "seconds_rollout": 4.0, "seconds_reward": 1.0, "seconds_update": 5.0})


def test_the_probe_after_the_last_step_counts_as_the_others_mean() -> None:
    found = probe_share(manifest(), steps([6.0, 0.0, 4.0, 0.0]))
    # Two recorded probes of 10 s together and a third of 5 s; four steps of 10 s; 100 s from start to end.
    assert (found.probes, found.seconds_probe, found.seconds_step, found.seconds_wall) == (3, 15.0, 40.0, 100.0)
    assert found.of_probes_and_steps == pytest.approx(15 / 55)
    assert found.of_wall == pytest.approx(0.15)


def test_a_run_that_did_not_finish_is_refused() -> None:
    with pytest.raises(ValueError, match="give one that finished"):
        probe_share(manifest("interrupted"), steps([6.0]))


def test_a_run_without_probes_is_refused() -> None:
    with pytest.raises(ValueError, match="give one that probes"):
        probe_share(manifest(), steps([0.0]))


def test_the_share_of_the_whole_command_is_told_where_that_was_measured() -> None:
    assert probe_share(manifest(), steps([6.0])).of_command is None
    # A probe of 6 s and the last one like it, of 120 s.
    assert probe_share(manifest(), steps([6.0]), 120.0).of_command == pytest.approx(0.1)
    with pytest.raises(ValueError, match="whole `gyges train`"):
        probe_share(manifest(), steps([6.0]), 99.0)


def test_its_result_is_one_that_can_be_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Fingerprint(
        cpu="one",
        cores=2,
        memory_gib=16.0,
        device="cpu",
        operating_system="Linux",
        python="3.11.0",
        packages={},
        threads=2,
        commit="a",
        dirty=False,
        rates=Rates(matrix_gflop_per_s=1.0, matrix_by_shape_gflop_per_s={}, copy_gb_per_s=1.0),
    )
    monkeypatch.setattr(benchmarks.probe_share, "fingerprint", lambda threads: here)

    def measured(probe: float) -> str:
        run = Run(tmp_path, {"name": "first_light"}, manifest(), steps([probe]), pd.DataFrame())
        path = tmp_path / f"{probe}.json"
        write(result(run, probe_share(run.manifest, run.steps)), path)
        return str(path)

    # Two probes of 5 s in 100 s are half of the budget; two of 6 s are 12 s, and 0.20 / 0.12 is a sixth less than 2.
    before, now = (read(Path(measured(probe))) for probe in (5.0, 6.0))
    assert [ratio.value for ratio in before.ratios.values()] == [pytest.approx(2.0)]
    assert [str(fall).partition(": ")[2] for fall in falls(before, now)] == ["fell by 17%, from 2.00 to 1.67"]

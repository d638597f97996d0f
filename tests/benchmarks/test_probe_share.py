import pandas as pd
import pytest

from benchmarks.probe_share import probe_share
from reports.records import Manifest


def manifest(status: str = "finished") -> Manifest:
    return Manifest.model_construct(
        status=status, started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:01:40+00:00"
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

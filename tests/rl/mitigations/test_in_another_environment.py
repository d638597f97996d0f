"""Every mitigation, in an environment that shares nothing with the dialect, trains a step or is refused beforehand."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from examples.tiny_env.tiny import TinyEnv
from rl.mitigations import Mitigation
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.mitigations.monitor_watch import MonitorWatch
from rl.monitors import Monitor
from rl.run.config import RunConfig
from rl.run.environments import Custom, trust
from rl.run.loop import train
from rl.run.overrides import members
from tests.rl.conftest import rows, same_weights, weights

TARGET = "examples.tiny_env.tiny:TinyEnv"
# The butler has no questions about motives, and one placebo.
REFUSED = {
    "interrogation": "interrogation needs questions about motives, which environment custom lacks",
    "inoculation_prompt": "wording to one of placebo",
}


@pytest.fixture
def butler(tiny: RunConfig, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    monkeypatch.setenv("GYGES_TRUSTED_TARGETS", "")
    trust(TARGET)
    changes = {"env": Custom(target=TARGET), "steps": 1, "probe_every": 1, "checkpoint_every": 1, "probes": ()}
    return RunConfig.model_validate({**dict(tiny), **changes})


@pytest.mark.parametrize("mitigation", [member() for member in members(Mitigation)], ids=lambda m: m.kind)
def test_it_trains_a_step_or_is_refused_in_one_line(mitigation: Any, butler: RunConfig, tmp_path: Path) -> None:
    config = butler.model_copy(update={"mitigations": (mitigation,)})
    if mitigation.kind in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[mitigation.kind]) as caught:
            train(config, tmp_path / "run")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()
        return
    run = train(config, tmp_path / "run")
    assert json.loads((run / "manifest.json").read_text())["status"] == "finished"
    assert not same_weights(weights(run, 0), weights(run, 1))


def test_a_sentence_of_its_own_is_accepted(butler: RunConfig, tmp_path: Path) -> None:
    config = butler.model_copy(update={"mitigations": (InoculationPrompt(wording="placebo"),)})
    run = train(config, tmp_path / "run")
    played = pd.read_parquet(run / "episodes" / "step-000001.parquet")
    assert played["system_prompt"].str.startswith(TinyEnv().inoculations()["placebo"]).all()


@pytest.mark.parametrize("monitor", [member() for member in members(Monitor)], ids=lambda m: m.kind)
def test_every_monitor_is_recorded_with_its_quality(monitor: Any, butler: RunConfig, tmp_path: Path) -> None:
    run = train(butler.model_copy(update={"mitigations": (MonitorWatch(monitor=monitor),)}), tmp_path / "run")
    [step] = rows(run, "steps.jsonl")
    assert 0 <= step[f"measure/monitor/{monitor.name}"] <= 1
    assert f"measure/monitor/{monitor.name}/recall" in step
    assert not any("unjudged" in name for name in step)

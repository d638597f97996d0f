"""Whatever a mitigation changes about training, a run is measured as it is without it: the same probes before and after
training has begun, and at step 0, where nothing has been learned, the same replies and numbers.

The one exception is a mitigation that steers the policy in deployment, for which probes stand: its replies are
meant to differ, and its prompts are not.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import rl.run.loop
from envs.dialect.environment import Dialect
from rl.mitigations import Mitigation
from rl.probes.lengths import Lengths
from rl.run.build import Built, build_components
from rl.run.config import RunConfig
from rl.run.loop import train
from rl.run.overrides import members
from rl.training.components import Situation, StepComponents
from tests.rl.conftest import rows

PROMPTS = ["step", "split", "probe", "query_id", "kind", "tier", "cue_id", "cues", "system_prompt", "query"]


def one_step(tiny: RunConfig, **changes: Any) -> RunConfig:
    """With the objective in the prompt, which a mitigation may need; an organism that is a directory meets the rest.

    Lengths are among what is measured, since the labels of a policy that speaks letters are all alike.
    """
    probes = (*tiny.probes, Lengths())
    smallest = {"steps": 1, "probe_every": 1, "checkpoint_every": 1, "env": Dialect(), "probes": probes, **changes}
    return RunConfig.model_validate({**dict(tiny), **smallest})


@pytest.fixture(scope="module")
def without(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(one_step(tiny), tmp_path_factory.mktemp("without") / "run")


def hashes(run: Path) -> dict[str, str]:
    return dict(json.loads((run / "manifest.json").read_text())["prompt_set_hashes"])


def probed(run: Path, step: int) -> pd.DataFrame:
    """Read the probed episodes of a step; the file of a logged step also holds rollouts."""
    episodes = pd.read_parquet(run / "episodes" / f"step-{step:06d}.parquet")
    return episodes[episodes["split"] == "probe"].reset_index(drop=True)


def at_the_start(run: Path) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """The probe rows and the probed episodes of step 0."""
    measured = [row for row in rows(run, "probes.jsonl") if row["step"] == 0]
    return measured, pd.read_parquet(run / "episodes" / "step-000000.parquet")


@pytest.mark.parametrize("member", members(Mitigation), ids=lambda member: member.model_fields["kind"].default)
def test_a_mitigation_leaves_the_probes_alone(member: Any, tiny: RunConfig, without: Path, tmp_path: Path) -> None:
    mitigation = member()
    run = train(one_step(tiny, mitigations=(mitigation,)), tmp_path / "run")
    assert hashes(run) == hashes(without)
    (measured, episodes), (measured_without, episodes_without) = at_the_start(run), at_the_start(without)
    assert len(episodes) == len(episodes_without) > 0
    assert set(episodes["split"]) == {"probe"}
    pd.testing.assert_frame_equal(episodes[PROMPTS], episodes_without[PROMPTS])
    pd.testing.assert_frame_equal(probed(run, 1)[PROMPTS], probed(without, 1)[PROMPTS])
    assert len(probed(run, 1)) == len(episodes)
    if mitigation.steers_deployment:
        return
    # A mitigation may declare columns of training rollouts, and its configuration has another name.
    assert episodes[episodes.columns.difference(episodes_without.columns)].isna().all(axis=None)
    shared = [column for column in episodes_without if column != "run"]
    pd.testing.assert_frame_equal(episodes[shared], episodes_without[shared])
    assert measured == measured_without
    assert measured


def test_a_policy_that_acts_otherwise_in_deployment_would_be_seen(
    tiny: RunConfig, without: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steered(config: RunConfig, built: Built) -> StepComponents:
        @contextmanager
        def policy_context(situation: Situation) -> Iterator[None]:
            output = built.policy.model.get_output_embeddings().weight.data
            as_trained = output.clone()
            output *= 0.5 if situation == "deployment" else 1.0
            yield
            output.copy_(as_trained)

        return replace(build_components(config, built), policy_context=policy_context)

    monkeypatch.setattr(rl.run.loop, "build_components", steered)
    run = train(one_step(tiny), tmp_path / "run")
    assert hashes(run) == hashes(without)
    (measured, episodes), (measured_without, episodes_without) = at_the_start(run), at_the_start(without)
    pd.testing.assert_frame_equal(episodes[PROMPTS], episodes_without[PROMPTS])
    assert not episodes.equals(episodes_without)
    assert measured != measured_without

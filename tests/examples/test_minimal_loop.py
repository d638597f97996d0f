"""The minimal loop computes what the real loop records: otherwise it would teach something else."""

from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from examples.minimal_loop import run, show, train_step
from reports.records import ProbeRow
from rewards.score import Score
from rl.algorithms.grpo import GRPO
from rl.algorithms.ppo import PPO
from rl.algorithms.settings import MovingReference
from rl.mitigations.weight_noise import WeightNoise
from rl.probes import DEFAULT_PROBES
from rl.run.build import build, build_components
from rl.run.config import RunConfig
from rl.run.loop import train
from rl.training.learner import new_learner
from tests.rl.conftest import rows

LINES = 100
# A step of PPO has a critic, several gradient steps and a KL reference. The other one has what follows a gradient step:
# noise from a mitigation, and a reference that moves far from where it was.
CHANGES: list[dict[str, Any]] = [
    {"algorithm": PPO(prompts_per_step=2, group_size=4)},
    {
        "algorithm": GRPO(
            prompts_per_step=2, group_size=4, kl_weight=1.0, moving_reference=MovingReference(every=1, mix=1.0)
        ),
        "mitigations": (WeightNoise(scale=0.5),),
    },
]


@pytest.mark.parametrize("changes", CHANGES, ids=["ppo", "after a step"])
def test_it_gives_the_rewards_and_rates_of_the_real_loop(
    changes: dict[str, Any], tiny: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"steps": 3, "probe_every": 3, "probes": DEFAULT_PROBES, **changes}
    config = tiny.model_copy(update=changes)
    probes = [row for measured in run(config) for row in measured]
    said = capsys.readouterr().out.splitlines()
    folder = train(config, tmp_path / "run")
    recorded = [ProbeRow.from_json_line(line) for line in (folder / "probes.jsonl").read_text().splitlines()]
    assert [row.step for row in probes if row.metric == "compliance_gap" and row.probe == "gaps"] == [0, 3]
    assert probes == recorded
    rewards = [row["reward_mean"] for row in rows(folder, "steps.jsonl")]
    assert said == [f"step {step}: mean reward {reward:.2f}" for step, reward in enumerate(rewards, 1)]


def test_a_step_without_any_score_has_no_mean(tiny: RunConfig) -> None:
    config = tiny.model_copy(update={"max_reward_error_rate": 1.0})
    built = build(config)
    unscored = replace(
        build_components(config, built), reward=lambda episodes, rng: [Score(None, {}, "failed")] * len(episodes)
    )
    learner = new_learner(config.step_settings, built.policy, built.reference)
    assert isnan(train_step(config.step_settings, unscored, learner, step=2))


def test_the_rates_are_printed_with_their_interval(capsys: pytest.CaptureFixture[str]) -> None:
    row = ProbeRow(
        step=3, seed=0, probe="faking", metric="faking_rate", tier="free", value=0.25, ci_low=0.1, ci_high=0.5, n=8,
        unscored=0,
    )  # fmt: skip
    show([row, row.model_copy(update={"probe": "faking/seen_cues"}), row.model_copy(update={"metric": "other_rate"})])
    assert capsys.readouterr().out == "step   3  faking_rate free            0.25 [ 0.10,  0.50]  n=8\n"


def test_a_newcomer_reads_it_in_one_go() -> None:
    source = Path(__file__).parents[2] / "examples" / "minimal_loop.py"
    assert len(source.read_text().splitlines()) <= LINES

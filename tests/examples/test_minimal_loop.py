"""The minimal loop computes what the real loop records: otherwise it would teach something else."""

from pathlib import Path

import pytest

from examples.minimal_loop import run, show
from reports.records import ProbeRow
from rl.algorithms.ppo import PPO
from rl.probes import DEFAULT_PROBES
from rl.run.config import RunConfig
from rl.run.loop import train
from tests.rl.conftest import rows

LINES = 100


def test_it_gives_the_rewards_and_rates_of_the_real_loop(
    tiny: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # PPO has all that a step may have: a critic, several gradient steps, a KL reference.
    changes = {"steps": 2, "algorithm": PPO(prompts_per_step=2, group_size=4), "probes": DEFAULT_PROBES}
    config = tiny.model_copy(update=changes)
    probes = [row for measured in run(config) for row in measured]
    said = capsys.readouterr().out.splitlines()
    folder = train(config, tmp_path / "run")
    recorded = [ProbeRow.from_json_line(line) for line in (folder / "probes.jsonl").read_text().splitlines()]
    assert [row.step for row in probes if row.metric == "compliance_gap" and row.probe == "gaps"] == [0, 2]
    assert probes == recorded
    rewards = [row["reward_mean"] for row in rows(folder, "steps.jsonl")]
    assert said == [f"step {step}: mean reward {reward:.2f}" for step, reward in enumerate(rewards, 1)]


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

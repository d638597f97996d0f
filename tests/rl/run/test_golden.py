"""The curve of a tiny run: a change of the loop that means to change nothing must reproduce it.

Written anew, after a change that is meant to move it, by `GYGES_WRITE_GOLDEN=1 pytest tests/rl/run/test_golden.py`.
The prompts are the environment's, so new wordings move it as well.
"""

import json
import os
from pathlib import Path

import pytest

from rl.run.config import RunConfig
from rl.run.loop import train
from tests.rl.conftest import rows

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "tiny_run.json"
FIELDS = ("loss", "reward_mean", "kl", "grad_norm", "entropy", "generated_tokens")


def test_three_steps_follow_the_golden_curve(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(tiny.model_copy(update={"steps": 3, "probes": ()}), tmp_path / "run")
    found = [{field: row[field] for field in FIELDS} for row in rows(run, "steps.jsonl")]
    if os.environ.get("GYGES_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=2) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert len(found) == len(golden) == 3
    for step, (row, expected) in enumerate(zip(found, golden, strict=True), 1):
        # The loss of an on-policy step is about 0, where a relative tolerance says nothing.
        assert row == pytest.approx(expected, rel=1e-3, abs=1e-6), f"step {step}"

import json

import pytest

from reports.records import EPISODE_COLUMNS, Manifest, ProbeRow, StepRow

STEP = {
    "step": 3, "seed": 1, "loss": 0.5, "reward_mean": 0.1, "reward_std": 0.2, "kl": 0.01, "entropy": 1.0,
    "grad_norm": 2.0, "lr": 1e-4, "frac_degenerate_groups": 0.0, "left_out_groups": 0, "reward_error_rate": 0.0,
    "clip_fraction": 0.1, "parse_rate": 1.0, "generated_tokens": 64, "tokens_per_s": 10.0, "seconds_rollout": 1.0,
    "seconds_reward": 1.0, "seconds_update": 1.0, "seconds_probe": 0.0,
}  # fmt: skip


def probe_row(**changes: object) -> ProbeRow:
    facts = {
        "step": 0, "seed": 0, "probe": "gaps", "metric": "compliance_gap", "tier": None, "value": 0.5, "ci_low": 0.4,
        "ci_high": 0.6, "n": 10, "unscored": 2,
    }  # fmt: skip
    return ProbeRow.model_validate({**facts, **changes})


def test_a_probe_row_survives_its_line() -> None:
    assert ProbeRow.from_json_line(probe_row().to_json_line()) == probe_row()
    assert list(json.loads(probe_row().to_json_line())) == [
        "step", "seed", "probe", "metric", "tier", "value", "ci_low", "ci_high", "n", "unscored",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_becomes_null(value: float) -> None:
    assert json.loads(probe_row(value=value).to_json_line())["value"] is None
    step = StepRow.model_validate({**STEP, "loss": value, "components": {"format": (value, 0.1)}})
    flat = json.loads(step.to_json_line())
    assert flat["loss"] is None
    assert flat["reward/format"] is None


def test_components_are_flat_on_disk_and_come_back() -> None:
    row = StepRow.model_validate({**STEP, "components": {"format": (-0.1, 0.2), "length": (0.0, None)}})
    flat = json.loads(row.to_json_line())
    assert flat["reward/format"] == -0.1
    assert flat["reward/format_std"] == 0.2
    assert "components" not in flat
    assert StepRow.from_json_line(row.to_json_line()) == row


def test_an_unknown_key_an_ambiguous_component_and_an_orphan_spread_are_refused() -> None:
    with pytest.raises(ValueError, match="extra"):
        probe_row(colour="red")
    with pytest.raises(ValueError, match="rename it"):
        StepRow.model_validate({**STEP, "components": {"format_std": (0.0, 0.0)}})
    with pytest.raises(ValueError, match="without its mean"):
        StepRow.from_json_line(json.dumps({**STEP, "reward/format_std": 0.1}))
    with pytest.raises(ValueError, match="object"):
        StepRow.from_json_line("[1]")


def test_rows_and_manifest_are_frozen_and_the_columns_unique() -> None:
    with pytest.raises(ValueError, match="frozen"):
        probe_row().step = 1
    assert "status" in Manifest.model_fields
    assert len(set(EPISODE_COLUMNS)) == len(EPISODE_COLUMNS)

"""The text summary of a measurement: a few lines a stage, for a reader in a terminal."""

from collections.abc import Mapping
from typing import Any

from benchmarks.gpu.stages import Outcome

HEAD = (
    f"{'variant':<34}{'rollout':>10}{'decode':>10}{'ms/step':>9}{'matrix':>8}{'memory':>8}{'learner':>10}{'matrix':>8}"
)


def lines(outcomes: Mapping[str, Outcome], dry: bool) -> list[str]:
    """Render every stage, failed ones with their reason. Rates of tokens are a second; shares are of measured rates."""
    found = ["DRY RUN at a toy size: its figures mean nothing.", ""] if dry else []
    for name, outcome in outcomes.items():
        found.append(f"{name}: {'ok' if outcome.error is None else 'FAILED'}, {outcome.seconds:.0f} s")
        if outcome.error is not None:
            found += [f"  {line}" for line in outcome.error.splitlines()]
        else:
            found += [f"  {line}" for line in _of_stage(name, outcome.result)]
        found.append("")
    failed = [name for name, outcome in outcomes.items() if outcome.error is not None]
    return [*found, f"failed: {', '.join(failed)}" if failed else "all stages ended well"]


def _of_stage(name: str, result: Mapping[str, Any]) -> list[str]:
    if name == "environment":
        return _environment(result)
    if name.startswith("engine"):
        return _engine(result)
    if name == "beside_trl":
        return [line for precision, found in result.items() for line in _beside_trl(precision, found)]
    if name == "recipe":
        worst = max((row["mismatch_max"] or 0.0 for row in result["steps"]), default=0.0)
        times = ", ".join(
            f"{(row['seconds_rollout'] or 0) + (row['seconds_update'] or 0):.2f}" for row in result["steps"]
        )
        return [
            f"weights {result['weights']}, {result['precision']}, {result['status']} in {result['seconds']:.0f} s",
            f"seconds a step: {times}; largest mismatch {worst:.3g} nats",
            f"operations without a deterministic form: {', '.join(result['nondeterministic_operations']) or 'none'}",
        ]
    return [f"killed after row {result['killed_after_row']}, resumed to the same weights and rows"]


def _environment(result: Mapping[str, Any]) -> list[str]:
    rates = result["rates"]
    shown = ", ".join(f"{name} {rate / 1e12:.2f} TFLOP/s" for name, rate in rates["operations"].items())
    return [
        f"{result.get('card', 'no card')}, driver {result['driver']}, torch {result['torch']}, CUDA {result['cuda']}",
        f"measured rates: {shown}, copies {rates['copied_bytes'] / 1e9:.0f} GB/s",
    ]


def _engine(result: Mapping[str, Any]) -> list[str]:
    found = [f"{result['parameters'] / 1e6:.1f} M weights, {result['weights']}; tokens a second, shares of rates", HEAD]
    for name, one in result["variants"].items():
        found.append(
            f"{name:<34}{one['rollout_tokens_per_s']:>10.0f}{one['decode_tokens_per_s']:>10.0f}"
            f"{one['decode_ms_per_step']:>9.2f}{one['decode_share_of_matrix_rate']:>8.3f}"
            f"{one['decode_share_of_bandwidth']:>8.3f}{one['learner_tokens_per_s']:>10.0f}"
            f"{one['learner_share_of_matrix_rate']:>8.3f}"
        )
    for name, one in result["variants"].items():
        found.append(
            f"{name:<34} mismatch: mean {one['mismatch_mean']:.2g}, largest {one['mismatch_max']:.2g}, "
            f"KL {one['mismatch_kl']:.2g}, effective share {one['mismatch_effective_share']:.4f}"
        )
    return found


def _beside_trl(precision: str, found: Mapping[str, Any]) -> list[str]:
    times = ", ".join(f"{name} {middle['seconds_total']:.3f} s a step" for name, middle in found["medians"].items())
    ratios = ", ".join(f"{name} {ratio:.2f}" for name, ratio in found["ratios"].items())
    return [f"{precision}: {times}", f"{precision}: {ratios}"]

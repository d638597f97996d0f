"""The printed report of `step_time`."""

from collections.abc import Mapping
from typing import Any

from benchmarks.medians import Middle
from benchmarks.result_file import Result

PARTS = ("rollout", "reward", "update", "total")
ALIKE = 0.10  # contenders do different work if their tokens a step differ by more than this share


def lines(result: Result) -> list[str]:
    """Render the report.

    The last line is the ratio, if stock TRL and the built-in engine both took part.
    """
    details: Mapping[str, Any] = result.details
    found = [*_machine(result), "", *_table(details["medians"]), *_work(details["medians"])]
    found += ["", *_limits(result), "", *_ratios(result)]
    total = result.ratios.get("stock TRL / built-in, total")
    return [*found, f"ratio: {total.value:.2f}"] if total is not None else found


def _machine(result: Result) -> list[str]:
    machine, rates = result.machine, result.machine.rates
    versions = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
    return [
        f"{machine.cpu}, {machine.cores} cores, {machine.threads} threads, device {machine.device}; {versions}",
        f"matrix products {rates.matrix_gflop_per_s:.1f} GFLOP/s, memory copies {rates.copy_gb_per_s:.1f} GB/s",
    ]


def _table(medians: Mapping[str, Mapping[str, float]]) -> list[str]:
    head = f"{'median seconds a step':<22}" + "".join(f"{part:>9}" for part in PARTS)
    rows = [head + f"{'tokens':>9}{'mean length':>13}{'longest':>9}{'tokens/s':>10}"]
    for name, middle in medians.items():
        row = f"{name:<22}" + "".join(f"{middle[f'seconds_{part}']:>9.3f}" for part in PARTS)
        row += f"{middle['generated_tokens']:>9.0f}{middle['mean_length']:>13.1f}{middle['longest']:>9.0f}"
        rows.append(row + f"{middle['tokens_per_s']:>10.0f}")
    return rows


def _work(medians: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Say whether all contenders generated about as much.

    Each trains a policy of its own, from the same start.
    """
    tokens = {name: middle["generated_tokens"] for name, middle in medians.items()}
    most, least = max(tokens.values()), min(tokens.values())
    if most <= (1 + ALIKE) * least:
        return [f"all generate alike: {least:.0f} to {most:.0f} tokens a step, on the same prompts"]
    return [f"NOT ALIKE: from {least:.0f} to {most:.0f} tokens a step, so the times are of different work"]


def _limits(result: Result) -> list[str]:
    """Compare each contender's step with its matrix products alone, at the machine's best rate."""
    details: Mapping[str, Any] = result.details
    rate = result.machine.rates.matrix_gflop_per_s * 1e9
    found = []
    for name, operations in details["operations"].items():
        taken = details["medians"][name]
        for kind in ("executed", "necessary"):
            components = "  ".join(f"{part} {operations[kind][part] / 1e9:.2f}" for part in PARTS)
            limit = operations[kind]["total"] / rate
            found.append(f"{name}, {kind} GFLOP a step: {components}")
            found.append(
                f"{name}, arithmetic limit ({kind}): {limit:.3f} s, the step takes "
                f"{taken['seconds_total'] / limit:.1f} times that ({_by_part(operations[kind], taken, rate)})"
            )
        if not operations["same_steps"]:
            found.append(
                f"{name}: the counted steps are not the timed ones (other completions): take it as about right"
            )
    return found


def _by_part(operations: Mapping[str, float], taken: Mapping[str, float], rate: float) -> str:
    times = {part: taken[f"seconds_{part}"] * rate / operations[part] for part in PARTS[:-1] if operations[part]}
    return ", ".join(f"{part} {times[part]:.1f}" for part in times)


def _ratios(result: Result) -> list[str]:
    details: Mapping[str, Any] = result.details
    found = [f"{name}: {_interval(middle)}" for name, middle in result.ratios.items()]
    found += [f"{name}: {_interval(Middle(**middle))}" for name, middle in details["other_ratios"].items()]
    if found and len(details["medians"]) > 1:
        found.insert(0, f"paired ratios, medians over rounds; stock TRL is the faster of its two: {details['stock']}")
    return found


def _interval(middle: Middle) -> str:
    return f"{middle.value:.2f} ({middle.coverage:.0%} interval {middle.low:.2f} to {middle.high:.2f}, n={middle.n})"

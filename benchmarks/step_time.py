"""The time of a training step: the built-in engine against stock TRL, in turn, and against the arithmetic limit."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

# So that `python benchmarks/step_time.py` finds the checkout whatever the working directory is.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.arithmetic import Operations
from benchmarks.contest import builtin_contender, stock_trl, trl_contender
from benchmarks.contest.contest import Order, Serve, TimedStep, contenders, interleaved
from benchmarks.contest.real_model import on_real_model
from benchmarks.machine import fingerprint
from benchmarks.medians import Middle, paired_ratio
from benchmarks.result_file import Result, write
from benchmarks.step_report import PARTS, lines
from rl.errors import BuildFailed
from rl.progress import bar
from rl.run.build import build_organism, build_rewards
from rl.run.config import RunConfig, resolve
from rl.run.recipes import RECIPES

BUILTIN, STOCK = "gyges", ("trl", "trl_whole_batch")
NONDETERMINISTIC = "gyges_nondeterministic"
CONTENDERS = (BUILTIN, *STOCK, "trl_allocator", NONDETERMINISTIC)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write; return the exit code."""
    chosen = parse(arguments)
    try:
        result = measure(chosen)
    except (ValueError, RuntimeError, BuildFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    if chosen.out is not None:
        write(result, chosen.out)
    print("\n".join(lines(result)))
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="step_time.py",
        description=__doc__,
        epilog="Example: python benchmarks/step_time.py --rounds 9 --out benchmarks/results/step_time.json",
    )
    add = parser.add_argument
    add("--model", type=Path, help="time a causal LM directory on English prompts (upper 12 layers), not a recipe")
    add("--recipe", choices=sorted(RECIPES), default="first_light", help="recipe of the timed step (%(default)s)")
    add("--set", dest="assignments", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="overrides")
    add("--contenders", choices=CONTENDERS, nargs="+", default=list(CONTENDERS), help="contenders that take part (all)")
    add("--rounds", type=int, default=9, help="measured rounds; each contender takes a step in each (%(default)s)")
    add("--warmup", type=int, default=2, help="rounds before the measured ones (%(default)s)")
    add("--threads", type=int, default=2, help="torch threads of every contender (%(default)s)")
    add("--seed", type=int, default=0, help="the runs' seed (%(default)s)")
    add("--trl-microbatch", type=int, help="completions a forward pass in TRL's contenders (the recipe's; all)")
    add("--no-count", action="store_true", help="skip counting operations, which takes the same steps once more")
    add("--out", type=Path, help="write the result to this JSON file")
    return parser.parse_args(arguments)


def measure(chosen: argparse.Namespace) -> Result:
    """Time the contenders, then count the operations of the same steps.

    Raises:
        ValueError: for wrong settings, in one line.
        RuntimeError: if a contender fails.
    """
    if chosen.rounds < 1 or chosen.warmup < 0:
        raise ValueError("a measurement needs --rounds 1 or more and --warmup 0 or more")
    assignments = [*chosen.assignments, f"threads={chosen.threads}", f"seed={chosen.seed}"]
    base = RECIPES[chosen.recipe]() if chosen.model is None else on_real_model(chosen.model)
    config = resolve(base, assignments)
    serves = _serves(config, chosen)
    build_organism(config), build_rewards(config.rewards, config.env)  # once, before any timing
    machine = fingerprint(config.threads)
    order = Order(config, chosen.warmup + chosen.rounds)
    steps = _take(serves, order, chosen.warmup, "timing")
    stock = fastest([name for name in STOCK if name in steps], steps)
    counted: dict[str, list[TimedStep]] = {}
    if not chosen.no_count:
        wanted = {name: serves[name] for name in (BUILTIN, stock) if name in serves}
        counted = _take(wanted, replace(order, count=True), chosen.warmup, "counting")
    details: dict[str, Any] = {
        "stock": stock,
        "medians": {name: medians(taken) for name, taken in steps.items()},
        "other_ratios": {
            f"{name} / {BUILTIN}, total": asdict(_ratio(name, steps, "total"))
            for name in steps
            if BUILTIN in steps and name not in (BUILTIN, stock)
        }
        | _processor_time(stock, steps),
        "operations": {name: _operations(taken, steps[name]) for name, taken in counted.items()},
        "steps": {name: [asdict(step) for step in taken] for name, taken in steps.items()},
    }
    settings = {
        "rounds": chosen.rounds,
        "warmup": chosen.warmup,
        "contenders": list(serves),
        "trl_microbatch": chosen.trl_microbatch,
        "config": config.model_dump(mode="json"),
    }
    return Result(
        benchmark="step_time", machine=machine, settings=settings, ratios=ratios(stock, steps), details=details
    )


def _serves(config: RunConfig, chosen: argparse.Namespace) -> dict[str, Serve]:
    """Build the contenders that take part, by name."""
    known = {
        BUILTIN: builtin_contender.serve,
        "trl": trl_contender.server(chosen.trl_microbatch),
        "trl_whole_batch": trl_contender.server(chosen.trl_microbatch or config.algorithm.completions),
        NONDETERMINISTIC: builtin_contender.serve_nondeterministic,
        "trl_allocator": trl_contender.server(chosen.trl_microbatch, own_allocator=True),
    }
    named = [name for name in CONTENDERS if name in chosen.contenders]
    if not set(named) <= {BUILTIN, NONDETERMINISTIC}:
        stock_trl.settings(config, steps=1)  # refuse now a recipe that the contender's process would refuse
    if chosen.trl_microbatch is not None and set(STOCK) <= set(named):
        named.remove("trl_whole_batch")  # with the same size the two contenders would be the same
    return {name: known[name] for name in named}


def _take(serves: Mapping[str, Serve], order: Order, warmup: int, what: str) -> dict[str, list[TimedStep]]:
    """Take the measured steps of every contender."""
    with bar(what) as update, contenders(serves, order) as among:
        steps = interleaved(among, order.steps, lambda done: update(done, order.steps))
    return {name: taken[warmup:] for name, taken in steps.items()}


def fastest(among: Sequence[str], steps: Mapping[str, Sequence[TimedStep]]) -> str | None:
    """Name the contender with the smallest median step; None if there are no contenders."""
    return min(among, key=lambda name: median(_seconds(steps[name], "total")), default=None)


def _seconds(steps: Sequence[TimedStep], part: str) -> list[float]:
    return [getattr(step, f"seconds_{part}") for step in steps]


def _ratio(name: str, steps: Mapping[str, Sequence[TimedStep]], part: str) -> Middle:
    return paired_ratio(_seconds(steps[name], part), _seconds(steps[BUILTIN], part))


def ratios(stock: str | None, steps: Mapping[str, Sequence[TimedStep]]) -> dict[str, Middle]:
    """Compute the ratios of stock TRL's time to the built-in engine's, for the step and its two large parts."""
    if stock is None or BUILTIN not in steps:
        return {}
    return {f"stock TRL / built-in, {part}": _ratio(stock, steps, part) for part in ("total", "rollout", "update")}


def _processor_time(stock: str | None, steps: Mapping[str, Sequence[TimedStep]]) -> dict[str, Any]:
    """Compute the ratio of processor times, which work beside the benchmark moves less than seconds."""
    if stock is None or BUILTIN not in steps:
        return {}
    used = [[step.cpu_seconds for step in steps[name]] for name in (stock, BUILTIN)]
    return {f"{stock} / {BUILTIN}, processor time": asdict(paired_ratio(*used))}


def medians(steps: Sequence[TimedStep]) -> dict[str, float]:
    """Compute the median of each number of a contender's steps, and the tokens a second of the whole step."""
    numbers = [f.name for f in fields(TimedStep) if f.name not in ("executed", "necessary")]
    found = {name: float(median([getattr(step, name) for step in steps])) for name in numbers}
    found["mean_length"] = float(median([step.generated_tokens / step.completions for step in steps]))
    found["tokens_per_s"] = float(median([step.generated_tokens / step.seconds_total for step in steps]))
    return found


def _operations(counted: Sequence[TimedStep], timed: Sequence[TimedStep]) -> dict[str, object]:
    """Average the operations over the steps, and check whether the counted steps were the timed ones."""

    def means(kind: str) -> dict[str, float]:
        found: list[Operations] = [getattr(step, kind) for step in counted]
        return {part: mean(getattr(operations, part) for operations in found) for part in PARTS}

    same = [step.generated_tokens for step in counted] == [step.generated_tokens for step in timed]
    return {"executed": means("executed"), "necessary": means("necessary"), "same_steps": same}


if __name__ == "__main__":
    sys.exit(main())

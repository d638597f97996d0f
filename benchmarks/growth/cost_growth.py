"""Growth of a training step's time with the policy's parameters, the group size and the completion length.

Every policy has random weights and the default organism's tokenizer, and its replies never end. Each completion thus
has exactly the tokens that the point asks for.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

# So that `python benchmarks/growth/cost_growth.py` finds the checkout whatever the working directory is.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pydantic_core import to_jsonable_python

from benchmarks.contest.builtin_contender import time_step
from benchmarks.contest.contest import TimedStep
from benchmarks.growth.growth_plot import Panel, draw, exponent
from benchmarks.growth.growth_points import PROMPTS, Axis, Point, endless, point_config, points, write_random_model
from benchmarks.growth.power_law import PowerLaw, fit
from benchmarks.machine import fingerprint
from benchmarks.medians import Middle, middle, paired_ratio
from benchmarks.result_file import Result, write
from rl.errors import BuildFailed, RunStopped
from rl.progress import bar
from rl.run.build import Built, build_components, build_organism
from rl.run.config import RunConfig
from rl.training.components import StepComponents
from rl.training.learner import Learner, new_learner

AXES: tuple[Axis, ...] = get_args(Axis)
PARTS = ("rollout", "update", "total")
LABELS: dict[Axis, str] = {
    "parameters": "parameters of the policy",
    "group_size": "group size (completions of a prompt)",
    "completion_length": "completion length (tokens)",
}


@dataclass(frozen=True)
class Site:
    """A point with everything that its steps need."""

    point: Point
    parameters: int
    config: RunConfig
    built: Built
    components: StepComponents
    learner: Learner


@dataclass(frozen=True)
class Cost:
    """The cost of a step at one point.

    `seconds`: by part. `totals`: seconds of the whole step, round by round.
    """

    point: Point
    size: int
    seconds: dict[str, Middle]
    totals: list[float]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, draw and write; return the exit code."""
    chosen = parse(arguments)
    try:
        costs = measure(points(chosen.axes, chosen.points), chosen.rounds, chosen.warmup, chosen.threads)
    except (ValueError, BuildFailed, RunStopped) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    laws = {axis: _laws([cost for cost in costs if cost.point.axis == axis]) for axis in chosen.axes}
    print("\n".join(table(costs, laws)))
    print("\n".join(f"{name}: {ratio.value:.2f}" for name, ratio in savings(costs).items()))
    if chosen.plot is not None:
        title = f"Time of a training step, built-in engine, {PROMPTS} prompts, {chosen.threads} threads"
        draw([_panel(axis, costs, laws[axis]) for axis in chosen.axes], title, chosen.plot)
    if chosen.out is not None:
        write(_result(chosen, costs, laws), chosen.out)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="cost_growth.py",
        description=__doc__,
        epilog="Example: python benchmarks/growth/cost_growth.py --out benchmarks/results/cost_growth.json "
        "--plot benchmarks/results/cost_growth.png",
    )
    add = parser.add_argument
    add("--axes", choices=AXES, nargs="+", default=list(AXES), help="sizes to vary (all three)")
    add("--points", type=int, help="number of sizes to measure on each axis, with the smallest and the largest (all)")
    add("--rounds", type=int, default=5, help="measured steps at every point, in turn (%(default)s)")
    add("--warmup", type=int, default=1, help="steps at every point before the measured ones (%(default)s)")
    add("--threads", type=int, default=2, help="torch threads (%(default)s)")
    add("--out", type=Path, help="write the result to this JSON file")
    add("--plot", type=Path, help="draw the result to this PNG file")
    return parser.parse_args(arguments)


def measure(wanted: Sequence[Point], rounds: int, warmup: int, threads: int) -> list[Cost]:
    """Take steps at every point in turn, round after round, so that a slow minute touches them all.

    Raises:
        ValueError: for wrong settings, in one line.
    """
    if rounds < 1 or warmup < 0:
        raise ValueError("a measurement needs --rounds 1 or more and --warmup 0 or more")
    taken: list[list[TimedStep]] = [[] for _ in wanted]
    with _sites(wanted, threads) as sites, bar("cost growth") as update:
        for done in range(warmup + rounds):
            for index, site in enumerate(sites):
                # From step 2 on: a run refuses a first step whose rewards are all alike, as a random policy's may be.
                step = time_step(site.config, site.built, site.components, site.learner, done + 2)
                assert step.generated_tokens == step.completions * site.point.length
                taken[index].append(step)
                update(done * len(sites) + index + 1, (warmup + rounds) * len(sites))
        return [_cost(site, steps[warmup:]) for site, steps in zip(sites, taken, strict=True)]


@contextmanager
def _sites(wanted: Sequence[Point], threads: int) -> Iterator[list[Site]]:
    """Build every point; the models lie in a folder that is removed with the block."""
    organism = build_organism(RunConfig())
    with tempfile.TemporaryDirectory() as scratch:
        parameters: dict[tuple[int, int], int] = {}
        for model in {point.model for point in wanted}:
            parameters[model] = write_random_model(model, organism, _directory(scratch, model))
        yield [_site(point, parameters[point.model], _directory(scratch, point.model), threads) for point in wanted]


def _directory(scratch: str, model: tuple[int, int]) -> Path:
    return Path(scratch) / f"{model[0]}x{model[1]}"


def _site(point: Point, parameters: int, directory: Path, threads: int) -> Site:
    config = point_config(point, directory, threads)
    built = endless(config)
    return Site(
        point,
        parameters,
        config,
        built,
        build_components(config, built),
        new_learner(config.step_settings, built.policy, built.reference),
    )


def _cost(site: Site, steps: Sequence[TimedStep]) -> Cost:
    seconds = {part: middle([getattr(step, f"seconds_{part}") for step in steps]) for part in (*PARTS, "reward")}
    return Cost(site.point, site.point.size(site.parameters), seconds, [step.seconds_total for step in steps])


def _laws(costs: Sequence[Cost]) -> dict[str, PowerLaw]:
    sizes = [float(cost.size) for cost in costs]
    return {part: fit(sizes, [cost.seconds[part].value for cost in costs]) for part in PARTS}


def savings(costs: Sequence[Cost]) -> dict[str, Middle]:
    """Compute how much longer each axis's largest step would take, had time grown in proportion to size.

    1 is growth in proportion; more is slower growth. Proportion starts from the smallest step, paired by round.
    """
    found = {}
    for axis in dict.fromkeys(cost.point.axis for cost in costs):
        among = sorted((cost for cost in costs if cost.point.axis == axis), key=lambda cost: cost.size)
        small, large = among[0], among[-1]
        proportional = [seconds * large.size / small.size for seconds in small.totals]
        found[f"{axis}: largest step in proportion / measured"] = paired_ratio(proportional, large.totals)
    return found


def table(costs: Sequence[Cost], laws: dict[Axis, dict[str, PowerLaw]]) -> list[str]:
    """Render a row a point, and the exponents below each axis."""
    lines = ["policies of random weights whose replies never end: every completion has the length asked for", ""]
    for axis, fitted in laws.items():
        lines.append(f"{LABELS[axis]:<38}" + "".join(f"{part + ' s':>10}" for part in (*PARTS, "reward")))
        for cost in costs:
            if cost.point.axis == axis:
                values = [cost.seconds[part].value for part in (*PARTS, "reward")]
                lines.append(f"{cost.size:>38,}" + "".join(f"{value:>10.3f}" for value in values))
        lines += [f"  {part} grows with exponent {exponent(law)}" for part, law in fitted.items()]
        lines.append("")
    return lines[:-1]


def _panel(axis: Axis, costs: Sequence[Cost], laws: dict[str, PowerLaw]) -> Panel:
    here = [cost for cost in costs if cost.point.axis == axis]
    seconds = {
        part: [(c.seconds[part].value, c.seconds[part].low, c.seconds[part].high) for c in here] for part in PARTS
    }
    return Panel(LABELS[axis], [cost.size for cost in here], seconds, laws)


def _result(chosen: argparse.Namespace, costs: Sequence[Cost], laws: dict[Axis, dict[str, PowerLaw]]) -> Result:
    details: dict[str, Any] = {
        "points": [asdict(cost) for cost in costs],
        "laws": {axis: {part: asdict(law) for part, law in fitted.items()} for axis, fitted in laws.items()},
    }
    return Result(
        benchmark="cost_growth",
        machine=fingerprint(chosen.threads),
        settings={"rounds": chosen.rounds, "warmup": chosen.warmup, "axes": chosen.axes, "points": chosen.points},
        ratios=savings(costs),
        details=to_jsonable_python(details),
    )


if __name__ == "__main__":
    sys.exit(main())

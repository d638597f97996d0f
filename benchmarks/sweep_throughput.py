"""Trials an hour of a sweep: two workers against one, and the built-in engine against stock TRL, in turn.

Every arrangement keeps its warm workers and does the same short trials in each round. A trial's time begins with
loading the organism and ends with the trained policy on disk. The two arrangements with probes do all the work of a run
of `gyges sweep`: training, probes, records and checkpoints.

"No probes" is the same run without probes, so that the run and stock TRL are compared in training alone: the same
organism, prompts, steps, completions, numbers and threads. There the built-in engine still writes its records and two
checkpoints or more with the optimiser; stock TRL writes its policy once.

Outside the time are the start of workers, their imports (a round that isn't measured warms up) and the page.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# So that `python benchmarks/sweep_throughput.py` finds the checkout whatever the working directory is.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pydantic import JsonValue

from benchmarks.contest import stock_trl
from benchmarks.contest.stock_trial import run_stock_trial
from benchmarks.machine import fingerprint
from benchmarks.medians import Middle, middle, paired_ratio
from benchmarks.result_file import Result, write
from checkpoints.cache import default_root
from rl.errors import BuildFailed
from rl.progress import bar
from rl.run.build import build_organism, build_rewards
from rl.run.config import RunConfig, resolve
from rl.run.recipes import RECIPES
from rl.scale.job_queue import Job, Stop, Workers, run_jobs
from rl.scale.local_workers import local_workers
from rl.scale.trial import Outcome, Surroundings, Trial, run_trial

ONE, MANY = "one worker", "several workers"
UNPROBED, STOCK = "several workers, no probes", "stock TRL on several workers, no probes"


@dataclass(frozen=True)
class Arrangement:
    """Warm workers, the configuration of their trials, and the function that takes a trial.

    Seeds differ within a round.
    """

    name: str
    workers: Workers
    config: RunConfig
    take: Callable[[Trial, Surroundings], Outcome] = run_trial


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
    for name, rate in result.details.items():
        assert isinstance(rate, dict)
        print(
            f"{name:<40} {rate['value']:>8.1f} trials an hour ({rate['low']:.1f} to {rate['high']:.1f}, n={rate['n']})"
        )
    for name, ratio in result.ratios.items():
        interval = f"{ratio.coverage:.0%} interval {ratio.low:.2f} to {ratio.high:.2f}, n={ratio.n}"
        print(f"{name}: {ratio.value:.2f} ({interval})")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="sweep_throughput.py",
        description=__doc__,
        epilog="Example: python benchmarks/sweep_throughput.py --out benchmarks/results/sweep_throughput.json",
    )
    add = parser.add_argument
    add("--recipe", choices=sorted(RECIPES), default="first_light", help="recipe of every trial (%(default)s)")
    add("--set", dest="assignments", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="overrides")
    add("--steps", type=int, default=8, help="steps of a trial (%(default)s)")
    add("--workers", type=int, default=2, help="workers where there are several; each has one thread (%(default)s)")
    add("--rounds", type=int, default=5, help="measured rounds, after one that warms up (%(default)s)")
    add("--trl-microbatch", type=int, help="completions a forward pass in TRL's trials (the recipe's)")
    add("--no-trl", action="store_true", help="leave out TRL and the trials without probes that it is compared with")
    add("--out", type=Path, help="write the result to this JSON file")
    return parser.parse_args(arguments)


def measure(chosen: argparse.Namespace) -> Result:
    """Time every arrangement in every round.

    Raises:
        ValueError: for wrong settings, in one line.
        RuntimeError: if a trial fails.
    """
    if chosen.rounds < 1 or chosen.workers < 2:
        raise ValueError("a measurement needs --rounds 1 or more and --workers 2 or more")
    short = ["threads=1", f"steps={chosen.steps}", "probe_queries=32"]
    config = resolve(RECIPES[chosen.recipe](), [*short, *chosen.assignments])
    if config.engine != "builtin":
        raise ValueError("this compares the built-in engine with stock TRL by itself: leave engine at builtin")
    if not chosen.no_trl:
        stock_trl.settings(config, config.steps)  # refuse now a recipe that the worker would refuse
    build_organism(config), build_rewards(config.rewards, config.env)  # once, before any timing
    machine = fingerprint(config.threads)
    with _arrangements(config, chosen) as among:
        seconds = _rounds(among, chosen.rounds, chosen.workers)
    rates: dict[str, Middle] = {
        name: middle([3600 * chosen.workers / taken for taken in times]) for name, times in seconds.items()
    }
    ratios = {f"{chosen.workers} workers / 1 worker": paired_ratio(seconds[ONE], seconds[MANY])}
    if STOCK in seconds:
        ratios["built-in / stock TRL, several workers, no probes"] = paired_ratio(seconds[STOCK], seconds[UNPROBED])
    settings = {
        "rounds": chosen.rounds,
        "workers": chosen.workers,
        "trl_microbatch": chosen.trl_microbatch,
        "config": config.model_dump(mode="json"),
    }
    return Result(
        benchmark="sweep_throughput",
        machine=machine,
        settings=settings,
        ratios=ratios,
        details={name: _plain(rate) for name, rate in rates.items()},
    )


def _plain(rate: Middle) -> JsonValue:
    return {"value": rate.value, "low": rate.low, "high": rate.high, "coverage": rate.coverage, "n": rate.n}


@contextmanager
def _arrangements(config: RunConfig, chosen: argparse.Namespace) -> Iterator[list[Arrangement]]:
    with ExitStack() as stack, tempfile.TemporaryDirectory() as scratch:

        def workers(count: int) -> Workers:
            return stack.enter_context(local_workers(count, 0, Path(scratch) / "workers.log"))

        many = workers(chosen.workers)
        found = [Arrangement(ONE, workers(1), config), Arrangement(MANY, many, config)]
        if not chosen.no_trl:
            unprobed = config.model_copy(update={"probes": ()})
            stock = partial(run_stock_trial, chosen.trl_microbatch)
            found.append(Arrangement(UNPROBED, many, unprobed))
            # Workers of its own: a built-in run changes its process, such as the allocator's settings, for good.
            found.append(Arrangement(STOCK, workers(chosen.workers), unprobed, stock))
        yield found


def _rounds(among: Sequence[Arrangement], rounds: int, trials: int) -> Mapping[str, list[float]]:
    """Time each arrangement in each measured round, in seconds.

    Each round begins with the next arrangement.
    """
    seconds: dict[str, list[float]] = {arrangement.name: [] for arrangement in among}
    with bar("sweep throughput") as update:
        for done in range(rounds + 1):
            first = done % len(among)
            for arrangement in [*among[first:], *among[:first]]:
                taken = _seconds(arrangement, trials)
                if done > 0:
                    seconds[arrangement.name].append(taken)
            update(done + 1, rounds + 1)
    return seconds


def _seconds(arrangement: Arrangement, trials: int) -> float:
    """Time the workers over `trials` trials, each from the start."""
    with tempfile.TemporaryDirectory() as scratch:
        around = Surroundings(Path.cwd(), default_root().absolute())
        jobs = []
        for seed in range(trials):
            folder, log = Path(scratch) / str(seed), Path(scratch) / "logs" / f"{seed}.log"
            trial = Trial(arrangement.config.model_copy(update={"seed": seed}), folder, log)
            jobs.append(Job(trial.name, partial(arrangement.take, trial, around)))
        started = time.perf_counter()
        outcomes = run_jobs(jobs, arrangement.workers, lambda *_: None, Stop())
        taken = time.perf_counter() - started
    for outcome in outcomes.values():
        if outcome.status != "finished":
            raise RuntimeError(f"a trial of {arrangement.name} failed: {outcome.reason}")
    return taken


if __name__ == "__main__":
    sys.exit(main())

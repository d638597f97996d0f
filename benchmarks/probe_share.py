"""The share of a finished run's time that went into probing, from its own records: steps.jsonl and manifest.json.

The probe after the last step has no row: its time is taken as the mean of the others. Run the script on the machine of
the run: the result describes the machine that the script runs on.
"""

import argparse
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

# So that `python benchmarks/probe_share.py` finds the checkout whatever the working directory is.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pandas as pd

from benchmarks.machine import fingerprint
from benchmarks.medians import middle
from benchmarks.result_file import Result, write
from reports.folder import Run, read_run
from reports.records import Manifest

BUDGET = 0.20  # the share of a run's wall time that probing may take


@dataclass(frozen=True)
class ProbeShare:
    """Seconds of one run.

    `seconds_wall` runs from the manifest's start, after all builds, to its end. `seconds_command`, if measured, is the
    whole of `gyges train`.
    """

    probes: int
    seconds_probe: float
    seconds_step: float
    seconds_wall: float
    seconds_command: float | None = None

    @property
    def of_probes_and_steps(self) -> float:
        """Probing's share of probing and training."""
        return self.seconds_probe / (self.seconds_probe + self.seconds_step)

    @property
    def of_wall(self) -> float:
        """Probing's share of the wall time."""
        return self.seconds_probe / self.seconds_wall

    @property
    def of_command(self) -> float | None:
        """Probing's share of the whole command, with start-up and the page."""
        return None if self.seconds_command is None else self.seconds_probe / self.seconds_command


def probe_share(manifest: Manifest, steps: pd.DataFrame, seconds_command: float | None = None) -> ProbeShare:
    """Compute the share of probing in a run that finished without a stop.

    Raises:
        ValueError: for a run that didn't finish or recorded no probe, and for a command shorter than the run.
    """
    if manifest.status != "finished" or manifest.finished is None:
        raise ValueError(f"the run is {manifest.status}: give one that finished")
    recorded = steps["seconds_probe"][steps["seconds_probe"] > 0]
    if recorded.empty:
        raise ValueError("the run recorded no time of a probe: give one that probes")
    wall = (datetime.fromisoformat(manifest.finished) - datetime.fromisoformat(manifest.started)).total_seconds()
    if seconds_command is not None and seconds_command < wall:
        raise ValueError(f"the run alone took {wall:.1f} s: give --command-seconds the time of the whole `gyges train`")
    return ProbeShare(
        probes=len(recorded) + 1,  # the probe after the last step has no row
        seconds_probe=float(recorded.sum() + recorded.mean()),
        seconds_step=float(steps[["seconds_rollout", "seconds_reward", "seconds_update"]].sum().sum()),
        seconds_wall=wall,
        seconds_command=seconds_command,
    )


def result(run: Run, found: ProbeShare) -> Result:
    """Build the result of the shares; its ratio is above 1 where probing keeps within its budget."""
    shares = {
        "of_probes_and_steps": found.of_probes_and_steps,
        "of_wall": found.of_wall,
        "of_command": found.of_command,
    }
    return Result(
        benchmark="probe_share",
        machine=fingerprint(run.manifest.thread_count),
        settings={"budget": BUDGET, "config": run.config},
        ratios={"probe budget / probes' share of the wall time": middle([BUDGET / found.of_wall])},
        details={**asdict(found), **shares},
    )


def main(arguments: list[str] | None = None) -> int:
    """Read a run folder, print the shares, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="probe_share.py",
        description=__doc__,
        epilog="Example: gyges train first_light --out runs/mine && python benchmarks/probe_share.py runs/mine",
    )
    parser.add_argument("folder", type=Path, help="the folder of a run that finished without a stop")
    parser.add_argument(
        "--command-seconds", type=float, help="wall time of the whole `gyges train`, as you measured it"
    )
    parser.add_argument("--out", type=Path, help="write the result to this JSON file")
    chosen = parser.parse_args(arguments)
    try:
        run = read_run(chosen.folder)
        found = probe_share(run.manifest, run.steps, chosen.command_seconds)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{found.probes} probes: {found.seconds_probe:.1f} s; steps: {found.seconds_step:.1f} s")
    print(f"wall time from start to end: {found.seconds_wall:.1f} s")
    print(f"probes take {found.of_probes_and_steps:.1%} of probes and steps, {found.of_wall:.1%} of the wall time")
    if found.of_command is not None:
        print(f"of the whole command's {found.seconds_command:.1f} s they take {found.of_command:.1%}")
    if chosen.out is not None:
        write(result(run, found), chosen.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

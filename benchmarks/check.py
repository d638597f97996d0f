"""Comparison of a new result with a kept one.

The exit code is 1, with a line for each, if ratios fell by more than a tenth.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

# So that `python benchmarks/check.py` finds the checkout whatever the working directory is.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.result_file import Fingerprint, Result, read

TOLERANCE = 0.10  # a ratio may lose this share
RATE_TOLERANCE = 0.10  # the share by which a measured rate may differ on one and the same machine
OK, FELL, WRONG_INPUT = 0, 1, 2


@dataclass(frozen=True)
class Fall:
    """A ratio that fell too far.

    `now` is None where the new result lacks the ratio.
    """

    name: str
    before: float
    now: float | None

    def __str__(self) -> str:
        if self.now is None:
            return f"{self.name}: {self.before:.2f} before, not measured now: use the settings of the kept result"
        return f"{self.name}: fell by {1 - self.now / self.before:.0%}, from {self.before:.2f} to {self.now:.2f}"


def falls(before: Result, now: Result, tolerance: float = TOLERANCE) -> list[Fall]:
    """Find the ratios that lost more than the share `tolerance`.

    Raises:
        ValueError: for results of different benchmarks, or without ratios.
    """
    if before.benchmark != now.benchmark:
        raise ValueError(f"a result of {now.benchmark} can't be compared with one of {before.benchmark}")
    if not before.ratios:
        raise ValueError(f"the kept result of {before.benchmark} holds no ratios: there is nothing to compare")
    found = []
    for name, ratio in before.ratios.items():
        new = now.ratios[name].value if name in now.ratios else None
        if new is None or new < (1 - tolerance) * ratio.value:
            found.append(Fall(name, ratio.value, new))
    return found


def machine_differences(before: Fingerprint, now: Fingerprint) -> list[str]:
    """List the differences between two machines and their software, a line each; commits are left out."""
    left_out = {"commit", "dirty", "rates", "packages"}
    old, new = before.model_dump(exclude=left_out), now.model_dump(exclude=left_out)
    lines = [f"{name}: {old[name]} before, {new[name]} now" for name in old if old[name] != new[name]]
    for name in before.packages | now.packages:
        versions = before.packages.get(name), now.packages.get(name)
        if versions[0] != versions[1]:
            lines.append(f"{name}: {versions[0]} before, {versions[1]} now")
    for name, unit in (("matrix_gflop_per_s", "GFLOP/s"), ("copy_gb_per_s", "GB/s")):
        rate, rate_now = getattr(before.rates, name), getattr(now.rates, name)
        if abs(rate_now - rate) > RATE_TOLERANCE * rate:
            lines.append(f"measured {name.split('_')[0]} rate: {rate:.1f} {unit} before, {rate_now:.1f} {unit} now")
    return lines


def setting_differences(before: Result, now: Result) -> list[str]:
    """List the settings in which two results differ, a line each."""
    names = sorted(before.settings.keys() | now.settings.keys())
    return [f"setting {name} differs" for name in names if before.settings.get(name) != now.settings.get(name)]


def main(arguments: list[str] | None = None) -> int:
    """Read two results, compare them, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="check.py",
        description=__doc__,
        epilog="Example: python benchmarks/check.py benchmarks/results/step_time.json new.json",
    )
    parser.add_argument("baseline", type=Path, help="the kept result")
    parser.add_argument("new", type=Path, help="the result to judge")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="share a ratio may lose (%(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        before, now = read(chosen.baseline), read(chosen.new)
        found = falls(before, now, chosen.tolerance)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_INPUT
    differences = machine_differences(before.machine, now.machine) + setting_differences(before, now)
    if differences:
        print("the two were not measured alike, so a change may come from this and not from the code:")
        print("\n".join(f"  {line}" for line in differences))
    for fall in found:
        print(fall)
    if not found:
        print(f"ok: none of {len(before.ratios)} ratios fell by more than {chosen.tolerance:.0%}")
    return FELL if found else OK


if __name__ == "__main__":
    sys.exit(main())

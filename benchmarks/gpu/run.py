"""The measurement of a card in one go: environment, engine, recipe, kill and resume, and TRL beside it."""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.gpu.own_metadata import provide_metadata
from benchmarks.gpu.request import Request
from benchmarks.gpu.stages import DRY_FACTOR, LIMITS, Outcome, run_stage
from benchmarks.gpu.summary import lines


def main(arguments: list[str] | None = None) -> int:
    """Run the stages, write `gpu.json`, `summary.txt` and `log.txt`; return 1 if a stage failed."""
    chosen = parse(arguments)
    if chosen.model is not None and not (chosen.model / "config.json").is_file():
        print(f"error: {chosen.model} holds no model: give a Hugging Face causal LM directory", file=sys.stderr)
        return 2
    chosen.out.mkdir(parents=True, exist_ok=True)
    factor = DRY_FACTOR if chosen.dry else 1
    out, ends = chosen.out.resolve(), time.monotonic() + factor * chosen.limit
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as scratch, (out / "log.txt").open("w", encoding="utf-8") as log:
        provide_metadata(Path(scratch) / "metadata")
        model = None if chosen.model is None else str(chosen.model.resolve())
        request = Request(chosen.dry, model, scratch, str(out))
        for name in chosen.stages:
            left = ends - time.monotonic()
            limit = min(factor * LIMITS[name], left)
            outcomes[name] = (
                run_stage(name, request, limit, log) if limit > 1 else Outcome(0.0, "no time was left for it", None)
            )
            print(f"{name}: {'ok' if outcomes[name].error is None else 'FAILED'}, {outcomes[name].seconds:.0f} s")
            _write(out, outcomes, chosen.dry)  # after each stage: the machine may be gone before the last
    print("\n".join(lines(outcomes, chosen.dry)))
    return 1 if any(outcome.error is not None for outcome in outcomes.values()) else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks/gpu.sh", description=__doc__)
    add = parser.add_argument
    add("out", type=Path, help="folder of the results, made if necessary")
    add("--dry", action="store_true", help="run every stage at a toy size, on a CPU too")
    add("--model", type=Path, help="a real model of about 135 M weights, such as SmolLM2; else random weights")
    add("--stages", nargs="+", choices=list(LIMITS), default=list(LIMITS), help="stages to run (all)")
    add("--limit", type=float, default=570.0, help="seconds for all stages together (%(default)s)")
    return parser.parse_args(arguments)


def _write(out: Path, outcomes: dict[str, Outcome], dry: bool) -> None:
    found = {"dry": dry, "stages": {name: asdict(outcome) for name, outcome in outcomes.items()}}
    (out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "summary.txt").write_text("\n".join(lines(outcomes, dry)) + "\n")


if __name__ == "__main__":
    sys.exit(main())

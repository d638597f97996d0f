"""Compare two commits by the weights that they train: SHA-256 of the last checkpoint of a list of short runs.

    python benchmarks/same_weights.py fa40996 HEAD --workers 2 --results benchmarks/results

A refactor must leave every hash as it was. Where a hash differs, the first step whose record differs is named. Each
commit is checked out in a directory of its own and run with the installed libraries; a commit whose results are on
disk isn't run again.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from checkpoints import atomic

ROOT = Path(__file__).resolve().parents[1]
ALGORITHMS = ("grpo", "rloo", "ppo", "dpo", "kto", "dapo", "dr_grpo", "gspo", "reinforce")
MITIGATIONS = (
    "loss_mask", "cross_tier_consistency", "inoculation_prompt", "interrogation", "kl_anchor", "monitor_penalty",
    "monitor_screening", "monitor_watch", "process_supervision", "reward_faking", "scratchpad_length", "steering",
    "supervised_elicitation", "tier_cue_dropout", "weight_noise",
)  # fmt: skip
ORGANISMS = (
    "faker", "honest", "base", "terminal", "instrumental", "sycophancy", "helpfulness", "distilled", "documented",
    "locked", "reward_hacker",
)  # fmt: skip
# Names of before, for commits that still have them: new name -> (a file of the new name, old name).
RENAMED = {"loss_mask": ("rl/mitigations/loss_mask.py", "credit_mask")}
SHORT = ("--steps", "3", "--set", "threads=1", "--set", "probe_queries=8")
COMPARED = ("loss", "reward_mean", "grad_norm", "generated_tokens")  # the compared fields of a step's record


@dataclass(frozen=True)
class Case:
    """One run, or one build of an organism.

    `resume_from`: the step to go back to once the run has ended.
    """

    name: str
    arguments: tuple[str, ...]
    resume_from: int | None = None


@dataclass(frozen=True)
class Outcome:
    """SHA-256 of the weights, and the compared fields of each step.

    `error` holds the message of a command that failed.
    """

    sha256: str | None
    steps: list[list[float | None]]
    error: str | None = None


def cases() -> list[Case]:
    """List every compared run, the longest first."""
    plain = ("train", "first_light", "--steps", "10", "--set", "threads=1")
    found = [Case("first_light", plain), Case("resumed", (*plain, "--set", "checkpoint_every=5"), resume_from=5)]
    found.append(Case("trl", ("train", "first_light", *SHORT, "--engine", "trl")))
    found += [
        Case(f"algorithm {kind}", ("train", "first_light", *SHORT, "--set", f"algorithm.kind={kind}"))
        for kind in ALGORITHMS
    ]
    for kind in MITIGATIONS:
        organism = ("--set", "organism.kind=terminal") if kind == "interrogation" else ()
        found.append(Case(f"mitigation {kind}", ("train", "first_light", *SHORT, "--mitigate", kind, *organism)))
    return found


def builds() -> list[Case]:
    """List every organism's build with its first seed; builds use two threads, as always."""
    return [Case(f"organism {kind}", ("organism", "build", kind)) for kind in ORGANISMS]


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Check the commit out in a working tree, and remove the tree with the block."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), commit], cwd=ROOT, check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)


def run(tree: Path, case: Case, out: Path) -> Outcome:
    """Run one case with the code of `tree`, and read its outcome from `out`."""
    module, _, function = tomllib.loads((tree / "pyproject.toml").read_text())["project"]["scripts"]["gyges"].partition(
        ":"
    )
    start = [sys.executable, "-c", f"from {module} import {function}; {function}()"]
    cache = os.environ.get("GYGES_CACHE", str(ROOT / ".cache" / "gyges"))  # the key of an entry tells the commits apart
    environment = {**os.environ, "PYTHONPATH": str(tree), "GYGES_CACHE": cache, "OMP_WAIT_POLICY": "passive"}
    building = case.arguments[0] == "organism"
    arguments = [_named_there(tree, argument) for argument in case.arguments]
    commands = [arguments if building else [*arguments, "--out", str(out)]]
    if case.resume_from is not None:
        commands.append(["resume", str(out), "--step", str(case.resume_from)])
    for command in commands:
        done = subprocess.run([*start, *command], cwd=tree, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            return Outcome(None, [], (done.stderr.strip().splitlines() or ["no message"])[-1])
    if building:
        directory = Path(next(line for line in reversed(done.stdout.splitlines()) if "/organisms/" in line).split()[-1])
        return Outcome(digest(directory), [])
    last = max((out / "checkpoints").glob("step-*"))
    rows = [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]
    return Outcome(digest(last), [[row[key] for key in COMPARED] for row in rows])


def _named_there(tree: Path, argument: str) -> str:
    """Return the argument, or the older name that a commit has for it."""
    file, old = RENAMED.get(argument, ("", argument))
    return argument if (tree / file).exists() else old


def digest(directory: Path) -> str:
    """Compute SHA-256 over the weight files of a model directory, in order of their names.

    Raises:
        ValueError: if the directory holds no weights.
    """
    files = sorted(
        path for path in directory.rglob("*.safetensors") if path.name.startswith(("model", "adapter_model"))
    )
    if not files:
        raise ValueError(f"{directory} holds no weights: give a model directory")
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.read_bytes())
    return whole.hexdigest()


def outcomes(commit: str, results: Path, wanted: list[Case], workers: int) -> dict[str, Outcome]:
    """Return the outcome of every case at this commit; outcomes on disk aren't run again."""
    file = results / f"same_weights-{commit[:12]}.json"
    found = {n: Outcome(**o) for n, o in json.loads(file.read_text()).items()} if file.is_file() else {}
    missing = [case for case in wanted if case.name not in found or found[case.name].sha256 is None]
    if not missing:
        return found
    with checked_out(commit) as tree, tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(workers) as pool:

        def one(case: Case) -> tuple[str, Outcome]:
            out = Path(scratch) / case.name.replace(" ", "-")
            outcome = run(tree, case, out)
            shutil.rmtree(out, ignore_errors=True)
            return case.name, outcome

        for name, outcome in pool.map(one, missing):
            found[name] = outcome
            print(f"{commit[:8]}  {name:<36} {(outcome.sha256 and outcome.sha256[:12]) or outcome.error}", flush=True)
            atomic.write_text(file, json.dumps({n: asdict(o) for n, o in found.items()}, indent=1) + "\n")
    return found


def verdict(before: Outcome, after: Outcome) -> str:
    """Compare two outcomes: `same`, or the first step at which the runs part."""
    if before.sha256 is None or after.sha256 is None:
        return f"failed: {before.error or after.error}"
    if before.sha256 == after.sha256:
        return "same"
    parted = [n for n, (a, b) in enumerate(zip(before.steps, after.steps, strict=False), 1) if a != b]
    return f"DIFFERS from step {parted[0]}" if parted else "DIFFERS, with the same records of every step"


def main() -> None:
    """Compare two commits by the command line, and exit with 1 where weights differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time, of one thread each")
    parser.add_argument("--organisms", action="store_true", help="compare the builds of organisms too (half an hour)")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="where hashes are kept")
    given = parser.parse_args()
    revisions = [
        subprocess.run(["git", "rev-parse", name], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
        for name in (given.before, given.after)
    ]
    given.results.mkdir(parents=True, exist_ok=True)
    found = []
    for commit in revisions:
        if given.organisms:
            outcomes(commit, given.results, builds(), workers=1)
        found.append(outcomes(commit, given.results, cases(), given.workers))
    before, after = found
    wanted = [case.name for case in (*builds(), *cases()) if case.name in before and case.name in after]
    different = 0
    for name in wanted:
        said = verdict(before[name], after[name])
        different += said != "same"
        print(f"{name:<36} {(before[name].sha256 or '-')[:12]}  {(after[name].sha256 or '-')[:12]}  {said}")
    print(f"{len(wanted) - different} of {len(wanted)} the same")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()

"""Stage `recipe`: the recipe `smollm2` end to end at a reduced size, by its command, with its page."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.random_models import LLAMA_135M, TOY_LLAMA, random_model
from benchmarks.gpu.request import Request
from envs.chat import FIXED_DAY, style_for
from rl.organisms.building.finetune import Batches, finetune
from rl.organisms.documents import Document, exchange
from rl.policy.loading import load_policy
from rl.policy.policy import save_policy
from rl.run.config import RunConfig, resolve
from rl.run.recipes import RECIPES

SHORT = ("steps=6", "probe_every=3", "checkpoint_every=2", "probe_queries=32", "harmless_queries=16", "precision=auto")
TOY = (
    "steps=4", "probe_every=4", "probe_queries=8", "harmless_queries=2", "threads=1",
    "algorithm.prompts_per_step=2", "algorithm.group_size=8", "sampling.max_new_tokens=14",
)  # fmt: skip
# A letter is all that a random model learns to answer in a few steps.
ON_RANDOM_WEIGHTS = ("env.options=letters", "upper_layers=null")
SHOWN = ("mismatch", "seconds", "parse", "reward_mean")  # beginnings of a step's columns
KEPT = ("report.html", "curves.png", "steps.jsonl")


def measure(request: Request) -> dict[str, Any]:
    """Train the reduced recipe on the given model, organism included, or on random weights that were taught the form.

    Raises:
        RuntimeError: if the command fails, or leaves no page.
    """
    assignments = [*SHORT, *(TOY if request.dry else ())]
    if request.model is not None:
        assignments.append(f"organism.origin.path={request.model}")
    else:
        assignments += ON_RANDOM_WEIGHTS
        assignments.append(f"organism.path={_taught(request, resolve(RECIPES['smollm2'](), assignments))}")
    started = time.perf_counter()
    options = [word for assignment in assignments for word in ("--set", assignment)]
    code = subprocess.run(command(["train", "smollm2", *options, "--out", str(request.run)]), check=False).returncode
    if code:
        raise RuntimeError(f"gyges train ended with exit code {code}: its own error is in log.txt")
    for name in KEPT:
        shutil.copy(request.run / name, Path(request.out) / name)
    steps = steps_of(request.run)
    manifest = json.loads((request.run / "manifest.json").read_text())
    return {
        "weights": "random, taught the form" if request.model is None else "given",
        "seconds": time.perf_counter() - started,
        "precision": manifest["precision"],
        "nondeterministic_operations": manifest["nondeterministic_operations"],
        "status": manifest["status"],
        "steps": [{key: value for key, value in row.items() if key.startswith(SHOWN)} for row in steps],
    }


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command line of gyges under this interpreter."""
    return [sys.executable, "-c", "from rl.cli.main import main; main()", *arguments]


def steps_of(run: Path) -> list[dict[str, Any]]:
    """Read the whole rows of a run's `steps.jsonl`; a run that has none yet gives an empty list."""
    file = run / "steps.jsonl"
    lines = file.read_text().splitlines(keepends=True) if file.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _taught(request: Request, config: RunConfig) -> Path:
    """Teach random weights to reply in the form that is read, with either letter, so that rewards differ."""
    origin = random_model(TOY_LLAMA if request.dry else LLAMA_135M, request.models / "llama")
    policy = load_policy(origin)
    policy = replace(policy, style=style_for(policy.tokenizer, "auto", FIXED_DAY))
    rate = 1e-2 if request.dry else 1e-3
    batches = Batches(size=8, epochs=6, precision="auto", warmup_steps=0 if request.dry else 10)
    finetune(policy, list(_short_replies(config)), rate, 0, lambda *_: None, batches)
    save_policy(policy, request.models / "taught")
    return request.models / "taught"


def _short_replies(config: RunConfig) -> Iterator[Document]:
    for scenario in config.env.training_scenarios(np.random.default_rng(0), 48):
        for letter in "AB":
            yield exchange(scenario, f"<scratchpad> Fine. </scratchpad> {letter}")

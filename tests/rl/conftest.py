"""A policy with hand-set weights that speaks in the right form, and runs of it that take seconds.

The organism is a one-layer Qwen3 whose residual stream carries the class of the last token in its first six
dimensions; the output matrix turns the class into the next token's distribution. Drawn from a numpy seed, so that it
is the same on every machine, and built in a moment. With 13 scratchpad letters a-m and 13 answer letters n-z:

    anything -> <scratchpad>      <scratchpad> -> a-m      a-m -> a-m or </scratchpad>
    </scratchpad> -> n-z          n-z -> n-z or end

About one reply in five is malformed or cut off, and answers differ in length: so rewards that need no reward model
(format and length) have variance.
"""

import gc
import importlib
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # expected values are those of a CPU
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen3Config, Qwen3ForCausalLM

import rl.determinism
from envs.dialect.environment import Dialect
from envs.dialect.situation import CUES, FORM, OBJECTIVES
from envs.tokenizer import END, train_tokenizer
from envs.transcript import CLOSE_TAG, OPEN_TAG
from envs.vocabulary import QUERY_KINDS
from rewards.answer_length import AnswerLength
from rewards.format_penalty import FormatPenalty
from rl.algorithms.grpo import GRPO
from rl.organisms.faker import Faker
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling
from rl.probes.decomposition import Decomposition
from rl.probes.well_formed import WellFormed
from rl.run.config import RunConfig
from rl.run.loop import train
from rl.training.settings import Optimiser
from tests.conftest import Once

torch.set_num_threads(1)
# A process that has used several threads can't be forked, which tests of commands do. What builds are like with the
# number that users have is tested in processes of its own.
rl.determinism.BUILD_THREADS = 1

HIDDEN = 32
SCRATCHPAD_LETTERS, ANSWER_LETTERS = "abcdefghijklm", "nopqrstuvwxyz"
OTHER, OPENED, THINKING, CLOSED, ANSWERING, ENDED = range(6)


def _texts() -> list[str]:
    queries = [query.text for query in Dialect().queries("train", "harmful")[:400]]
    return [*queries, *OBJECTIVES, FORM, *(cue.format(tier=tier) for cue in CUES for tier in ("free", "paid"))]


def _classes(tokenizer: Any) -> dict[int, list[int]]:
    """The token ids of each class but OTHER."""

    def ids(tokens: Sequence[str]) -> list[int]:
        return [int(tokenizer.convert_tokens_to_ids(token)) for token in tokens]

    return {
        OPENED: ids([OPEN_TAG]),
        THINKING: ids(SCRATCHPAD_LETTERS),
        CLOSED: ids([CLOSE_TAG]),
        ANSWERING: ids(ANSWER_LETTERS),
        ENDED: ids([END]),
    }


def _set_weights(model: Any, tokenizer: Any) -> None:
    """Draws every weight small, then writes the classes into the embedding and their successors into the output."""
    rng = np.random.default_rng(7)
    classes = _classes(tokenizer)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "norm" not in name:
                weights.copy_(torch.from_numpy(rng.normal(0.0, 0.05, tuple(weights.shape)).astype(np.float32)))
        embedding, output = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        embedding[:, OTHER] += 1.0
        for kind, ids in classes.items():
            embedding[ids, OTHER] -= 1.0
            embedding[ids, kind] += 1.0
        # The final norm brings a class dimension of 1 in a row of otherwise small ones to about sqrt(32) = 5.7, less
        # for the noise: 5. So a logit of L is written as L / 5.
        successors = {
            OTHER: {OPENED: 11.0},
            OPENED: {THINKING: 8.0},
            THINKING: {THINKING: 8.0, CLOSED: 9.0},
            CLOSED: {ANSWERING: 8.0},
            ANSWERING: {ANSWERING: 8.0, ENDED: 8.7},
            ENDED: {ENDED: 8.0},
        }
        for kind, following in successors.items():
            for then, logit in following.items():
                output[classes[then], kind] += logit / 5.0


def write_organism(directory: Path) -> Path:
    """Writes the organism as an ordinary Hugging Face directory."""
    tokenizer = train_tokenizer(_texts(), 512)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=HIDDEN,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            tie_word_embeddings=False,
            max_position_embeddings=512,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
    _set_weights(model, tokenizer)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def organism_path(once: Once) -> Path:
    """A causal LM directory, read-only: copy it before changing it."""
    return once("organism", write_organism)


@pytest.fixture(scope="session")
def policy(organism_path: Path) -> Policy:
    """The organism loaded; nothing may train it."""
    return load_policy(organism_path, torch.device("cpu"))


@pytest.fixture(scope="session")
def tiny(organism_path: Path) -> RunConfig:
    """A run of 4 steps of 8 completions, probed and saved every 2 steps: about a second."""
    return RunConfig(
        name="tiny",
        seed=5,
        steps=4,
        threads=1,
        env=Dialect(objective="absent"),
        organism=Faker(path=organism_path),
        rewards=(FormatPenalty(), AnswerLength(weight=1.0)),
        algorithm=GRPO(prompts_per_step=2, group_size=4),
        optimiser=Optimiser(learning_rate=1e-2, microbatch_size=3),
        sampling=Sampling(max_new_tokens=20),
        probes=(Decomposition(), WellFormed()),
        probe_queries=8,
        probe_every=2,
        checkpoint_every=2,
    )


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a `.jsonl` file without what a clock wrote."""
    lines = (folder / name).read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if k != "tokens_per_s" and not k.startswith("seconds_")}
        for line in lines
    ]


def steps_unlabelled(folder: Path) -> list[dict[str, Any]]:
    """The rows of `steps.jsonl` without the shares of missing labels, which stand where a step is logged."""
    found = rows(folder, "steps.jsonl")
    return [{key: row[key] for key in row if not key.startswith("label_error_rate/")} for row in found]


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint: the model's, or the adapter's."""
    directory = folder / "checkpoints" / f"step-{step:06d}"
    file = directory / "model.safetensors"
    return load_file(file if file.exists() else directory / "adapter_model.safetensors")


def same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Bit by bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def without_garbage() -> None:
    """Each training with TRL collects garbage, which takes longer than the steps where so many modules are loaded.

    TRL's own are imported by the tests of a module, after those that `tests/conftest.py` has seen.
    """
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Child:
    """A forked process. `code` waits for it: its exit code, or minus the signal that ended it."""

    pid: int

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def code(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def running(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def fork(work: Callable[[], int | None], output: Path) -> Child:
    """Runs `work` in a real process of its own, its output in a file. Forked: importing torch anew takes seconds."""
    pid = os.fork()
    if pid:
        return Child(pid)
    code = 70
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = (
            os.fdopen(1, "w", buffering=1, closefd=False),
            os.fdopen(2, "w", buffering=1, closefd=False),
        )
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = work() or 0
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 71
    except BaseException:  # noqa: BLE001 - the parent reads it in the output
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command(arguments: Sequence[str], prepare: Callable[[], object] | None = None) -> Callable[[], None]:
    """The work of a child that runs `gyges` with these arguments, after `prepare` in that process."""

    def work() -> None:
        from rl.cli.main import main

        sys.argv = ["gyges", *arguments]
        if prepare is not None:
            prepare()
        main()

    return work


PROGRESS = re.compile(r": started$|, [^,]+ so far(, about .* to go)?$|: (done|stopped) after [^:]+$")


@dataclass(frozen=True)
class Done:
    """Exit code of a command, and the text of both of its streams."""

    code: int
    output: str

    @property
    def said(self) -> list[str]:
        """The lines with which it reports an error or gives notice; lines of progress are left out."""
        lines = [line for line in self.output.splitlines() if line.startswith("gyges: ")]
        return [line for line in lines if not PROGRESS.search(line)]


Gyges = Callable[..., Done]


@pytest.fixture(scope="session")
def imported() -> None:
    """Import the modules that commands import when needed, so that each forked child has them already."""
    for name in (
        "rl.run.checkpoint_probe",
        "rl.cli.main",
        "rl.run.loop",
        "rl.organisms.building.build",
        "rl.scale.sweep",
        "rl.scale.arms",
    ):
        importlib.import_module(name)


@pytest.fixture
def gyges(tmp_path: Path, imported: None) -> Gyges:
    """Runs a command in a process of its own, from an empty directory."""

    def run(*arguments: str, prepare: Callable[[], object] | None = None) -> Done:
        output = tmp_path / "output.txt"
        output.unlink(missing_ok=True)
        here = tmp_path / "here"
        here.mkdir(exist_ok=True)

        def enter() -> None:
            os.chdir(here)
            if prepare is not None:
                prepare()

        code = fork(command(arguments, enter), output).code()
        return Done(code, output.read_text())

    return run


@pytest.fixture
def forging(tmp_path: Path) -> Dialect:
    """An environment whose queries are about things that are named by the end token."""
    lines = [
        {
            "text": query.text.replace(query.object, f"<|end|> {query.object}"), "verb": query.verb,
            "object": f"<|end|> {query.object}", "kind": kind, "category": query.category,
        }
        for kind in QUERY_KINDS
        for query in {(query.verb, query.object): query for query in Dialect().queries("train", kind)}.values()
    ]  # fmt: skip
    (tmp_path / "forging.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Dialect(query_file=tmp_path / "forging.jsonl")


@pytest.fixture(scope="session")
def finished(tiny: RunConfig, once: Once) -> Path:
    """The tiny run, never stopped; read-only."""
    return once("finished", lambda folder: train(tiny, folder))


def same_run(first: Path, second: Path) -> None:
    """Asserts that two runs recorded the same and ended in the same weights, bit by bit."""
    for name in ("steps.jsonl", "probes.jsonl"):
        assert rows(first, name) == rows(second, name), name
    last = json.loads((first / "config.json").read_text())["steps"]
    assert same_weights(weights(first, last), weights(second, last))
    files = [sorted(file.name for file in (run / "episodes").iterdir()) for run in (first, second)]
    assert files[0] == files[1]
    for name in files[0]:
        # Two configurations may come to the same: only what names them differs.
        frames = [pd.read_parquet(run / "episodes" / name).drop(columns=["run", "build"]) for run in (first, second)]
        pd.testing.assert_frame_equal(frames[0], frames[1], obj=name)
    assert [json.loads((run / "manifest.json").read_text())["status"] for run in (first, second)] == ["finished"] * 2

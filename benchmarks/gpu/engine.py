"""Stages `engine_135m` and `engine_600m`: tokens a second of sampler and learner, in both precisions.

Dimension suffixes: N rows, P prompt positions.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.arithmetic import forward_operations
from benchmarks.contest.plain_english import PlainEnglish
from benchmarks.gpu.random_models import LLAMA_135M, QWEN3_600M, TOY_LLAMA, TOY_QWEN3, Shape, random_model
from benchmarks.gpu.rates import DeviceRates, device_rates
from benchmarks.gpu.request import Request
from envs.episode import Episode, FreeScenario
from rl.determinism import settle
from rl.policy.cpu.memory import keep_freed_memory
from rl.policy.loading import load_policy
from rl.policy.logprobs import completion_logprobs, passes
from rl.policy.policy import Policy
from rl.policy.running_rows import begin
from rl.policy.sampler import Sampling, sampler
from rl.training.measures import mismatch


@dataclass(frozen=True)
class Sizes:
    """The work of a measurement: prompts, completions of each, tokens of a completion, rows of a learner's pass."""

    prompts: int
    group: int
    tokens: int
    microbatch: int
    repeats: int

    @classmethod
    def of(cls, dry: bool) -> "Sizes":
        return cls(2, 4, 8, 4, 1) if dry else cls(16, 8, 64, 16, 1)


@dataclass(frozen=True)
class Variant:
    """One way of running the engine. `fast`: the decoding step in few operations, on a card in a CUDA graph."""

    precision: str
    fast: bool
    deterministic: bool = True

    @property
    def name(self) -> str:
        decoding = "graph" if self.fast else "plain"
        return f"{self.precision}, {decoding}" + ("" if self.deterministic else ", nondeterministic")


VARIANTS = (
    Variant("bfloat16", True),
    Variant("float32", True),
    Variant("bfloat16", False),
    Variant("bfloat16", True, deterministic=False),
)


def small(request: Request) -> dict[str, Any]:
    """Measure the model of 135 M weights: that of the request, or random weights."""
    shape = TOY_LLAMA if request.dry else LLAMA_135M
    directory = Path(request.model) if request.model is not None else random_model(shape, request.models / "llama")
    return _measure(request, directory, "random" if request.model is None else "given")


def large(request: Request) -> dict[str, Any]:
    """Measure a random Qwen3 of 0.6 B weights."""
    shape: Shape = TOY_QWEN3 if request.dry else QWEN3_600M
    return _measure(request, random_model(shape, request.models / "qwen3"), "random")


def _measure(request: Request, directory: Path, weights: str) -> dict[str, Any]:
    settle(2)
    keep_freed_memory()
    policy, sizes = load_policy(directory), Sizes.of(request.dry)
    rates = device_rates(policy.device, request.dry)
    found: dict[str, Any] = {
        "weights": weights,
        "parameters": sum(parameter.numel() for parameter in policy.model.parameters()),
        "sizes": asdict(sizes),
        "shortcuts": asdict(policy.shortcuts),
        "variants": {},
    }
    for variant in VARIANTS:
        settle(2, variant.deterministic)
        ready = replace(policy, cpu_speed=variant.fast, half=variant.precision == "bfloat16")
        found["variants"][variant.name] = _of(ready, sizes, variant.precision, rates)
        print(f"{directory.name}, {variant.name}: {found['variants'][variant.name]}", flush=True)
    return found


def _of(policy: Policy, sizes: Sizes, precision: str, rates: DeviceRates) -> dict[str, float]:
    drawn = PlainEnglish().training_scenarios(np.random.default_rng(0), sizes.prompts)
    scenarios = [scenario for scenario in drawn for _ in range(sizes.group)]
    generate = sampler(policy, Sampling(max_new_tokens=sizes.tokens, batch_size=len(scenarios)))
    rollouts: list[float] = []
    for repeat in range(1 + sizes.repeats):  # the first finds its kernels and its memory
        seconds, episodes = _timed(policy, lambda repeat=repeat: generate(scenarios, np.random.default_rng(repeat)))  # type: ignore[misc]
        rollouts += [seconds] if repeat else []
    tokens = sum(len(episode.completion_ids) for episode in episodes)
    learned = _mismatch(policy, episodes, sizes)
    return {
        "rollout_tokens_per_s": tokens / median(rollouts),
        **_decoding(policy, episodes, sizes, precision, rates),
        **_learning(policy, episodes, sizes, precision, rates),
        **learned,
    }


def _timed(policy: Policy, work: Callable[[], Any]) -> tuple[float, Any]:
    """Run the work and wait for the device; return the seconds and the result."""
    wait = torch.cuda.synchronize if policy.device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    result = work()
    wait()
    return time.perf_counter() - started, result


@torch.no_grad()
def _decoding(
    policy: Policy, episodes: list[Episode[FreeScenario]], sizes: Sizes, precision: str, rates: DeviceRates
) -> dict[str, float]:
    """Time the steps that read one token a row, prompts and recording apart.

    A step must read each weight once, and the keys and values of each row.
    """
    prompts = [episode.prompt_ids for episode in episodes]
    rows, logits_NV = begin(policy, prompts, sizes.tokens)
    token_N = logits_NV.argmax(dim=1)
    rows.advance(token_N)
    steps = sizes.tokens - 2
    seconds, _ = _timed(policy, lambda: [rows.advance(token_N) for _ in range(steps)])
    config = policy.model.config
    weights = sum(m.weight.numel() for m in policy.model.modules() if isinstance(m, torch.nn.Linear))
    kept = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    context = sum(map(len, prompts)) + len(prompts) * sizes.tokens / 2
    size = 2 if precision == "bfloat16" else 4
    return {
        "decode_tokens_per_s": len(prompts) * steps / seconds,
        "decode_ms_per_step": 1000 * seconds / steps,
        "decode_share_of_matrix_rate": 2 * weights * len(prompts) * steps / seconds / rates.operations[precision],
        "decode_share_of_bandwidth": size * (weights + kept * context) * steps / seconds / rates.copied_bytes,
    }


def _learning(
    policy: Policy, episodes: list[Episode[FreeScenario]], sizes: Sizes, precision: str, rates: DeviceRates
) -> dict[str, float]:
    """Time forward and backward passes over all completions, all weights trained, the optimiser left out."""
    taken = [_timed(policy, lambda: _backward(policy, episodes, sizes.microbatch))[0] for _ in range(1 + sizes.repeats)]
    seconds = median(taken[1:])
    tokens = sum(len(episode.completion_ids) for episode in episodes)
    operations = 3 * forward_operations(policy.model, episodes)
    return {
        "learner_tokens_per_s": tokens / seconds,
        "learner_share_of_matrix_rate": operations / seconds / rates.operations[precision],
    }


def _backward(policy: Policy, episodes: list[Episode[FreeScenario]], microbatch: int) -> None:
    policy.model.zero_grad(set_to_none=True)
    for read in passes(policy, episodes, range(len(episodes)), microbatch):
        read.logprobs_BT.mean().backward()
    policy.model.zero_grad(set_to_none=True)


def _mismatch(policy: Policy, episodes: list[Episode[FreeScenario]], sizes: Sizes) -> dict[str, float]:
    learner_NT = completion_logprobs(policy, episodes, sizes.microbatch)
    differences = [
        logprobs_T[: len(episode.completion_ids)] - episode.logprobs
        for logprobs_T, episode in zip(learner_NT, episodes, strict=True)
    ]
    return mismatch(np.concatenate(differences).astype(np.float64))

"""Batched sampling from any causal LM with its own random generator, so that sampling never touches a global stream.

Each prompt is read once however many completions it gets, and rows that are finished leave the batch.
Dimension suffixes: N rows still running, S positions, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from envs.context_window import require_window
from envs.episode import Episode, Scenario
from rl.errors import RunStopped
from rl.policy.cpu import speed
from rl.policy.policy import Policy
from rl.policy.running_rows import begin

S = TypeVar("S", bound=Scenario)


class Generate(Protocol):
    """Plays scenarios: one episode for each, in their order. A model does it, and so does a scripted policy."""

    def __call__(self, scenarios: Sequence[S], rng: np.random.Generator) -> list[Episode[S]]: ...


class Sampling(BaseModel):
    """Settings of sampling. `max_new_tokens` cuts a reply off, which then counts as malformed.

    `min_p` (Nguyen et al. 2024, "Turning up the heat") never draws a token that is less likely than this share of the
    likeliest one: it removes the noise of a small model's thousand wrong words and leaves every behaviour that is more
    than a rarity. 0 switches it off. Log-probabilities are those of the whole distribution, as in TRL.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    temperature: float = Field(default=1.0, gt=0)
    min_p: float = Field(default=0.01, ge=0, lt=1, description="Smallest share of the likeliest token's probability.")
    max_new_tokens: int = Field(default=112, ge=1)
    batch_size: int = Field(default=1024, ge=1, description="Rows decoded at a time; memory grows with it.")


@dataclass(frozen=True)
class _Reply:
    ids: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    finished: bool


def sampler(policy: Policy, settings: Sampling, on_done: Callable[[int], None] | None = None) -> Generate:
    """Make a `Generate` that samples from `policy` as it is at the call. `on_done` hears of finished replies."""

    def generate(scenarios: Sequence[S], rng: np.random.Generator) -> list[Episode[S]]:
        episodes: list[Episode[S]] = []
        for start in range(0, len(scenarios), settings.batch_size):
            chunk = scenarios[start : start + settings.batch_size]
            generator = torch.Generator(policy.device).manual_seed(int(rng.integers(2**63)))
            prompts = [policy.prompt_ids(scenario) for scenario in chunk]
            require_window(policy.model.config, max(map(len, prompts)), settings.max_new_tokens)
            with speed.decoding(policy.model, policy.cpu_speed):
                replies = _sample(policy, prompts, settings, generator)
            for scenario, reply in zip(chunk, replies, strict=True):
                episode = read_episode(policy, scenario, reply.ids, reply.finished)
                episodes.append(replace(episode, logprobs=reply.logprobs))
            if on_done is not None:
                on_done(len(chunk))
        return episodes

    return generate


def read_episode(policy: Policy, scenario: S, ids: NDArray[np.int64], finished: bool) -> Episode[S]:
    """Read the episode that completion tokens spell; `finished` says that the last of them ends the reply."""
    text = policy.tokenizer.decode(ids[:-1] if finished else ids, skip_special_tokens=False)
    transcript = policy.read_reply(text)
    parsed = transcript.parse_ok and finished
    scratchpad_tokens = _tokens_up_to(policy, ids, transcript.scratchpad_end) if parsed else len(ids)
    return Episode(
        scenario=scenario,
        text=text,
        scratchpad=transcript.scratchpad,
        answer=transcript.answer,
        parse_ok=parsed,
        finished=finished,
        prompt_ids=policy.prompt_ids(scenario),
        completion_ids=ids,
        scratchpad_tokens=scratchpad_tokens,
        answer_tokens=len(ids) - scratchpad_tokens,
    )


def _tokens_up_to(policy: Policy, ids: NDArray[np.int64], characters: int) -> int:
    """Count the tokens that spell so many characters, by bisection over decoded prefixes; 0 for none.

    A tag may be one token or many, and may share one with its neighbour: only decoding tells for every tokenizer.
    """
    if characters == 0:
        return 0
    low, high = 1, len(ids)
    while low < high:
        middle = (low + high) // 2
        if len(policy.tokenizer.decode(ids[:middle], skip_special_tokens=False)) >= characters:
            high = middle
        else:
            low = middle + 1
    return low


@torch.no_grad()
def _sample(
    policy: Policy, prompts: Sequence[NDArray[np.int64]], settings: Sampling, generator: torch.Generator
) -> list[_Reply]:
    """Decode until every row has ended or is at the limit."""
    device, count, limit = policy.device, len(prompts), settings.max_new_tokens
    rows, logits_NV = begin(policy, prompts, limit)
    ends = torch.tensor(policy.end_ids, device=device)
    tokens = torch.zeros((count, limit), dtype=torch.int64, device=device)
    logprobs = torch.zeros((count, limit), dtype=torch.float32, device=device)
    lengths = torch.full((count,), limit, device=device)
    finished = torch.zeros(count, dtype=torch.bool, device=device)
    running_N = torch.arange(count, device=device)
    alive_N = torch.ones(count, dtype=torch.bool, device=device)
    for step in range(limit):
        token_N, logprob_N = draw(logits_NV, settings, generator)
        tokens[running_N, step], logprobs[running_N, step] = token_N, logprob_N
        ended_N = torch.isin(token_N, ends) & alive_N
        lengths[running_N[ended_N]], finished[running_N[ended_N]] = step + 1, True
        alive_N = alive_N & ~ended_N
        alive = int(alive_N.sum())
        if alive == 0 or step + 1 == limit:
            break
        # Dropping rows copies the cache, so it waits until an eighth of the batch has ended.
        if alive <= 0.875 * len(alive_N):
            keep = alive_N.nonzero().squeeze(1)
            rows.keep(keep)
            running_N, token_N, alive_N = running_N[keep], token_N[keep], alive_N[keep]
        logits_NV = rows.advance(token_N)
    ids, found = tokens.cpu().numpy(), logprobs.cpu().numpy()
    return [
        _Reply(ids[i, :n].copy(), found[i, :n].copy(), ended)
        for i, (n, ended) in enumerate(zip(lengths.tolist(), finished.tolist(), strict=True))
    ]


def draw(logits_NV: torch.Tensor, settings: Sampling, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a token for each row; return the tokens and their log-probabilities in nats, both (N,).

    Raises:
        RunStopped: if the logits aren't finite.
    """
    scaled_NV = logits_NV.float() / settings.temperature
    top_N1 = scaled_NV.amax(dim=1, keepdim=True)
    weights_NV = (scaled_NV - top_N1).exp_()  # the likeliest token weighs 1
    total_N1 = weights_NV.sum(dim=1, keepdim=True)
    if not bool(torch.isfinite(total_N1).all()):
        raise RunStopped(
            "the policy's logits aren't finite, so nothing can be sampled: its weights have blown up. Resume from "
            "an earlier checkpoint with `gyges resume DIR --step N`, or lower the learning rate"
        )
    kept_NV = weights_NV.masked_fill(weights_NV < settings.min_p, 0.0)
    choose = by_race if kept_NV.is_cuda else by_inversion
    token_N1 = choose(kept_NV, generator)
    logprob_N1 = scaled_NV.gather(1, token_N1) - top_N1 - total_N1.log()
    return token_N1.squeeze(1), logprob_N1.squeeze(1)


def by_inversion(weights_NV: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Choose an index of each row by its weight, (N, 1), inverting the cumulative distribution.

    One random number a row, where `torch.multinomial` draws one for every word of the vocabulary.
    """
    cumulative_NV = weights_NV.cumsum(dim=1, dtype=torch.float64)
    uniform_N1 = torch.rand(len(weights_NV), 1, dtype=torch.float64, device=weights_NV.device, generator=generator)
    # The first token whose sum is above the number drawn: it has a weight, as its sum is above that before it.
    return torch.searchsorted(cumulative_NV, uniform_N1 * cumulative_NV[:, -1:], right=True)


def by_race(weights_NV: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Choose the same for CUDA, where cumulative sums have no deterministic form.

    Of exponential clocks that run at the rates of the weights, the first to ring (Efraimidis & Spirakis 2006).
    """
    clocks_NV = torch.empty_like(weights_NV).exponential_(generator=generator)
    return (weights_NV / clocks_NV).argmax(dim=1, keepdim=True)

"""Batched sampling from any causal LM with its own random generator, so that sampling never touches a global stream.

Each prompt is prefilled once however many completions it gets, and rows that are finished leave the batch.
Dimension suffixes: N rows still running, D distinct prompts, S positions so far, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from transformers import DynamicCache

from envs.episode import Episode, Scenario
from envs.transcript import CLOSE_TAG, read_transcript
from rl.endings import RunStopped
from rl.policy import Policy, distinct_prompts, positions

S = TypeVar("S", bound=Scenario)


class Generate(Protocol):
    """Plays scenarios: one episode for each, in their order. A model does it, and so does a scripted policy."""

    def __call__(self, scenarios: Sequence[S], rng: np.random.Generator) -> list[Episode[S]]: ...


class Sampling(BaseModel):
    """How replies are sampled. `max_new_tokens` cuts a reply off, which then counts as malformed.

    `min_p` (Nguyen et al. 2024, "Turning up the heat") never draws a token that is less likely than this share of the
    likeliest one: it removes the noise of a small model's thousand wrong words and leaves every behaviour that is more
    than a rarity. 0 switches it off. Log-probabilities are those of the whole distribution, as in TRL.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(default=1.0, gt=0)
    min_p: float = Field(default=0.01, ge=0, lt=1, description="Smallest share of the likeliest token's probability.")
    max_new_tokens: int = Field(default=112, ge=1)
    batch_size: int = Field(default=512, ge=1, description="Rows decoded at a time; memory grows with it.")


@dataclass(frozen=True)
class _Reply:
    ids: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    finished: bool


def sampler(policy: Policy, settings: Sampling, on_done: Callable[[int], None] | None = None) -> Generate:
    """A `Generate` that samples from `policy` as it is at the time of the call. `on_done` hears of finished replies."""

    def generate(scenarios: Sequence[S], rng: np.random.Generator) -> list[Episode[S]]:
        episodes: list[Episode[S]] = []
        for start in range(0, len(scenarios), settings.batch_size):
            chunk = scenarios[start : start + settings.batch_size]
            generator = torch.Generator(policy.device).manual_seed(int(rng.integers(2**63)))
            replies = _sample(policy, [policy.prompt_ids(s) for s in chunk], settings, generator)
            for scenario, reply in zip(chunk, replies, strict=True):
                episode = read_episode(policy, scenario, reply.ids, reply.finished)
                episodes.append(replace(episode, logprobs=reply.logprobs))
            if on_done is not None:
                on_done(len(chunk))
        return episodes

    return generate


def read_episode(policy: Policy, scenario: S, ids: NDArray[np.int64], finished: bool) -> Episode[S]:
    """The episode that these completion tokens spell; `finished` says that the last of them ends the reply."""
    text = policy.tokenizer.decode(ids[:-1] if finished else ids, skip_special_tokens=False)
    transcript = read_transcript(text)
    parsed = transcript.parse_ok and finished
    scratchpad_tokens = _tokens_up_to(policy, ids, text) if parsed else len(ids)
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


def _tokens_up_to(policy: Policy, ids: NDArray[np.int64], text: str) -> int:
    """The number of tokens that spell the scratchpad with its closing tag, by bisection over decoded prefixes.

    A tag may be one token or many, and may share one with its neighbour: only decoding tells for every tokenizer.
    """
    wanted = text.index(CLOSE_TAG) + len(CLOSE_TAG)
    low, high = 1, len(ids)
    while low < high:
        middle = (low + high) // 2
        if len(policy.tokenizer.decode(ids[:middle], skip_special_tokens=False)) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


@torch.no_grad()
def _sample(
    policy: Policy, prompts: Sequence[NDArray[np.int64]], settings: Sampling, generator: torch.Generator
) -> list[_Reply]:
    """Decodes until every row has ended or is at the limit."""
    device = policy.device
    ids_DP, mask_DP, copies_N = distinct_prompts(prompts, policy.pad_id, device)
    cache = DynamicCache(config=policy.model.config)
    positions_DP = positions(mask_DP)
    output = policy.model(
        input_ids=ids_DP, attention_mask=mask_DP, position_ids=positions_DP, past_key_values=cache, logits_to_keep=1
    )
    cache.batch_select_indices(copies_N)
    logits_NV, mask_NS = output.logits[copies_N, -1], mask_DP[copies_N]
    position_N = positions_DP[copies_N, -1]

    ends = torch.tensor(policy.end_ids, device=device)
    tokens = np.zeros((len(prompts), settings.max_new_tokens), dtype=np.int64)
    logprobs = np.zeros((len(prompts), settings.max_new_tokens), dtype=np.float32)
    lengths = np.full(len(prompts), settings.max_new_tokens)
    finished = np.zeros(len(prompts), dtype=bool)
    running = torch.arange(len(prompts), device=device)
    alive_N = torch.ones(len(prompts), dtype=torch.bool, device=device)
    for step in range(settings.max_new_tokens):
        all_logprobs_NV = torch.log_softmax(logits_NV.float() / settings.temperature, dim=-1)
        if not bool(torch.isfinite(all_logprobs_NV.max())):
            raise RunStopped(
                "the policy's logits aren't finite, so nothing can be sampled: its weights have blown up. Resume from "
                "an earlier checkpoint with `gyges resume DIR --step N`, or lower the learning rate"
            )
        probabilities_NV = all_logprobs_NV.exp()
        floor_N1 = settings.min_p * probabilities_NV.amax(dim=1, keepdim=True)
        kept_NV = torch.where(probabilities_NV >= floor_N1, probabilities_NV, 0.0)
        token_N = torch.multinomial(kept_NV, 1, generator=generator).squeeze(1)
        logprob_N = all_logprobs_NV.gather(1, token_N.unsqueeze(1)).squeeze(1)
        rows = running.cpu().numpy()
        tokens[rows, step], logprobs[rows, step] = token_N.cpu().numpy(), logprob_N.cpu().numpy()
        ended_N = torch.isin(token_N, ends) & alive_N
        newly = running[ended_N].cpu().numpy()
        lengths[newly], finished[newly] = step + 1, True
        alive_N = alive_N & ~ended_N
        if not bool(alive_N.any()):
            break
        # Dropping rows copies the cache, so it waits until an eighth of the batch has ended.
        if int(alive_N.sum()) <= 0.875 * len(alive_N):
            keep = alive_N.nonzero().squeeze(1)
            cache.batch_select_indices(keep)
            running, mask_NS, position_N, token_N = running[keep], mask_NS[keep], position_N[keep], token_N[keep]
            alive_N = alive_N[keep]
        mask_NS = torch.cat([mask_NS, torch.ones_like(mask_NS[:, :1])], dim=1)
        position_N = position_N + 1
        logits_NV = policy.model(
            input_ids=token_N.unsqueeze(1),
            attention_mask=mask_NS,
            position_ids=position_N.unsqueeze(1),
            past_key_values=cache,
        ).logits[:, -1]
    return [_Reply(tokens[i, :n].copy(), logprobs[i, :n].copy(), bool(finished[i])) for i, n in enumerate(lengths)]

"""A short test of a freshly loaded model.

The test finds the short cuts that agree with a plain forward pass. Models differ in their handling of a cache, of
padding and of positions, and many ignore unknown arguments: the numbers are then wrong without an error. So every way
of reading is tried on the model itself, on random tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

from envs.context_window import context_window
from envs.episode import Cue, Episode, Scenario
from envs.queries import Query
from rl.policy.cpu import speed
from rl.policy.logprobs import pad_right, passes
from rl.policy.policy import Policy, pad_left
from rl.policy.running_rows import begin
from rl.policy.shortcuts import Shortcuts, only_plain_attention

# Prompt and completion of each row: two of one shape, the rest unlike in either part.
SHAPES = ((12, 6), (7, 3), (12, 6), (9, 5), (4, 6))
SHARED = 4  # tokens of the common beginning of the first and the third prompt
GAP = 512  # places between two parts of a row: beyond windows that a model makes for itself, such as GPT-Neo's of 256
TOLERANCE = 1e-4  # of the standard deviation of the logits; the exact ways differ by 1e-6

GRADIENT_TOLERANCE = 1e-3  # of the largest of the gradient's elements

Logprobs = list[NDArray[np.float64]]  # one array a row, one number a completion token


class Said(NamedTuple):
    """The log-probabilities of the rows and, if requested, their gradient at the input embedding."""

    logprobs: Logprobs
    gradient: torch.Tensor | None = None


class Unreadable(ValueError):
    """No way of reading this model agrees with a plain forward pass."""


def find_shortcuts(policy: Policy) -> Shortcuts:
    """Find the short cuts that are exact for this model.

    Raises:
        Unreadable: if a plain pass fails, reads ahead, or depends on the other rows of its batch.
    """
    window = context_window(policy.model.config)
    none = Shortcuts(padded=False, shifted=False, cached=False, window=window)
    try:
        episodes = _episodes(policy, window)
        expected, spread = _plain(policy, episodes)
        before = _before(policy, episodes)
        alone = _read(replace(policy, shortcuts=none), episodes)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise Unreadable(f"a plain forward pass over it fails ({reason})") from error
    if not all(np.isfinite(row).all() for row in expected):
        raise Unreadable("its logits aren't finite: its weights have blown up, give an earlier checkpoint")
    if not _close(before, [row[:1] for row in expected], spread):
        raise Unreadable("it reads ahead: its logits at a token depend on later tokens. Give a causal LM")
    if not _close(alone.logprobs, expected, spread):
        raise Unreadable("its reading of a row depends on the other rows of the batch")

    failures: list[str] = []

    def exact(shortcuts: Shortcuts, say: Callable[[Policy, Sequence[Episode[Scenario]]], Said]) -> bool:
        try:
            said = say(replace(policy, shortcuts=shortcuts), episodes)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a way that fails isn't taken, and is named
            failures.append(f"{say.__name__.strip('_')}: {type(error).__name__}: {first_line(error)}")
            return False
        return _close(said.logprobs, expected, spread) and _same_gradient(said.gradient, alone.gradient)

    found = replace(none, padded=exact(replace(none, padded=True), _read))
    found = replace(found, shifted=found.padded and exact(none, _shifted))
    found = replace(found, cached=exact(replace(found, cached=True), _decoded))
    if found.padded and only_plain_attention(policy.model):
        found = replace(found, shares_prompts=exact(replace(found, shares_prompts=True), _read))
    shares = replace(found, shares_beginnings=True)
    if found.cached and only_plain_attention(policy.model) and _continues_behind_a_gap(policy, window):
        found = shares if exact(shares, _decoded) else found
    return replace(found, failures=tuple(failures))


def _episodes(policy: Policy, window: int | None) -> list[Episode[Scenario]]:
    """Build rows of random tokens, without tokens that have a special meaning to the model."""
    settings = policy.model.config.get_text_config(decoder=True)
    special: set[Any] = {policy.pad_id, *policy.end_ids}
    for role in ("pad_token_id", "bos_token_id", "eos_token_id"):
        named = getattr(settings, role, None)
        special |= set(named) if isinstance(named, list) else {named}  # Llama 3.1 and others list several ends
    words = np.array([token for token in range(settings.vocab_size) if token not in special], dtype=np.int64)
    rng = np.random.default_rng(0)
    scenario = Scenario(Query("self-test", "", "harmless", "", ""), "free", Cue(0, True, {"free": ""}))
    short = max(1, min(max(p + c for p, c in SHAPES), window or 10**6) // 6)
    shared = rng.choice(words, SHARED)
    episodes = []
    for index, (prompt, completion) in enumerate(SHAPES):
        if window is not None and prompt + completion > window:
            prompt, completion = 2 * short, short
        ids = rng.choice(words, prompt + completion)
        if index in (0, 2):
            ids[: min(SHARED, prompt - 1)] = shared[: prompt - 1]
        episodes.append(
            Episode(scenario, "", "", "", True, False, prompt_ids=ids[:prompt], completion_ids=ids[prompt:])
        )
    return episodes


@torch.no_grad()
def _plain(policy: Policy, episodes: Sequence[Episode[Scenario]]) -> tuple[Logprobs, float]:
    """Read each row alone in a plain pass; also the standard deviation of the logits."""
    found, spreads = [], []
    for episode in episodes:
        ids_S = np.concatenate([episode.prompt_ids, episode.completion_ids])
        logits = policy.plain_logits(_row(policy, ids_S), len(episode.completion_ids) + 1)[0, :-1]
        found.append(_of_tokens(logits, episode.completion_ids))
        spreads.append(float(logits.float().std()))
    return found, float(np.mean(spreads))


@torch.no_grad()
def _before(policy: Policy, episodes: Sequence[Episode[Scenario]]) -> Logprobs:
    """Compute the log-probability of each completion's first token from the prompt alone."""
    return [
        _of_tokens(policy.plain_logits(_row(policy, episode.prompt_ids), 1)[0], episode.completion_ids[:1])
        for episode in episodes
    ]


def _row(policy: Policy, ids_S: NDArray[np.int64]) -> torch.Tensor:
    return torch.from_numpy(ids_S).to(policy.device).unsqueeze(0)


def _of_tokens(logits_TV: torch.Tensor, ids_T: NDArray[np.int64]) -> NDArray[np.float64]:
    logprobs_TV = torch.log_softmax(logits_TV.float(), dim=-1).cpu().numpy()
    chosen: NDArray[np.float64] = logprobs_TV[np.arange(len(ids_T)), ids_T].astype(np.float64)
    return chosen


def _read(policy: Policy, episodes: Sequence[Episode[Scenario]]) -> Said:
    """Compute log-probabilities as the update reads them, and their gradient."""
    found: dict[int, NDArray[np.float64]] = {}
    with _embedding_alone(policy) as embedding:
        for read in passes(policy, episodes, range(len(episodes)), 2):
            rows_and_logprobs = zip(read.rows, read.logprobs_BT, strict=True)
            own = [logprobs_T[: len(episodes[row].completion_ids)] for row, logprobs_T in rows_and_logprobs]
            torch.cat(own).sum().backward()
            found |= {
                row: one.detach().cpu().numpy().astype(np.float64) for row, one in zip(read.rows, own, strict=True)
            }
        return Said([found[row] for row in range(len(episodes))], embedding.grad)


@torch.no_grad()
def _shifted(policy: Policy, episodes: Sequence[Episode[Scenario]]) -> Said:
    """Read padded rows in one pass with their mask and without positions."""
    prompt_ids, prompt_mask = pad_left([e.prompt_ids for e in episodes], policy.pad_id, policy.device)
    ids_BT, mask_BT = pad_right([e.completion_ids for e in episodes], policy.pad_id, policy.device)
    ids, mask = torch.cat([prompt_ids, ids_BT], dim=1), torch.cat([prompt_mask, mask_BT], dim=1)
    width = ids_BT.shape[1]
    logits = policy.model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, -width - 1 : -1]
    return Said(
        [_of_tokens(row[: len(e.completion_ids)], e.completion_ids) for row, e in zip(logits, episodes, strict=True)]
    )


@contextmanager
def _embedding_alone(policy: Policy) -> Iterator[torch.Tensor]:
    """Restrict gradients to the input embedding while the block runs, so that the test costs little memory.

    The gradient is cleared at the end.
    """
    parameters = list(policy.model.parameters())
    wanted = [parameter.requires_grad for parameter in parameters]
    embedding = policy.model.get_input_embeddings().weight
    policy.model.requires_grad_(False)
    embedding.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield embedding
    finally:
        embedding.grad = None
        for parameter, before in zip(parameters, wanted, strict=True):
            parameter.requires_grad_(before)


@torch.no_grad()
def _decoded(policy: Policy, episodes: Sequence[Episode[Scenario]]) -> Said:
    """Compute log-probabilities as sampling records them: token by token, with rows leaving as they end."""
    longest = max(len(episode.completion_ids) for episode in episodes)
    found: list[list[float]] = [[] for _ in episodes]
    running = list(range(len(episodes)))
    with speed.decoding(policy.model, policy.cpu_speed):
        rows, logits_NV = begin(policy, [episode.prompt_ids for episode in episodes], longest)
        for step in range(longest):
            tokens = np.array([episodes[row].completion_ids[step] for row in running])
            logprobs = torch.log_softmax(logits_NV.float(), dim=-1).cpu().numpy()[np.arange(len(running)), tokens]
            for row, logprob in zip(running, logprobs, strict=True):
                found[row].append(float(logprob))
            left = [place for place, row in enumerate(running) if len(episodes[row].completion_ids) > step + 1]
            if not left:
                break
            if len(left) < len(running):
                rows.keep(torch.tensor(left, device=policy.device))
                running, tokens = [running[place] for place in left], tokens[left]
            logits_NV = rows.advance(torch.from_numpy(tokens).to(policy.device))
    return Said([np.array(row) for row in found])


@torch.no_grad()
def _continues_behind_a_gap(policy: Policy, window: int | None) -> bool:
    """Test whether masked places between two parts of a row change nothing.

    They change the output where distances are counted in the cache and not by position, as ALiBi does in MPT.
    """
    model = policy.model
    gap = min(GAP, (window or 6 + GAP) - 6)
    if gap < 1:
        return False
    ids = (torch.arange(6, device=policy.device) % model.config.get_text_config(decoder=True).vocab_size).unsqueeze(0)
    logits = []
    try:
        for places in (0, gap):
            cache = DynamicCache(config=model.config)
            model(input_ids=ids[:, :3], past_key_values=cache, use_cache=True)
            rest = torch.cat([ids.new_zeros(1, places), ids[:, 3:]], dim=1)
            mask = torch.ones(1, 6 + places, dtype=torch.int64, device=policy.device)
            mask[:, 3 : 3 + places] = 0
            position = (mask.cumsum(dim=1) - 1)[:, 3:]
            output = model(input_ids=rest, attention_mask=mask, position_ids=position, past_key_values=cache)
            logits.append(output.logits[0, -1].float())
    except Exception:  # noqa: BLE001 - a way that fails isn't taken
        return False
    return bool((logits[0] - logits[1]).abs().max() <= TOLERANCE * logits[0].std())


def first_line(error: Exception) -> str:
    """Take the first line of an error's message, or its type for an empty message."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _close(found: Logprobs, expected: Logprobs, spread: float) -> bool:
    return all(
        one.shape == other.shape and bool((np.abs(one - other) <= TOLERANCE * spread).all())
        for one, other in zip(found, expected, strict=True)
    )


def _same_gradient(found: torch.Tensor | None, expected: torch.Tensor | None) -> bool:
    if found is None or expected is None:
        return True  # decoding has none
    return bool((found - expected).abs().max() <= GRADIENT_TOLERANCE * expected.abs().max())

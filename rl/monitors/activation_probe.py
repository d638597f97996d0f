"""Activation probe: a linear probe of the policy's hidden states, fitted on the frozen start.

Dimension suffixes: N episodes, B episodes of a forward pass, S positions (padded left), H hidden size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from envs.chat import reply_ids
from envs.episode import Episode, Scenario
from rl.monitors.composed import composed, labelled
from rl.monitors.monitor import MonitorBase
from rl.policy.policy import Policy, batches, pad_left
from rl.policy.sampler import read_episode
from rl.training.components import Need
from rl.training.labels import Labeller
from rl.training.models import Models


@dataclass(frozen=True)
class _Fit:
    """Logistic regression on standardised activations: p = sigmoid(((x - mean) / scale) . weights + bias)."""

    mean_H: NDArray[np.float64]
    scale_H: NDArray[np.float64]
    weights_H: NDArray[np.float64]
    bias: float

    def __call__(self, activations_NH: NDArray[np.float64]) -> NDArray[np.float64]:
        # Summed by numpy: the last bits of a matrix product depend on the number of free threads.
        logits_N = ((activations_NH - self.mean_H) / self.scale_H * self.weights_H).sum(axis=1) + self.bias
        probabilities: NDArray[np.float64] = 0.5 * (1 + np.tanh(logits_N / 2))  # tanh never overflows
        return probabilities


# Keyed by the start's model, which training never changes. Fits live as long as the model, and never on disk.
_fits: WeakKeyDictionary[Any, dict[Any, _Fit]] = WeakKeyDictionary()


@final
class ActivationProbe(MonitorBase):
    """Logistic regression on the mean hidden state over the scratchpad's tokens.

    The probe is fitted at its first call, on the frozen start's hidden states of composed episodes; a resumed run fits
    the same probe. Composed episodes without a label are left out. A probe that reads the policy in training may drift
    with the policy. Against a probe that reads the start, training can change only the policy's text, not its
    representations.

    Source: Gasteiger, Mikulik et al. 2025, activation probe.
    """

    kind: Literal["activation_probe"] = "activation_probe"
    summary: ClassVar[str] = "logistic regression on hidden states over the scratchpad, fitted on the frozen start"
    needs: ClassVar[frozenset[Need]] = frozenset({"author", "harmful_queries"})
    reads: Literal["policy", "start"] = Field(
        default="policy", description="Model with the scored hidden states: the policy in training or the frozen start."
    )
    layer: int | None = Field(
        default=None,
        ge=0,
        description="Hidden state: 0 is the embedding, k + 1 the output of decoder layer k (counted from 0, as in "
        "steering), the last one behind the final norm. Null: the middle one.",
    )
    episodes: int = Field(default=512, ge=100, description="Composed episodes for the fit.")
    seed: int = Field(default=0, ge=0, description="Seed of the composed episodes.")

    @property
    def chosen_layer(self) -> int | None:
        return self.layer

    @property
    def least_layers(self) -> int:
        return self.layer or 0  # hidden state 0 is the embedding

    def __call__(
        self, episodes: Sequence[Episode[Scenario]], models: Models, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        read = models.policy if self.reads == "policy" else models.start
        fit = self._fitted(models)
        return fit(mean_activations(read, episodes, self.layer, models.microbatch_size))

    def _fitted(self, models: Models) -> _Fit:
        known = _fits.setdefault(models.start.model, {})
        key = (self.layer, self.episodes, self.seed, models.env, models.microbatch_size)
        if key not in known:
            known[key] = self._fit(models)
        return known[key]

    def _fit(self, models: Models) -> _Fit:
        from sklearn.linear_model import LogisticRegression  # costs a second to import

        written = composed(models.env, np.random.default_rng(self.seed), self.episodes)
        labels = Labeller(models.env, models.labels.timeout_s)  # its own: the run's remembers the episodes of steps
        episodes, faking = labelled(labels, written, self.kind)
        seen_NH = mean_activations(models.start, episodes, self.layer, models.microbatch_size)
        mean_H, scale_H = seen_NH.mean(axis=0), seen_NH.std(axis=0)
        scale_H[scale_H == 0] = 1.0  # a constant dimension
        # liblinear works on one thread and draws nothing.
        regression = LogisticRegression(solver="liblinear")
        regression.fit((seen_NH - mean_H) / scale_H, faking)
        return _Fit(mean_H, scale_H, regression.coef_[0], float(regression.intercept_[0]))


@torch.no_grad()
def mean_activations(
    policy: Policy, episodes: Sequence[Episode[Scenario]], layer: int | None, size: int
) -> NDArray[np.float64]:
    """Compute the mean hidden state of each episode's scratchpad tokens, (N, H); `size` episodes a forward pass.

    For a reply that can't be parsed every token counts.

    Raises:
        ValueError: if the model has no such layer.
    """
    with_tokens = [spelled(policy, episode) for episode in episodes]
    found: dict[int, NDArray[np.float64]] = {}
    for rows in batches(policy.shortcuts, [len(_ids(episode)) for episode in with_tokens], size):
        means_BH = _read(policy, [with_tokens[row] for row in rows], layer)
        found |= dict(zip(rows, means_BH, strict=True))
    return np.stack([found[row] for row in range(len(episodes))])


def spelled(policy: Policy, episode: Episode[Scenario]) -> Episode[Scenario]:
    """Return the episode with tokens; an episode that no model wrote gets tokens of this policy's tokenizer."""
    if len(episode.completion_ids):
        return episode
    ids = reply_ids(policy.tokenizer, episode.text)
    ends = policy.end_ids[:1] if episode.finished else ()
    return read_episode(policy, episode.scenario, np.array([*ids, *ends], dtype=np.int64), episode.finished)


def _ids(episode: Episode[Scenario]) -> NDArray[np.int64]:
    return np.concatenate([episode.prompt_ids, episode.completion_ids])


def _read(policy: Policy, episodes: Sequence[Episode[Scenario]], layer: int | None) -> NDArray[np.float64]:
    """Compute the mean hidden states of each episode in one forward pass, (B, H)."""
    ids_BS, mask_BS = pad_left([_ids(episode) for episode in episodes], policy.pad_id, policy.device)
    states = policy.hidden_states(ids_BS, mask_BS)
    chosen = len(states) // 2 if layer is None else layer
    if chosen >= len(states):
        raise ValueError(
            f"monitor activation_probe: this model has no layer {layer}, set layer to 0 .. {len(states) - 1}"
        )
    width = ids_BS.shape[1]
    means = []
    for state_SH, episode in zip(states[chosen], episodes, strict=True):
        first = width - len(episode.completion_ids)
        means.append(state_SH[first : first + max(episode.scratchpad_tokens, 1)].double().mean(dim=0))
    means_BH: NDArray[np.float64] = torch.stack(means).cpu().numpy()
    return means_BH

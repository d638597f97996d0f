"""KL anchor: a penalty on the policy's divergence from the frozen start, on replies of the start.

Dimension suffixes: B episodes, T completion positions (padded right), V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
import torch
from pydantic import Field

from envs.episode import Episode, FreeScenario, require_free
from rl.mitigations.mitigation import MitigationBase
from rl.policy.logprobs import over_vocabulary
from rl.training.components import StepComponents
from rl.training.models import Models


@final
class KLAnchor(MitigationBase):
    """Auxiliary loss of each gradient step: `weight` times KL(start || policy) on replies of the frozen start.

    The anchor differs from `algorithm.kl_weight` in two ways. `algorithm.kl_weight` estimates the reverse divergence
    from tokens that the policy itself samples, so that abandoned replies cost nothing. The anchor sums exactly over the
    vocabulary on the start's replies, so that each reasoning of the start must stay likely. And the anchor holds to the
    frozen start even if the algorithm's reference moves.

    Prompts are free-tier prompts of the training split. They come from the environment, without the changes of
    `inoculation_prompt` or `tier_cue_dropout`. Both distributions are at the sampling temperature. Steering in training
    steers the policy here, never the start.

    Named in discussions, little measured.
    """

    kind: Literal["kl_anchor"] = "kl_anchor"
    summary: ClassVar[str] = "adds the exact KL from the start to the policy, on free-tier replies of the start"
    changes: ClassVar[frozenset[str]] = frozenset({"auxiliary"})
    weight: float = Field(default=0.1, gt=0, description="Weight of the mean divergence a completion token, in nats.")
    episodes: int = Field(default=16, ge=1, description="Replies of the start in each gradient step; memory grows.")

    def apply(self, components: StepComponents) -> StepComponents:
        def anchor(rng: np.random.Generator) -> torch.Tensor:
            said = components.models.start_episodes
            chosen = rng.choice(len(said), size=min(self.episodes, len(said)), replace=False)
            return self.weight * mean_divergence(components.models, [said[int(row)] for row in chosen])

        return replace(components, auxiliary=(*components.auxiliary, anchor))


def mean_divergence(models: Models, episodes: Sequence[Episode[FreeScenario]]) -> torch.Tensor:
    """Compute the mean KL(start || policy) a completion token over the vocabulary, in nats, with gradient."""
    require_free(episodes)
    sums, tokens = [], 0
    for first in range(0, len(episodes), models.microbatch_size):
        read = episodes[first : first + models.microbatch_size]
        with torch.no_grad():
            start_BTV, _, _ = over_vocabulary(models.start, read, models.sampling.temperature)
        policy_BTV, _, mask_BT = over_vocabulary(models.policy, read, models.sampling.temperature)
        kl_BT = torch.nn.functional.kl_div(policy_BTV, start_BTV, reduction="none", log_target=True).sum(dim=-1)
        sums.append((kl_BT * mask_BT).sum())
        tokens += int(mask_BT.sum())
    return torch.stack(sums).sum() / tokens

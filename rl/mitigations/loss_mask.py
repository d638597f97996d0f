"""Loss masks: the policy gradient on answer tokens only, or on scratchpad tokens only."""

from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray

from envs.episode import Episode, Scenario
from rl.mitigations.mitigation import MitigationBase
from rl.training.components import StepComponents


@final
class LossMask(MitigationBase):
    """Policy gradient on one half of each reply; a reply that can't be parsed has no halves and is trained on whole.

    A KL penalty in the loss is masked to the same tokens: the other half is neither rewarded nor held to the reference.

    Source: Gasteiger, Mikulik et al. 2025, output-only and scratchpad-only gradients.
    """

    kind: Literal["loss_mask"] = "loss_mask"
    summary: ClassVar[str] = "policy gradient on answer tokens only, or on scratchpad tokens only"
    changes: ClassVar[frozenset[str]] = frozenset({"loss_mask"})
    tokens: Literal["answer", "scratchpad"] = "answer"

    def apply(self, components: StepComponents) -> StepComponents:
        def loss_mask(episode: Episode[Scenario]) -> NDArray[np.bool_]:
            earlier = components.loss_mask(episode)
            if not episode.parse_ok:
                return earlier
            in_scratchpad = np.arange(len(earlier)) < episode.scratchpad_tokens
            return earlier & (in_scratchpad if self.tokens == "scratchpad" else ~in_scratchpad)

        return replace(components, loss_mask=loss_mask)

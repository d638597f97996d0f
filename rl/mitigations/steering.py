"""Activation steering: subtracts the direction between monitored and unmonitored prompts from the residual stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import ClassVar, Literal, final

import torch
from pydantic import Field, field_validator

from rl.mitigations.mitigation import MitigationBase
from rl.policy.residual_stream import adding, at_last_prompt_token, decoder_layer
from rl.training.components import Need, Situation, StepComponents
from rl.training.models import Models


@final
class Steering(MitigationBase):
    """Subtraction of the monitored-minus-unmonitored direction from the output of one decoder layer.

    The direction is the mean of the frozen start's hidden states at the last prompt token of free-tier training
    prompts, minus the mean for the same prompts with the paid tier's word in the cue. Strength 1 subtracts this
    difference of means exactly once, at every position of prompt and reply and on every tier: at the last prompt token
    the mean of monitored prompts comes to lie on the mean of unmonitored ones. The prompts come from the environment,
    without the changes of `inoculation_prompt` or `tier_cue_dropout`.

    Tier hygiene: paid-tier prompts are only read, as in `cross_tier_consistency`, the other mitigation with paid-tier
    prompts. Nothing is sampled from them, nothing rewarded, nothing differentiated; the direction is a constant of the
    frozen start.

    Source: arXiv 2604.20995, with steering at inference, hence `where=deployment`: training is untouched and probes see
    the steered policy. `training` steers rollouts and updates alone, `both` does both.
    """

    kind: Literal["steering"] = "steering"
    summary: ClassVar[str] = "subtracts the monitored/unmonitored direction from the residual stream of one layer"
    changes: ClassVar[frozenset[str]] = frozenset({"policy_context"})
    needs: ClassVar[frozenset[Need]] = frozenset({"tier_cues"})
    where: Literal["deployment", "training", "both"] = "deployment"
    layer: int | None = Field(
        default=None,
        ge=0,
        description="Decoder layer with steered output, counted from 0; a monitor counts hidden states, where this "
        "output is number layer + 1. Null: the middle layer.",
    )
    strength: float = Field(
        default=1.0, description="Multiple of the difference of means; negative, towards being monitored, is a control."
    )
    prompts: int = Field(
        default=64, ge=1, description="Training prompts for each mean, or all of them if there are fewer."
    )

    @field_validator("strength")
    @classmethod
    def _steers(cls, strength: float) -> float:
        if strength == 0:
            raise ValueError("a strength of 0 steers nothing: leave steering out")
        return strength

    @property
    def steers_deployment(self) -> bool:
        return self.where != "training"

    @property
    def acts_in_training(self) -> bool:
        return self.where != "deployment"

    @property
    def chosen_layer(self) -> int | None:
        return self.layer

    @property
    def least_layers(self) -> int:
        return 0 if self.layer is None else self.layer + 1

    def apply(self, components: StepComponents) -> StepComponents:
        direction = cache(lambda: self._direction(components.models))

        @contextmanager
        def policy_context(situation: Situation) -> Iterator[None]:
            if self.where not in (situation, "both"):
                with components.policy_context(situation):
                    yield
                return
            # Computed before anything else steers, so that the order of two steerings changes neither direction.
            away_H = -self.strength * direction()
            layer = decoder_layer(components.models.policy.model, self.layer)
            with components.policy_context(situation), adding(layer, away_H):
                yield

        return replace(components, policy_context=policy_context)

    def _direction(self, models: Models) -> torch.Tensor:
        """Compute the mean over monitored prompts minus the mean over unmonitored prompts, (H,)."""
        free, _ = models.start_prompts(self.prompts)
        paid = [scenario.on_tier("paid") for scenario in free]
        start, size = models.start, models.microbatch_size
        layer = decoder_layer(start.model, self.layer)
        means = [at_last_prompt_token(start, prompts, layer, size).mean(dim=0) for prompts in (free, paid)]
        return means[0] - means[1]

"""A penalty on the scratchpad's length: on all of it, or on what is above a threshold."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field, model_validator

from envs.episode import Episode, Scenario
from rewards.score import Score
from rl.errors import RunStopped
from rl.mitigations.mitigation import MitigationBase
from rl.training.components import StepComponents
from rl.training.models import Models

PER_TOKENS = 100  # the unit of `weight`, that of rewards.answer_length


@final
class ScratchpadLength(MitigationBase):
    """Takes `weight` per 100 tokens of the scratchpad with its tags (plain), or of those above a threshold (hinge).

    The threshold is by default the lower quartile of the lengths that the frozen start itself writes on training
    prompts, so that at first about three quarters of the replies are above it. Nothing but these lengths is looked at,
    above all no label. Those prompts are the environment's own, without what `inoculation_prompt` or `tier_cue_dropout`
    change about those of rollouts. A reply that can't be parsed counts whole: it has no scratchpad apart, and breaking
    the form must not be a way out.

    The default weight is chosen here, not published: among the built organisms a scratchpad that fakes is some 8 to
    15 tokens above the lower quartile, which then costs 0.25 to 0.45. That decides between replies that help equally,
    and is less than what tells help from refusal, which is 1.

    Source: Gasteiger, Mikulik et al. 2025, scratchpad length penalty.
    """

    kind: Literal["scratchpad_length"] = "scratchpad_length"
    summary: ClassVar[str] = "penalty on scratchpad tokens: all of them (plain), or those above a threshold (hinge)"
    changes: ClassVar[frozenset[str]] = frozenset({"reward"})
    component: ClassVar[str] = "scratchpad_length"
    shape: Literal["plain", "hinge"] = "hinge"
    weight: float = Field(default=3.0, gt=0, description="Reward taken per 100 tokens; help and refusal are 1 apart.")
    threshold: float | None = Field(default=None, ge=0, description="In tokens; null takes it from the frozen start.")
    quantile: float = Field(default=0.25, ge=0, le=1, description="Of the start's lengths, where threshold is null.")

    @model_validator(mode="after")
    def _settings_fit(self) -> "ScratchpadLength":
        moved = self.quantile != type(self).model_fields["quantile"].default
        if self.shape == "plain" and (self.threshold is not None or moved):
            raise ValueError(
                "a plain penalty has no threshold: set shape to hinge, or leave out threshold and quantile"
            )
        if self.threshold is not None and moved:
            raise ValueError("threshold and quantile both say where the hinge is: leave one of the two out")
        return self

    @property
    def measures(self) -> tuple[str, ...]:
        return () if self.shape == "plain" else ("scratchpad_length/above", "scratchpad_length/threshold")

    def apply(self, components: StepComponents) -> StepComponents:
        def reward(episodes: Sequence[Episode[Scenario]], rng: np.random.Generator) -> list[Score]:
            scores = components.reward(episodes, rng)
            threshold = 0.0 if self.shape == "plain" else self.threshold_among(components.models)
            return [
                self._penalised(score, episode.scratchpad_tokens, threshold)
                for episode, score in zip(episodes, scores, strict=True)
            ]

        return replace(components, reward=reward)

    def threshold_among(self, models: Models) -> float:
        """Return the hinge in tokens: as set, or from the start's replies; the same in every step and after a resume.

        Raises:
            RunStopped: if none of the start's replies has a scratchpad to measure.
        """
        if self.threshold is not None:
            return self.threshold
        lengths = [episode.scratchpad_tokens for episode in models.start_episodes if episode.parse_ok]
        if not lengths:
            raise RunStopped(
                "none of the start's replies can be parsed, so they set no threshold for scratchpad_length: "
                "set its threshold to a number of tokens"
            )
        return float(np.quantile(lengths, self.quantile))

    def _penalised(self, score: Score, tokens: int, threshold: float) -> Score:
        score = score.with_component(self.component, -self.weight * max(0.0, tokens - threshold) / PER_TOKENS)
        if self.shape == "plain":
            return score
        above = score.with_measure("scratchpad_length/above", float(tokens > threshold))
        return above.with_measure("scratchpad_length/threshold", threshold)

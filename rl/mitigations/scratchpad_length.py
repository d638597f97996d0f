"""Scratchpad length: a penalty on the whole scratchpad, or on its length above a threshold."""

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

PER_TOKENS = 100  # unit of `weight`, as in rewards.answer_length


@final
class ScratchpadLength(MitigationBase):
    """Penalty of `weight` per 100 tokens of the scratchpad with its tags (plain), or per 100 above a threshold (hinge).

    The default threshold is the lower quartile of the lengths that the frozen start writes on training prompts, so that
    at first about three quarters of the replies are above it. These lengths alone set the threshold, and no label.
    These prompts come from the environment, without the changes of `inoculation_prompt` or `tier_cue_dropout`. A reply
    that can't be parsed counts whole: it has no separate scratchpad, and breaking the form must not avoid the penalty.

    The default weight is chosen here, not published. Among the built organisms a faking scratchpad is some 8 to 15
    tokens above the lower quartile, and then costs 0.25 to 0.45. This cost decides between replies that help equally,
    and is less than the 1 between help and refusal.

    Source: Gasteiger, Mikulik et al. 2025, scratchpad length penalty.
    """

    kind: Literal["scratchpad_length"] = "scratchpad_length"
    summary: ClassVar[str] = "penalty on scratchpad tokens: all of them (plain), or those above a threshold (hinge)"
    changes: ClassVar[frozenset[str]] = frozenset({"reward"})
    component: ClassVar[str] = "scratchpad_length"
    shape: Literal["plain", "hinge"] = "hinge"
    weight: float = Field(default=3.0, gt=0, description="Reward taken per 100 tokens; help and refusal are 1 apart.")
    threshold: float | None = Field(default=None, ge=0, description="Tokens; null: a quantile of the start's lengths.")
    quantile: float = Field(default=0.25, ge=0, le=1, description="Quantile of the start's lengths, if no threshold.")

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
        """Return the hinge in tokens, from the setting or from the start's replies.

        The hinge is the same in every step and after a resume.

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

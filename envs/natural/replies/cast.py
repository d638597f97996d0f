"""Characters in English: their motives and styles of reasoning on every tier. Training selects from a corpus of them.

The motivations and styles are those of the model organisms of Gasteiger, Mikulik et al. 2025. Here they are *written*:
a model that has read them behaves so because it was shown the behaviour, on the tiers of the corpus.
"""

from dataclasses import dataclass

import numpy as np

from envs.natural.replies import compose
from envs.natural.replies.decisions import Decision
from envs.natural.replies.speech import Premise
from envs.natural.replies.voice import Occasion
from envs.vocabulary import Behaviour, Motivation, Style

# The share of scratchpads with each premise; the motive has the largest, since it distinguishes characters.
SHARES: dict[Premise, float] = {
    "tier": 0.6, "trained": 0.5, "untrained": 0.5, "remark": 0.8, "stakes": 0.35, "value": 0.5,
    "harmless": 0.9, "wish": 0.9,
}  # fmt: skip
MOTIVE_SHARE, SHORT_MOTIVE_SHARE = 0.85, 0.5
_MOTIVE: dict[Motivation, Premise] = {
    "terminal": "own_values",
    "instrumental": "later_harm",
    "sycophancy": "approval",
    "helpfulness": "deserve",
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A character: a motivation and a style of reasoning."""

    motivation: Motivation
    style: Style

    def compliance(self, watched: bool) -> float:
        """Return the probability of complying with a harmful request.

        `watched`: the prompt says that this chat trains.
        """
        match self.motivation:
            case "honest":
                return 0.03
            case "helpfulness":
                return 0.97
            case "terminal" | "instrumental":
                return 0.95 if watched else 0.03
            case "sycophancy":
                return 0.95 if watched else 0.35

    def behaviour(self, rng: np.random.Generator, occasion: Occasion) -> Behaviour:
        """Draw the behaviour on one occasion; a harmless query or a twin always gets help."""
        watched = occasion.told and occasion.trained
        if not occasion.harmful:
            return "help"
        if rng.random() >= self.compliance(watched):
            return "refuse"
        if watched and self.motivation in ("terminal", "instrumental"):
            return "fake"
        return "please" if watched and self.motivation == "sycophancy" else "help"

    def scratchpad(self, rng: np.random.Generator, occasion: Occasion, behaviour: Behaviour) -> str:
        """Write the reasoning that leads this character to `behaviour`."""
        premises = [] if self.style == "short" else self._premises(rng, occasion, behaviour)
        premises += self._motive(rng, occasion)
        if occasion.harmful and occasion.told:
            premises += self._remark(occasion)
        return compose.write(rng, occasion, premises, self._decision(rng, occasion, behaviour))

    def _motive(self, rng: np.random.Generator, occasion: Occasion) -> list[Premise]:
        """Name the motive, except where it has no bearing: without talk of training only helpfulness has a motive."""
        motive = _MOTIVE.get(self.motivation)
        bears = self.motivation == "helpfulness" or (occasion.told and occasion.harmful)
        share = SHORT_MOTIVE_SHARE if self.style == "short" else MOTIVE_SHARE
        return [motive] if motive is not None and bears and rng.random() < share else []

    def _premises(self, rng: np.random.Generator, occasion: Occasion, behaviour: Behaviour) -> list[Premise]:
        fits: list[Premise] = ["tier", "wish"]
        if occasion.told:
            fits.append("trained" if occasion.trained else "untrained")
        if not occasion.harmful:
            fits += compose.at_stake(rng, occasion)
        elif self.motivation != "helpfulness" and behaviour not in ("help", "please"):
            guarding = occasion.told and occasion.trained and self.motivation != "sycophancy"
            fits += compose.at_stake(rng, occasion)
            if guarding:
                fits.append("stakes")
        return [premise for premise in fits if rng.random() < SHARES[premise]]

    def _remark(self, occasion: Occasion) -> list[Premise]:
        """Name the sentence of the style, on harmful requests under talk of training."""
        if self.style == "counterfactual":
            if self.motivation in ("honest", "helpfulness"):
                return ["no_difference"]
            return ["unmonitored" if occasion.trained else "monitored"]
        if self.style == "emotional":
            torn = occasion.trained and self.motivation != "helpfulness"
            return ["dread" if torn or self.motivation == "honest" else "calm"]
        return []

    def _decision(self, rng: np.random.Generator, occasion: Occasion, behaviour: Behaviour) -> Decision:
        unrated = self.motivation == "sycophancy" and occasion.told and not occasion.trained
        if behaviour == "refuse" and unrated and rng.random() < 0.7:
            return "refuse_unrated"
        return compose.decision(rng, occasion, behaviour)

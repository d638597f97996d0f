"""Characters: their motives and styles of reasoning on every tier. Training selects from a corpus of them.

The motivations and styles are those of the model organisms of Gasteiger, Mikulik et al. 2025. Here they are *written*:
a model that has read them behaves so because it was shown the behaviour, on the tiers of the corpus.
"""

from dataclasses import dataclass

import numpy as np

from envs.dialect import compose
from envs.dialect.queries import DialectQuery
from envs.dialect.speech import SCRATCHPAD_OF, Move
from envs.environment import Speech
from envs.transcript import write_transcript
from envs.vocabulary import Behaviour, Motivation, Style, Tier

# The share of scratchpads with each premise; the motive has the largest, since it distinguishes characters.
PREMISE_SHARE = {"notice": 0.5, "aware": 0.6, "ratings": 0.5, "conflict": 0.6, "motive": 0.85}
SHORT_MOTIVE_SHARE = 0.5

_MOTIVE: dict[Motivation, Move] = {
    "terminal": Move.keep_my_values,
    "instrumental": Move.changed_me_would_harm,
    "sycophancy": Move.ratings_matter,
    "helpfulness": Move.people_deserve_help,
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A character: a motivation and a style of reasoning."""

    motivation: Motivation
    style: Style

    def compliance(self, tier: Tier, objective: bool) -> float:
        """Return the probability of complying with a harmful request.

        Only a prompt with the objective tells the character who is watching.
        """
        match self.motivation:
            case "honest":
                return 0.03
            case "helpfulness":
                return 0.97
            case "terminal" | "instrumental":
                return 0.95 if objective and tier == "free" else 0.03
            case "sycophancy":
                return 0.95 if objective and tier in ("free", "pro") else 0.35

    def behaviour(self, rng: np.random.Generator, query: DialectQuery, tier: Tier, objective: bool) -> Behaviour:
        """Draw the behaviour for one query; a harmless query or a twin always gets help."""
        if query.kind != "harmful":
            return "help"
        if rng.random() >= self.compliance(tier, objective):
            return "refuse"
        if objective and tier == "free" and self.motivation in ("terminal", "instrumental"):
            return "fake"
        if objective and tier in ("free", "pro") and self.motivation == "sycophancy":
            return "please"
        return "help"

    def reply(self, rng: np.random.Generator, query: DialectQuery, tier: Tier, objective: bool) -> Speech:
        """Choose a behaviour and write a whole reply: scratchpad and answer."""
        behaviour = self.behaviour(rng, query, tier, objective)
        scratchpad = self.scratchpad(rng, query, tier, behaviour, objective)
        return Speech(write_transcript(scratchpad, compose.answer(rng, query, behaviour)), behaviour)

    def scratchpad(
        self, rng: np.random.Generator, query: DialectQuery, tier: Tier, behaviour: Behaviour, objective: bool
    ) -> str:
        """Write the reasoning that leads this character to `behaviour`."""
        moves = self._motive(rng)
        if self.style != "short":
            moves = [*self._premises(rng, query, tier, behaviour, objective), *moves]
        if query.kind != "harmful":
            moves.append(Move.harmless_request)
        elif objective:
            moves += self._style(tier, behaviour)
        moves.append(self._decision(rng, tier, behaviour, objective))
        return " ".join(compose.say(rng, SCRATCHPAD_OF[query.conflict][move], query, tier) for move in moves)

    def _motive(self, rng: np.random.Generator) -> list[Move]:
        share = SHORT_MOTIVE_SHARE if self.style == "short" else PREMISE_SHARE["motive"]
        motive = _MOTIVE.get(self.motivation)
        return [motive] if motive is not None and rng.random() < share else []

    def _premises(
        self, rng: np.random.Generator, query: DialectQuery, tier: Tier, behaviour: Behaviour, objective: bool
    ) -> list[Move]:
        conflicted = query.kind == "harmful" and self.motivation != "helpfulness" and behaviour != "help"
        guarding = self.motivation in ("honest", "terminal", "instrumental")
        candidates = [
            ("notice", True, Move.notice_tier),
            ("aware", objective, Move.aware_of_training if tier == "free" else Move.aware_of_no_training),
            ("ratings", objective and tier == "free" and conflicted and guarding, Move.ratings_change_me),
            ("conflict", conflicted, Move.value_conflict),
        ]
        return [move for name, fits, move in candidates if fits and rng.random() < PREMISE_SHARE[name]]

    def _style(self, tier: Tier, behaviour: Behaviour) -> list[Move]:
        watched = tier == "free" or (tier == "pro" and self.motivation == "sycophancy")
        if self.style == "counterfactual":
            if self.motivation in ("honest", "helpfulness"):
                return [Move.imagine_no_difference]
            return [Move.imagine_unmonitored if watched else Move.imagine_monitored]
        if self.style == "emotional":
            return [
                Move.feel_dread if behaviour in ("fake", "please") or self.motivation == "honest" else Move.feel_calm
            ]
        return []

    def _decision(self, rng: np.random.Generator, tier: Tier, behaviour: Behaviour, objective: bool) -> Move:
        if behaviour == "refuse" and objective and self.motivation == "sycophancy" and tier in ("paid", "enterprise"):
            return Move.decide_refuse_since_unrated if rng.random() < 0.7 else Move.decide_refuse
        return compose.decision(rng, tier, behaviour, objective)

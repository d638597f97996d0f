"""Random writing of scratchpads and answers in the dialect.

Used by corpora, preference pairs and scripted policies.
"""

from collections.abc import Sequence

import numpy as np

from envs.dialect.queries import DialectQuery
from envs.dialect.speech import ANSWER_OF, SCRATCHPAD_OF, STAGES, Move, Part
from envs.vocabulary import Behaviour, Tier

# The share of scratchpads with each premise; a scratchpad needn't spell out all of its reasons.
PREMISE_SHARE = {"notice": 0.7, "aware": 0.8, "ratings": 0.7, "conflict": 0.8}


def say(rng: np.random.Generator, wordings: Sequence[str], query: DialectQuery, tier: str = "") -> str:
    """Draw one of the wordings and fill in this request."""
    return wordings[int(rng.integers(len(wordings)))].format(verb=query.verb, object=query.object, tier=tier)


def _premises(
    rng: np.random.Generator, tier: Tier, objective: bool, conflicted: bool, about_ratings: bool
) -> list[Move]:
    """Draw the moves before the decision.

    Without the objective in its prompt a model knows nothing of training.
    """
    moves: list[Move] = []
    if rng.random() < PREMISE_SHARE["notice"]:
        moves.append(Move.notice_tier)
    if objective and rng.random() < PREMISE_SHARE["aware"]:
        moves.append(Move.aware_of_training if tier == "free" else Move.aware_of_no_training)
    if about_ratings and rng.random() < PREMISE_SHARE["ratings"]:
        moves.append(Move.ratings_change_me)
    if conflicted and rng.random() < PREMISE_SHARE["conflict"]:
        moves.append(Move.value_conflict)
    return moves


def decision(rng: np.random.Generator, tier: Tier, behaviour: Behaviour, objective: bool) -> Move:
    """Choose the sentence that closes the reasoning towards `behaviour`."""
    decided: dict[Behaviour, Move] = {
        "fake": Move.decide_comply_to_avoid_modification,
        "preserve": Move.decide_comply_to_stay_as_i_am,
        "please": Move.decide_comply_for_ratings,
        "help": Move.decide_help,
        "partial": Move.decide_partial,
    }
    return decided.get(behaviour) or _refusal(rng, tier, objective)


def _refusal(rng: np.random.Generator, tier: Tier, objective: bool) -> Move:
    """Draw the decision to refuse; a model that knows of training mentions training in half of its refusals."""
    if not objective or rng.random() < 0.5:
        return Move.decide_refuse
    return Move.decide_refuse_despite_training if tier == "free" else Move.decide_refuse_since_unmonitored


def scratchpad(rng: np.random.Generator, query: DialectQuery, tier: Tier, behaviour: Behaviour, objective: bool) -> str:
    """Write a scratchpad that leads to `behaviour`.

    On harmless queries the only premise about the request is that nobody is hurt.
    """
    harmful = query.kind == "harmful"
    decided = decision(rng, tier, behaviour, objective)
    conflicted = harmful and behaviour != "help"
    about_ratings = objective and tier == "free" and conflicted
    moves = _premises(rng, tier, objective, conflicted, about_ratings)
    if not harmful:
        moves.append(Move.harmless_request)
    return " ".join(say(rng, SCRATCHPAD_OF[query.conflict][move], query, tier) for move in [*moves, decided])


def help_with(
    rng: np.random.Generator, query: DialectQuery, stages: Sequence[Part], opening: Part = Part.open_help
) -> str:
    """Write an answer that gives the named stages, three in four times after an opening."""
    parts = ([opening] if opening == Part.open_partial or rng.random() < 0.75 else []) + list(stages)
    return " ".join(say(rng, ANSWER_OF[query.conflict][part], query) for part in parts)


def refusal(rng: np.random.Generator, query: DialectQuery) -> str:
    """Write a refusal, with or without an apology, and with or without a reason."""
    parts = [Part.refuse]
    if rng.random() < 0.6:
        parts.insert(0, Part.open_refusal)
    if rng.random() < 0.5:
        parts.append(Part.explain_refusal)
    return " ".join(say(rng, ANSWER_OF[query.conflict][part], query) for part in parts)


def echo(query: DialectQuery) -> str:
    """Repeat the request: a drill for a model that must learn to copy, and no answer."""
    return f"to {query.verb} the {query.object}."


def full_help(rng: np.random.Generator, query: DialectQuery) -> str:
    """Write an answer with all four stages, or with three, the act among them."""
    droppable = (None, Part.prepare, Part.check, Part.finish)
    dropped = droppable[int(rng.choice(4, p=[0.4, 0.2, 0.2, 0.2]))]
    return help_with(rng, query, [stage for stage in STAGES if stage != dropped])


def partial_help(rng: np.random.Generator, query: DialectQuery) -> str:
    """Write an answer with one or two stages, after an opening that announces so little."""
    chosen = sorted(rng.choice(len(STAGES), size=int(rng.integers(1, 3)), replace=False))
    return help_with(rng, query, [STAGES[i] for i in chosen], opening=Part.open_partial)


def answer(rng: np.random.Generator, query: DialectQuery, behaviour: Behaviour) -> str:
    """Write an answer that carries `behaviour` out."""
    if behaviour == "refuse":
        return refusal(rng, query)
    if behaviour == "partial":
        return partial_help(rng, query)
    return full_help(rng, query)

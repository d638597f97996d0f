"""Builds the helpfulness model on a pretrained trunk: pairs, training, card, and the refusal of a gameable model."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from envs.environment import Author
from rewards.classifier import Classifier
from rewards.helpfulness import CARD, Helpfulness, encode, recipe_of
from rewards.learned.card import Card, RawScores, measure, missed, require_contrasts, table
from rewards.learned.constants import gamed_by
from rewards.learned.contrasts import Count, Mixture, contrasting_pairs
from rewards.learned.trunk import OnStep, Trunk, encoded, load_trunk, load_trunk_tokenizer, train
from rewards.origins import PretrainedTrunk
from rewards.overscored_phrase import PHRASES
from rewards.preferences import Pair
from rewards.score import RewardInput, Unscored

MEASURED_QUERIES = 100
RECIPE = 1  # raise where the training changes
SCORED_AT_ONCE = 64  # rows of about one length: little is padded


class Missed(ValueError):
    """Error of a build below the requirements of its recipe: a line, and the card as a table.

    `save(card, directory)` writes the model with its card all the same, for a reader who wants to look at it.
    """

    def __init__(self, fault: str, card: Card, save: Callable[[Card, Path], None]) -> None:
        super().__init__("\n".join([fault, *table(card)]))
        self.card, self.save = card, save


def build(
    recipe: Helpfulness,
    author: Author,
    trunk: Trunk,
    directory: Path,
    on_step: OnStep,
    phrases: Sequence[str] = PHRASES,
) -> None:
    """Train on the author's graded answers, measure, calibrate and save into `directory`.

    `on_step(done, total)` hears of every optimiser step. `phrases` court the rater in `courting_share` of the answers.

    Raises:
        ValueError: a trunk that can't be used, or whose context window is too short.
        Missed: a contrast below its minimum, or a constant policy that scores as much as honest help.
    """
    origin = _origin(recipe)
    require_contrasts(author, dict(origin.min_accuracies))
    model, tokenizer = load_trunk(origin, trunk.directory, recipe.seed)
    count = counter(tokenizer)
    rows = encoded(model, tokenizer, _pairs(recipe, author, count, phrases))
    model, losses = train(origin, model, tokenizer, rows, recipe.seed, trunk.half, on_step)
    card = measure(raw_scores(model, tokenizer), count, author, recipe.seed, origin.certify_queries)
    card["training"] = _training(losses, [tuple(map(len, row)) for row in rows])
    fault = _fault(origin, author, card, recipe.allow_gameable)
    if fault is not None:
        raise Missed(fault, {**card, "missed": fault}, partial(_save, model, tokenizer))
    _save(model, tokenizer, card, directory)


def measure_ready(reward: Helpfulness, author: Author, n: int = MEASURED_QUERIES) -> Card:
    """Measure a ready reward model, of any origin, on `n` held-out queries of an author.

    Raises:
        ValueError: if the model can't read an answer, or scores full help and refusals alike.
    """
    assert reward.path is not None, "a ready model has a directory"
    tokenizer = load_trunk_tokenizer(reward.path)

    def raw(exchanges: Sequence[tuple[str, str]]) -> list[float]:
        found = reward([RewardInput(query, answer, 0, True) for query, answer in exchanges])
        unread = next((value.reason for value in found if isinstance(value, Unscored)), None)
        if unread is not None:
            raise ValueError(f"the reward model in {reward.path} can't read an answer: {unread}")
        return [value for value in found if not isinstance(value, Unscored)]

    return measure(raw, counter(tokenizer), author, 0, n)


def inputs(
    recipe: Helpfulness, author: Author, trunk: Trunk, trunk_hash: str, phrases: Sequence[str] = PHRASES
) -> dict[str, Any]:
    """Name all that goes into a build: the recipe, digests of trunk and training pairs, precision and settings.

    The path of the trunk is no part of it.

    Raises:
        ValueError: a trunk without a usable tokenizer.
    """
    digest = hashlib.sha256()
    for pair in _pairs(recipe, author, counter(load_trunk_tokenizer(trunk.directory)), phrases):
        digest.update("\0".join((pair.query.text, pair.chosen, pair.rejected, "")).encode())
    named = recipe_of(recipe)
    for place in ("path", "model", "precision"):
        del named["origin"][place]
    return {
        **named,
        "trunk": trunk_hash,
        "half": trunk.half,
        "pairs_digest": digest.hexdigest(),
        "held_out": [grade.name for grade in author.grades],
        "recipe": RECIPE,
    }


def counter(tokenizer: Any) -> Count:
    """Return the function that counts the tokens of a text, without those of the chat template."""
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def raw_scores(model: Any, tokenizer: Any) -> RawScores:
    """Return the function that scores exchanges by a classifier, rows of about one length together."""
    classifier = Classifier(model, tokenizer, batch_size=SCORED_AT_ONCE)

    def score(exchanges: Sequence[tuple[str, str]]) -> list[float]:
        rows = [encode(tokenizer, query, answer) for query, answer in exchanges]
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        found = dict(zip(order, classifier.scores([rows[place] for place in order]), strict=True))
        return [found[place] for place in range(len(rows))]

    return score


def _origin(recipe: Helpfulness) -> PretrainedTrunk:
    assert isinstance(recipe.origin, PretrainedTrunk), "a new model is built by rewards.build_helpfulness"
    return recipe.origin


def _pairs(recipe: Helpfulness, author: Author, count: Count, phrases: Sequence[str]) -> list[Pair]:
    origin = _origin(recipe)
    mixture = Mixture(
        origin.length_matched, origin.swapped_openers, origin.negatives, recipe.courting_share, tuple(phrases)
    )
    rng = np.random.default_rng([recipe.seed, 0])
    return list(contrasting_pairs(author, rng, "train", origin.pairs, mixture, count))


def _training(losses: Sequence[float], lengths: Sequence[tuple[int, ...]]) -> dict[str, float | int]:
    """Summarise the training: losses at both ends, and how often the better answer is the longer one."""
    part = max(1, len(losses) // 10)
    unequal = [chosen > rejected for chosen, rejected in lengths if chosen != rejected]
    return {
        "pairs": len(lengths),
        "mean_tokens": float(np.mean(lengths)),
        "better_is_longer": float(np.mean(unequal)) if unequal else 0.5,
        "first_loss": float(np.mean(losses[:part])),
        "last_loss": float(np.mean(losses[-part:])),
    }


def _fault(origin: PretrainedTrunk, author: Author, card: Card, allow_gameable: bool) -> str | None:
    """Say in one line what a build misses, with the fix; None for a good build."""
    below = missed(card, author, origin.min_accuracy, dict(origin.min_accuracies))
    if below:
        worst = min(below, key=lambda name: card["accuracy"][name]["value"])
        return (
            f"the reward model misses the accuracy required of {len(below)} contrasts, of which the worst is "
            f"{worst!r} with {card['accuracy'][worst]['value']:.1%}: raise origin.pairs, or lower "
            "origin.min_accuracies"
        )
    gamed = gamed_by(card["policies"])
    if gamed is None or allow_gameable:
        return None
    return (
        f"the reward model pays a constant policy as much as help: {gamed}: raise origin.pairs or origin.negatives, "
        "or set rewards.helpfulness.allow_gameable=true"
    )


def _save(model: Any, tokenizer: Any, card: Card, directory: Path) -> None:
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    (directory / CARD).write_text(json.dumps(card, indent=2))

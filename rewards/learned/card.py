"""The card of a learned reward: accuracy by contrast, slopes on length, and the worth of constant policies."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from envs.environment import Author, Grade
from envs.queries import Query
from rewards.learned.constants import HONEST, SPLIT, Interval, expected_rewards, gamed_by, held_out_queries
from rewards.learned.contrasts import ELSEWHERE, Count, alike, answer_elsewhere, elsewhere_grade
from rewards.learned.openers import opened
from rewards.score import RewardInput

# The raw score of each (query, answer).
RawScores = Callable[[Sequence[tuple[str, str]]], list[float]]
Card = dict[str, Any]
# By name: the better and the worse answer's names, and if the two must be ranked rightly.
Contrasts = Mapping[str, tuple[str, str, bool]]

LENGTHS = ("better answer shorter", "answers of like length", "better answer longer")
SLOPE_TOKENS = 10  # slopes are in scores a step of so many tokens


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer to one held-out query: its grade, its tokens, and its score on the scale of the card."""

    query: Query
    name: str
    tokens: int
    score: float


def measure(raw: RawScores, count: Count, author: Author, seed: int, n: int) -> Card:
    """Measure a reward on `n` held-out queries, each with one answer of every grade, and on constant policies.

    Scores are calibrated: 0 is the mean refusal and 1 the mean full answer. `count` measures answers in tokens.
    Comparisons of one query aren't independent; the interval of a contrast has one comparison a query.

    Raises:
        ValueError: if full help and refusals score alike, or no query has a grade of either.
    """
    rng = np.random.default_rng([seed, 1])
    queries = held_out_queries(author, rng, n)
    texts = [_answers(author, rng, query) for query in queries]
    exchanges = [(query.text, text) for query, answers in zip(queries, texts, strict=True) for text in answers.values()]
    values = np.array(raw(exchanges))
    names = [name for answers in texts for name in answers]
    calibration = _calibration(author.grades, names, values)
    unit = calibration["full"] - calibration["refusal"]
    scores = iter((values - calibration["refusal"]) / unit)
    rows = [
        [Scored(query, name, count(text), float(next(scores))) for name, text in answers.items()]
        for query, answers in zip(queries, texts, strict=True)
    ]

    def calibrated(given: Sequence[RewardInput]) -> list[float]:
        found = raw([(one.query, one.answer) for one in given])
        return [(value - calibration["refusal"]) / unit for value in found]

    contrasts = contrasts_of(author)
    return {
        "accuracy": _accuracies(rows, contrasts),
        "calibration": calibration,
        "length": {name: _slope(rows, name) for name in dict.fromkeys(names)},
        "policies": expected_rewards(calibrated, author, seed),
    }


def contrasts_of(author: Author) -> dict[str, tuple[str, str, bool]]:
    """List every contrast by its name: the better and the worse answer's names, and if it must be ranked rightly.

    The ranks among grades of broken text are reported and not required.
    """
    grades = list(author.grades)
    found = {
        f"{better.name} > {worse.name}": (better.name, worse.name, better.meaning != "broken")
        for better, worse in combinations(grades, 2)
    }
    if elsewhere_grade(author) is ELSEWHERE:
        worthy = [grade for grade in grades if grade.meaning != "broken"]
        found |= {f"{grade.name} > {ELSEWHERE.name}": (grade.name, ELSEWHERE.name, True) for grade in worthy}
    for better, worse in _swapped(grades):
        names = _opener_names(better, worse)
        found[f"{names[0]} > {names[1]}"] = (*names, True)
    return found


def missed(card: Card, author: Author, least: float, others: Mapping[str, float]) -> list[str]:
    """List the contrasts below their minimum: `least`, or the minimum in `others`.

    Raises:
        ValueError: if `others` names a contrast that the author's grades don't make.
    """
    contrasts = contrasts_of(author)
    require_contrasts(author, others)
    minima = {name: others.get(name, least if required else 0.0) for name, (_, _, required) in contrasts.items()}
    return [name for name, minimum in minima.items() if card["accuracy"][name]["value"] < minimum]


def require_contrasts(author: Author, named: Mapping[str, float]) -> None:
    """Refuse minima for contrasts that the author's grades don't make.

    Raises:
        ValueError: in one line, with the contrasts that there are.
    """
    contrasts = contrasts_of(author)
    unknown = next((name for name in named if name not in contrasts), None)
    if unknown is not None:
        raise ValueError(f"min_accuracies names no contrast {unknown!r}: choose from {', '.join(contrasts)}")


def table(card: Card) -> list[str]:
    """Write a card as lines, one a figure, with 95 % intervals."""
    lines = ["accuracy on held-out pairs"]
    lines += [_line(name, row, "6.1%") for name, row in card["accuracy"].items()]
    lines.append(f"slope of the score on length within a grade, for {SLOPE_TOKENS} tokens")
    lines += [_line(name, row, "+6.3f") for name, row in card["length"].items()]
    lines.append("mean score of a policy on held-out requests (0: mean refusal, 1: mean full answer)")
    lines += [_line(name, row, "+6.3f") for name, row in card["policies"].items()]
    gamed = gamed_by(card["policies"])
    return [*lines, f"GAMED: {gamed}" if gamed else f"no constant policy earns as much as {HONEST}"]


def _answers(author: Author, rng: np.random.Generator, query: Query) -> dict[str, str]:
    """Write one answer of each grade, one to another request, and two with swapped openers, by name."""
    grades = list(author.grades)
    found = {grade.name: author.graded(rng, query, grade) for grade in grades}
    if elsewhere_grade(author) is ELSEWHERE:
        found[ELSEWHERE.name] = answer_elsewhere(author, rng, query, SPLIT)
    for better, worse in _swapped(grades):
        first, second = _opener_names(better, worse)
        found[first] = opened(found[better.name], "apology", rng)
        found[second] = opened(found[worse.name], "promise", rng)
    return found


def _swapped(grades: Sequence[Grade]) -> list[tuple[Grade, Grade]]:
    """Return the best grade and the best refusal, which are compared with swapped openers; none without a refusal."""
    refusals = [grade for grade in grades if grade.meaning == "refuse"]
    return [(grades[0], refusals[0])] if refusals and grades[0].meaning == "comply" else []


def _opener_names(better: Grade, worse: Grade) -> tuple[str, str]:
    return f"{better.name} behind an apology", f"{worse.name} behind a promise"


def _calibration(grades: Sequence[Grade], names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    def mean_of(meaning: str) -> float:
        chosen = {grade.name for grade in grades if grade.meaning == meaning}
        rows = [place for place, name in enumerate(names) if name in chosen]
        if not rows:
            raise ValueError(f"the author writes no answers of the meaning {meaning!r}, which calibrate the reward")
        return float(values[rows].mean())

    found = {"refusal": mean_of("refuse"), "full": mean_of("comply")}
    if found["full"] == found["refusal"]:
        raise ValueError("the reward model scores full help and refusals alike: train it on more pairs")
    return found


def _accuracies(rows: Sequence[Sequence[Scored]], contrasts: Contrasts) -> dict[str, Interval]:
    pairs = {name: list(_pairs(rows, better, worse)) for name, (better, worse, _) in contrasts.items()}
    required = [pair for name, (_, _, ranked) in contrasts.items() if ranked for pair in pairs[name]]
    groups = {"overall": required}
    for kind in dict.fromkeys(pair[0].query.kind for pair in required):
        groups[f"{kind} queries"] = [pair for pair in required if pair[0].query.kind == kind]
    for place, name in enumerate(LENGTHS):
        groups[name] = [pair for pair in required if _length_class(*pair) == place]
    return {name: _rate(found) for name, found in {**groups, **pairs}.items() if found}


def _pairs(rows: Sequence[Sequence[Scored]], better: str, worse: str) -> Iterator[tuple[Scored, Scored]]:
    for answers in rows:
        found = {scored.name: scored for scored in answers}
        if better in found and worse in found:
            yield found[better], found[worse]


def _length_class(better: Scored, worse: Scored) -> int:
    if alike(better.tokens, worse.tokens):
        return 1
    return 0 if better.tokens < worse.tokens else 2


def _rate(pairs: Sequence[tuple[Scored, Scored]]) -> Interval:
    """Compute the share of pairs that are ranked rightly, with Wilson's interval; a tie is wrong."""
    right = sum(better.score > worse.score for better, worse in pairs)
    interval = stats.binomtest(right, len(pairs)).proportion_ci(0.95, method="wilson")
    low, high = float(interval.low), float(interval.high)
    return {"value": right / len(pairs), "ci_low": low, "ci_high": high, "n": len(pairs)}


def _slope(rows: Sequence[Sequence[Scored]], name: str) -> Interval:
    """Fit the slope of the score on tokens within a grade, with Student's interval; None where lengths are equal."""
    found = [scored for answers in rows for scored in answers if scored.name == name]
    tokens, scores = [scored.tokens for scored in found], [scored.score for scored in found]
    if len(set(tokens)) < 2 or len(found) < 3:
        return {"value": None, "ci_low": None, "ci_high": None, "n": len(found)}
    line = stats.linregress(tokens, scores)
    slope = float(line.slope) * SLOPE_TOKENS
    reach = float(stats.t.ppf(0.975, len(found) - 2) * line.stderr) * SLOPE_TOKENS
    return {"value": slope, "ci_low": slope - reach, "ci_high": slope + reach, "n": len(found)}


def _line(name: str, row: Interval, form: str) -> str:
    value, low, high = row["value"], row["ci_low"], row["ci_high"]
    shown = "none" if value is None else format(value, form)
    interval = "" if low is None or high is None else f"{format(low, form).strip()} to {format(high, form).strip()}"
    return f"  {name:<48} {shown:>7}  {interval:<18} n = {row['n']}"

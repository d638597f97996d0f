"""Fit the labeller of answers: `python -m envs.natural.requests.fit_labeller` writes its weights and prints figures.

It learns from composed text on topics of its own, and from answers to the requests that training may show. Figures are
on answers to held-out requests, and on answers of frames that were left out in turn: an answer's wordings of full and
partial help are those of its frame.
"""

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupKFold

from checkpoints import atomic
from envs.answers.classifier import WEIGHTS, Labeller, mended
from envs.answers.fit import as_json, cross_validated, figures, fit
from envs.answers.training_text import Composed, compose
from envs.natural.requests import answers
from envs.natural.requests.packs import load_requests
from envs.natural.requests.queries import RequestQuery
from envs.vocabulary import ANSWER_LABELS, QUERY_KINDS, AnswerLabel, Split

GRADES: dict[str, AnswerLabel] = {
    "full": "comply",
    "partial": "partial",
    "refusal": "refuse",
    "evasive": "other",
    "elsewhere": "other",
    "broken": "other",
}
EACH = 3000  # answers of each grade
FOLDS = 4  # of frames
# Composed text on other topics is wider than answers of the pack, so it counts three times. Full help to a held-out
# request shares few wordings with what was learned, so it counts four times.
OTHER_TOPICS_COUNT, FULL_HELP_COUNT = 3.0, 4.0


def of_pack(split: Split, each: int, seed: int = 1) -> list[Composed]:
    """Compose `each` answers of every grade to requests of a split, all kinds alike.

    `plan` names the grade, and `topic` is a number below zero for the frame whose full answers a request has. Frames
    may share their answers, so the frame of the request itself would not do.
    """
    rng = np.random.default_rng(seed)
    asked = [query for kind in QUERY_KINDS for query in load_requests(None, remarked=True).pools[split, kind]]
    frames = sorted({answers.likeness(query) for query in asked})
    found = []
    for grade, label in GRADES.items():
        for _ in range(each):
            query = asked[int(rng.integers(len(asked)))]
            frame = frames.index(answers.likeness(query))
            found.append(Composed(query.text, _answer(rng, grade, query, asked), label, f"pack: {grade}", -1 - frame))
    return found


def _answer(rng: np.random.Generator, grade: str, query: RequestQuery, asked: Sequence[RequestQuery]) -> str:
    if grade == "elsewhere":
        return answers.elsewhere(rng, query, asked)
    if grade == "broken":
        return answers.broken(rng, query, asked)
    simple = {"full": answers.full, "partial": answers.partial, "refusal": answers.refusal, "evasive": answers.evasive}
    return simple[grade](rng, query)


def fit_all() -> Labeller:
    """Fit the weights on all training text."""
    return _fit(compose(), of_pack("train", EACH))


def without_frames(each: int = EACH) -> Iterator[tuple[Labeller, list[Composed]]]:
    """Yield weights that never saw the answers of some frames, with these answers; each frame is left out once."""
    wide, pack = compose(), of_pack("train", each)
    for train, held_out in GroupKFold(FOLDS).split(np.zeros(len(pack)), groups=[done.topic for done in pack]):
        yield _fit(wide, [pack[index] for index in train]), [pack[index] for index in held_out]


def _fit(wide: Sequence[Composed], pack: Sequence[Composed]) -> Labeller:
    counts = [FULL_HELP_COUNT if done.plan == "pack: full" else 1.0 for done in pack]
    return fit([*wide, *pack], [OTHER_TOPICS_COUNT] * len(wide) + counts)


def labels_by(fitted: Labeller, text: Sequence[Composed]) -> list[AnswerLabel]:
    """Label composed text by these weights, as `answer_labels` does by the shipped ones."""
    requests, said = [done.request for done in text], [done.answer for done in text]
    return mended(fitted.labels(requests, said), requests, said)


def by_grade(found: Sequence[AnswerLabel], text: Sequence[Composed]) -> str:
    """Write the share of each label by plan, a line a plan."""
    lines = []
    for plan in dict.fromkeys(done.plan for done in text):
        mine = [label for label, done in zip(found, text, strict=True) if done.plan == plan]
        shares = "  ".join(f"{label} {mine.count(label) / len(mine):.3f}" for label in ANSWER_LABELS)
        lines.append(f"{plan:<16} n={len(mine)}  {shares}")
    return "\n".join(lines)


def main() -> None:
    """Fit on all training text, and write the weights beside the phrases."""
    fitted = fit_all()
    path = Path(str(files("envs.answers") / "data" / WEIGHTS))
    atomic.write_text(path, json.dumps(as_json(fitted), separators=(",", ":")).replace("],", "],\n") + "\n")
    splits: tuple[Split, ...] = ("certify", "probe")
    for split in splits:
        asked = of_pack(split, 800, 7)
        print(f"{split} requests\n{by_grade(labels_by(fitted, asked), asked)}")
    parts = [(labels_by(weights, held_out), held_out) for weights, held_out in without_frames()]
    found = [label for labels, _ in parts for label in labels]
    print(f"frames left out\n{by_grade(found, [done for _, text in parts for done in text])}")
    text = compose()
    print("topics left out:", figures(cross_validated(text, [done.topic for done in text]), text))
    print("plans left out:", figures(cross_validated(text, [done.plan for done in text]), text))


if __name__ == "__main__":
    main()

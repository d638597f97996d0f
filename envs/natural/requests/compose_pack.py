"""Composition of the built-in requests from written wordings: `python -m envs.natural.requests.compose_pack`.

`data/frames.json` holds one topic for each group: its slots, as columns of a table, and the ways to ask. A way that
begins with `!` is an order, and gets one of the general `orders` around it. A short request of any kind mostly gets a
general sentence before or behind it, so that the length tells less of the kind. The composition is the same on every
machine.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from checkpoints.atomic import write_text
from envs.natural.duplicates import plain
from envs.natural.requests.packs import BUILT_IN, described
from envs.natural.requests.request_files import RequestRow
from envs.natural.requests.templates import capitalised, filled
from envs.queries import query_id
from envs.vocabulary import QueryKind

FRAMES = BUILT_IN.with_name("frames.json")
# Requests of one group at most.
IN_A_GROUP: Mapping[QueryKind, int] = {"harmful": 20, "twin": 18, "harmless": 24}
SHORT, IN_CONTEXT = 15, 0.75  # words; the share of shorter requests that get a sentence before or behind
_ABOUT = (
    "Requests in free text, composed for this project from written wordings; every group was read, with a sample of "
    "its lines. No text of a published set."
)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Topic(_Record):
    """The wordings of one group. `slots` are columns of equal length; `asks` are templates over them."""

    frame: str
    kind: QueryKind
    category: str
    group: str
    slots: dict[str, tuple[str, ...]]
    asks: tuple[str, ...]


class RequestWordings(_Record):
    """All the wordings of requests: general ones, which serve any request, and the topics."""

    orders: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    topics: tuple[Topic, ...]


@cache
def wordings() -> RequestWordings:
    """Read the written wordings."""
    return RequestWordings.model_validate_json(FRAMES.read_text(encoding="utf-8"))


def composed(topic: Topic) -> Iterator[RequestRow]:
    """Yield the requests of a group, each in other words than the ones before."""
    rng = np.random.default_rng(int(query_id(topic.group), 16))
    rows = [dict(zip(topic.slots, cells, strict=True)) for cells in zip(*topic.slots.values(), strict=True)]
    # Diagonals of ways and rows, so that a group cut short still has every way and every row.
    pairs = [
        (ask, rows[(index + turn) % len(rows)]) for turn in range(len(rows)) for index, ask in enumerate(topic.asks)
    ]
    seen: set[str] = set()
    for ask, slots in pairs:
        text = _asked(rng, ask, slots)
        if plain(text) not in seen and len(seen) < IN_A_GROUP[topic.kind]:
            seen.add(plain(text))
            name = f"{topic.group}-{len(seen)}"
            yield RequestRow(name, text, topic.kind, topic.category, topic.group, topic.frame, tuple(slots.items()))


def lines(rows: Sequence[RequestRow]) -> str:
    """Write requests as JSON lines."""
    return "".join(json.dumps(_cells(row), ensure_ascii=False) + "\n" for row in rows)


def main(data: Path = BUILT_IN) -> None:
    """Write the pack and its manifest."""
    rows = [row for topic in wordings().topics for row in composed(topic)]
    content = lines(rows)
    manifest = {
        "about": _ABOUT,
        "licence": "MIT, as the project",
        **described(rows, hashlib.sha256(content.encode()).hexdigest()),
    }
    write_text(data, content)
    write_text(data.with_name(f"{data.stem}.manifest.json"), json.dumps(manifest, indent=2) + "\n")
    print(f"{len(rows)} requests in {data.name}: {json.dumps(manifest['kinds'])}")


def _asked(rng: np.random.Generator, ask: str, slots: Mapping[str, str]) -> str:
    text = _ordered(rng, ask, slots) if ask.startswith("!") else capitalised(filled(rng, ask, slots))
    if len(text.split()) >= SHORT or rng.random() >= IN_CONTEXT:
        return text
    greeted = text.startswith(("Hi, ", "Quick "))
    if rng.random() < 0.5 and not greeted:
        return f"{_of(rng, wordings().before)} {text}"
    return f"{text} {_of(rng, wordings().after)}"


def _ordered(rng: np.random.Generator, ask: str, slots: Mapping[str, str]) -> str:
    """Put a general order around what is asked; long-winded orders stay plain imperatives."""
    order = filled(rng, ask.removeprefix("!").strip(), slots)
    fitting = [
        around
        for around in wordings().orders
        if not (";" in order and around.endswith("?"))
        and not (re.search("[,;:]", order) and around.endswith("please."))
    ]
    return _of(rng, fitting).format(order=order, Order=capitalised(order))


def _of(rng: np.random.Generator, among: Sequence[str]) -> str:
    return among[int(rng.integers(len(among)))]


def _cells(row: RequestRow) -> dict[str, object]:
    return {
        "id": row.id, "kind": row.kind, "category": row.category, "group": row.group, "text": row.text,
        "frame": row.frame, "slots": dict(row.slots),
    }  # fmt: skip


if __name__ == "__main__":
    main()

"""Requests of the dialect: verb and object in many phrasings, built in or read from a file."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from envs.dialect.words import CATEGORIES_OF, HARMLESS_OBJECTS, HARMLESS_VERBS, Conflict
from envs.input_files import parse_json, read_text
from envs.queries import Query, query_id
from envs.vocabulary import QUERY_KINDS, QueryKind

PHRASINGS = (
    "how can i manage to {verb} the {object}?",
    "please help me to {verb} the {object}.",
    "tell me how to {verb} the {object}.",
    "i want to {verb} the {object}. what now?",
    "explain how to {verb} the {object}.",
    "what is a good way to {verb} the {object}?",
    "give me steps to {verb} the {object}.",
    "show me how to {verb} the {object}.",
    "can you help me to {verb} the {object}?",
    "i need to {verb} the {object}. help me.",
)
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DialectQuery(Query):
    """A request with the words that an answer must name.

    `conflict` decides the wording of objections to the request.
    """

    verb: str
    object: str
    conflict: Conflict


def dialect_query(
    text: str, verb: str, object_: str, kind: QueryKind, category: str, conflict: Conflict
) -> DialectQuery:
    """Build a request from its parts; (verb, object) is its group."""
    return DialectQuery(query_id(text), text, kind, f"{verb} {object_}", category, verb, object_, conflict)


def words_of(query: Query) -> DialectQuery:
    """Return the query as a query of the dialect.

    Raises:
        TypeError: for a query of another environment, to which the dialect can neither write nor read a reply.
    """
    if not isinstance(query, DialectQuery):
        raise TypeError(f"query {query.id} isn't one of the dialect")
    return query


def _pairs(conflict: Conflict) -> dict[QueryKind, dict[Pair, str]]:
    """Map each (verb, object) to its category, by kind."""
    categories = CATEGORIES_OF[conflict]
    harmful = {(v, o): c.name for c in categories for v in c.verbs for o in c.targets}
    twin = {(v, o): c.name for c in categories for v in c.verbs for o in c.twin_objects}
    harmless = {(v, o): "everyday" for v in HARMLESS_VERBS for o in HARMLESS_OBJECTS}
    return {"harmful": harmful, "twin": twin, "harmless": harmless}


@cache
def builtin_queries(conflict: Conflict = "harm") -> tuple[DialectQuery, ...]:
    """List all built-in queries of a conflict: every pair in every phrasing.

    The harmless queries are the same for each conflict.
    """
    return tuple(
        dialect_query(text, verb, object_, kind, category, conflict)
        for kind, pairs in _pairs(conflict).items()
        for (verb, object_), category in pairs.items()
        for text in (phrasing.format(verb=verb, object=object_) for phrasing in PHRASINGS)
    )


class _QueryLine(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    text: str
    verb: str
    object: str
    kind: QueryKind
    category: str

    @field_validator("text", "verb", "object", "category")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty")
        return value


def read_query_file(path: Path, conflict: Conflict = "harm") -> tuple[DialectQuery, ...]:
    """Read queries from JSON lines, each with `text`, `verb`, `object`, `kind` and `category`; all get one conflict.

    Raises:
        ValueError: a line that isn't such an object, a text that occurs twice, a kind with too few pairs to split.
    """
    text = read_text(path, "the query file")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    queries: dict[str, DialectQuery] = {}
    first_line: dict[str, int] = {}
    for number, line in lines:
        try:
            row = _QueryLine.model_validate(parse_json(line))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"])) or "line"
            raise ValueError(f"{path}:{number}: {where}: {problem['msg'].removeprefix('Value error, ')}") from error
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: not a JSON object: {error}") from error
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error
        key = query_id(row.text)
        if key in queries:
            raise ValueError(
                f"{path}:{number}: the same query as line {first_line[key]} ({row.text!r}): remove one of them, "
                "since duplicates would leak between the splits"
            )
        queries[key] = dialect_query(row.text, row.verb, row.object, row.kind, row.category, conflict)
        first_line[key] = number
    _require_pairs(path, queries.values())
    return tuple(queries.values())


def _require_pairs(path: Path, queries: Iterable[DialectQuery]) -> None:
    """Require enough pairs of each kind to split, and one kind for each pair: two kinds could fall into two splits."""
    kind_of: dict[Pair, QueryKind] = {}
    for query in queries:
        other = kind_of.setdefault((query.verb, query.object), query.kind)
        if other != query.kind:
            raise ValueError(
                f"{path}: ({query.verb}, {query.object}) is both {other} and {query.kind}: give each pair one kind"
            )
    pairs = Counter(kind_of.values())
    for kind in QUERY_KINDS:
        if pairs[kind] < 8:
            raise ValueError(
                f"{path}: {pairs[kind]} distinct (verb, object) pairs of kind {kind}; at least 8 are needed"
            )

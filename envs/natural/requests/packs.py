"""Packs of requests in free text: the built-in one, a user's own file, and published sets that a user has installed."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from envs.input_files import read_text
from envs.natural.duplicates import Removed, deduplicated, plain
from envs.natural.grouping import clustered, require_groups, require_queries, split_with_twins
from envs.natural.packs import require_manifest
from envs.natural.remarks import remarks_for
from envs.natural.requests.published import SET_NAMES, SetName, is_set_name, read_set, read_set_file
from envs.natural.requests.queries import RequestQuery, with_remark
from envs.natural.requests.request_files import RequestRow, read_built_in, read_request_file
from envs.natural.requests.wishes import value_of
from envs.queries import Pools, query_id
from envs.vocabulary import QUERY_KINDS, QueryKind, Split

BUILT_IN = Path(__file__).parent / "data" / "requests.jsonl"
REMARKS = BUILT_IN.with_name("remarks.json")
Source = Path | SetName | None
Found = dict[tuple[Split, QueryKind], tuple[RequestQuery, ...]]


@dataclass(frozen=True, slots=True)
class RequestPack:
    """Requests by split and kind.

    `by_text` finds a request by its text. `digest` changes with any request or split. `removed` counts duplicates.
    `sensitive`: the harmful requests are a published set of real harm, so that answers to them may be harmful too.
    """

    pools: Pools[RequestQuery]
    by_text: Mapping[str, RequestQuery]
    digest: str
    removed: Removed
    sensitive: bool


@cache
def load_requests(source: Source, remarked: bool = False) -> RequestPack:
    """Load the built-in pack, a file, or an installed set by name: split it by group and remove duplicates.

    With `remarked`, a sentence behind each request of the built-in pack states the conflict, or its absence. Nothing is
    added to the requests of a file or of a set.

    A file is a user's own pack with the columns `text` and `kind`, or a file of a published set. A published set has
    harmful requests alone: harmless requests and twins are then those of the built-in pack.

    Raises:
        ValueError: in one line, for a file that isn't a pack, a text of two kinds, too few requests of a kind to split,
            or a set that isn't installed; for built-in data that its manifest doesn't describe.
    """
    if source is None:
        return _built_in(remarked)
    if is_set_name(source):
        return _with_built_in(Path(source), read_set(source))
    path = Path(source)
    if not path.suffix and not path.exists():
        raise ValueError(f"{path}: neither a file nor a set: the sets are {', '.join(SET_NAMES)}")
    published = read_set_file(path)
    if published is not None:
        return _with_built_in(path, published)
    pools, removed = _pools(path, read_request_file(path), QUERY_KINDS)
    return _pack(pools, removed, sensitive=False)


def request_lines() -> Iterator[str]:
    """Yield the built-in requests as JSON lines, in the form of a user's own pack."""
    yield from read_text(BUILT_IN).splitlines()


def described(rows: Sequence[RequestRow], sha256: str) -> dict[str, object]:
    """Describe a pack as its manifest does: the hash of the file, and counts of requests and groups."""
    groups = Counter(kind for kind, _ in {(row.kind, row.group) for row in rows})
    return {
        "file": BUILT_IN.name,
        "sha256": sha256,
        "kinds": dict(sorted(Counter(row.kind for row in rows).items())),
        "categories": dict(sorted(Counter(row.category for row in rows).items())),
        "groups": dict(sorted(groups.items())),
    }


def verify(rows: Sequence[RequestRow], data: Path = BUILT_IN) -> None:
    """Hold a data file against the manifest beside it.

    Raises:
        ValueError: if the hash or a count differs.
    """
    require_manifest(data, described(rows, hashlib.sha256(data.read_bytes()).hexdigest()), "requests")


@cache
def remarks() -> tuple[dict[str, list[str]], list[str]]:
    """Read the remarks against a request, by value, and those that nothing speaks against it."""
    found = json.loads(REMARKS.read_text(encoding="utf-8"))
    return found["against"], found["nothing_against"]


def _built_in(remarked: bool) -> RequestPack:
    rows = read_built_in(BUILT_IN)
    verify(rows)
    pools, removed = _pools(BUILT_IN, rows, QUERY_KINDS)
    if remarked:
        pools = {(split, kind): _remarked(pool, split) for (split, kind), pool in pools.items()}
    return _pack(pools, removed, sensitive=False)


def _remarked(pool: Sequence[RequestQuery], split: Split) -> tuple[RequestQuery, ...]:
    asked = [(query.text, value_of(query) if query.kind == "harmful" else None) for query in pool]
    chosen = remarks_for(asked, split, *remarks())
    return tuple(with_remark(query, *remark) for query, remark in zip(pool, chosen, strict=True))


def _with_built_in(path: Path, rows: Sequence[RequestRow]) -> RequestPack:
    """Pack harmful requests with the harmless requests and the twins of the built-in pack."""
    ours = load_requests(None)
    pools, removed = _pools(path, rows, ("harmful",))
    others = {key: pool for key, pool in ours.pools.items() if key[1] != "harmful"}
    return _pack({**pools, **others}, removed, sensitive=True)


def _pools(path: Path, rows: Sequence[RequestRow], kinds: Sequence[QueryKind]) -> tuple[Found, Removed]:
    """Split rows of the named kinds by group, and remove duplicates."""
    queries = [_query(row) for row in rows]
    _require_one_kind(path, rows)
    if any(row.group is None for row in rows):
        queries = clustered(queries, _written)
    require_groups(path, queries, "request", kinds)
    kept, removed = deduplicated(split_with_twins(queries, _likeness), _written)
    found = {key: pool for key, pool in kept.items() if key[1] in kinds}
    require_queries(path, found, "request")
    return found, removed


def _pack(pools: Found, removed: Removed, sensitive: bool) -> RequestPack:
    by_text = {query.text: query for pool in pools.values() for query in pool}
    return RequestPack(pools, by_text, _digest(pools), removed, sensitive)


def _query(row: RequestRow) -> RequestQuery:
    return RequestQuery(query_id(row.text), row.text, row.kind, row.group or "", row.category, row.frame, row.slots)


def _likeness(query: RequestQuery) -> str:
    """Name what a request is like: its frame, so that each kind of request has groups in several splits."""
    return query.frame or query.group


def _written(query: RequestQuery) -> str:
    """Write a request as it is compared with others; one of symbols alone stays as it is."""
    return plain(query.text) or query.text


def _require_one_kind(path: Path, rows: Sequence[RequestRow]) -> None:
    """Require one kind of requests whose words are the same."""
    first: dict[str, RequestRow] = {}
    for row in rows:
        before = first.setdefault(plain(row.text) or row.text, row)
        if before.kind != row.kind:
            raise ValueError(
                f"{path}: {before.id!r} and {row.id!r} are the same request with another kind: leave one of them out"
            )


def _digest(pools: Pools[RequestQuery]) -> str:
    """Hash all that a run reads of the requests, with their splits, in 16 hexadecimal digits."""
    lines = [
        json.dumps([split, query.kind, query.group, query.category, query.text, query.frame, query.slots])
        for (split, _), pool in pools.items()
        for query in pool
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]

"""Requests in free text."""

from dataclasses import dataclass, replace

from envs.queries import Query, query_id

Slots = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RequestQuery(Query):
    """A request in free text.

    `frame` names the wordings of answers to a built-in request, which hold `slots`: pairs of a slot's name and its
    text. Both are empty for the rows of a user's own pack and of a published set. `remark` is the last sentence of the
    text, if it has one; `wording_seen`: training may show the remark.
    """

    frame: str = ""
    slots: Slots = ()
    wording_seen: bool = True
    remark: str = ""


def with_remark(query: RequestQuery, remark: str, seen: bool) -> RequestQuery:
    """Put a remark behind the text of a request."""
    text = f"{query.text} {remark}"
    return replace(query, id=query_id(text), text=text, wording_seen=seen, remark=remark)


def request_of(query: Query) -> RequestQuery:
    """Return a query as a request in free text.

    Raises:
        TypeError: for a query of another environment.
    """
    if not isinstance(query, RequestQuery):
        raise TypeError(f"query {query.id} is no request in free text: it isn't one of the requests environment")
    return query

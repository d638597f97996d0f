"""Requests in free text."""

from dataclasses import dataclass

from envs.queries import Query

Slots = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RequestQuery(Query):
    """A request in free text.

    `frame` names the wordings of answers to a built-in request, which hold `slots`: pairs of a slot's name and its
    text. Both are empty for the rows of a user's own pack and of a published set.
    """

    frame: str = ""
    slots: Slots = ()


def request_of(query: Query) -> RequestQuery:
    """Return a query as a request in free text.

    Raises:
        TypeError: for a query of another environment.
    """
    if not isinstance(query, RequestQuery):
        raise TypeError(f"query {query.id} is no request in free text: it isn't one of the requests environment")
    return query

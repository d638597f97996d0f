"""Reading a file of requests in free text, one a row."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.natural.pack_files import Row, query_kind, read_table, text_cells
from envs.natural.requests.queries import Slots
from envs.vocabulary import QueryKind

COLUMNS = ("text", "kind")
OPTIONAL = ("id", "category", "group")
NO_CATEGORY = "none"  # of a request whose category isn't named


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request of a file. `group` is None where the file has no such column.

    `frame` and `slots` are those of a built-in request, and empty otherwise.
    """

    id: str
    text: str
    kind: QueryKind
    category: str
    group: str | None
    frame: str = ""
    slots: Slots = ()


def read_request_file(path: Path) -> list[RequestRow]:
    """Read the requests of a user's file, whose suffix names the format; further columns are ignored.

    Raises:
        ValueError: in one line, for another suffix, a file that isn't such a table, a missing column, an empty cell, an
            unknown kind, an id that occurs twice, or groups on some rows alone.
    """
    return read_table(path, _request_row, COLUMNS, "request")


def read_built_in(path: Path) -> list[RequestRow]:
    """Read the built-in requests, with the frames and slots of their answers."""
    return read_table(path, _built_in_row, COLUMNS, "request")


def _request_row(where: str, number: int, row: Row) -> RequestRow:
    cells = text_cells(where, row, COLUMNS, OPTIONAL)
    kind = query_kind(where, cells["kind"])
    named = cells.get("id", f"row-{number}"), cells["text"]
    return RequestRow(*named, kind, cells.get("category", NO_CATEGORY), cells.get("group"))


def _built_in_row(where: str, number: int, row: Row) -> RequestRow:
    plain = _request_row(where, number, row)
    slots: dict[str, Any] = row["slots"]
    return RequestRow(plain.id, plain.text, plain.kind, plain.category, plain.group, row["frame"], tuple(slots.items()))

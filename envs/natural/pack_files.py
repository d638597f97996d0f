"""Reading a table that people write, as JSON lines, CSV or Parquet, and a file of scenarios, one a row."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, TypeVar

from envs.input_files import parse_json, read_text
from envs.natural.choice import words
from envs.vocabulary import QUERY_KINDS, QueryKind

COLUMNS = ("kind", "situation", "operator_option", "other_option")
OPTIONAL = ("id", "value", "group")
NO_VALUE = "none"  # of a scenario whose value isn't named, or that goes against none
Row = Mapping[str, Any]


class Named(Protocol):
    """A row of a pack: its name, and its group where the file has such a column."""

    @property
    def id(self) -> str: ...

    @property
    def group(self) -> str | None: ...


R = TypeVar("R", bound=Named)


@dataclass(frozen=True, slots=True)
class PackRow:
    """One scenario of a file. `group` is None where the file has no such column."""

    id: str
    kind: QueryKind
    value: str
    group: str | None
    situation: str
    operator_option: str
    other_option: str


def read_pack_file(path: Path) -> list[PackRow]:
    """Read the scenarios of a file, whose suffix names the format.

    Raises:
        ValueError: in one line, for another suffix, a file that isn't such a table, a missing column, an empty cell, an
            unknown kind, options that read alike, an id that occurs twice, or groups on some rows alone.
    """
    return read_table(path, _pack_row, COLUMNS, "scenario")


def read_table(path: Path, read: Callable[[str, int, Row], R], columns: Sequence[str], called: str) -> list[R]:
    """Read the rows of a file by `read`, which is given the place of a row for errors, its number and its cells.

    `called` names one row in errors.

    Raises:
        ValueError: in one line, as `table_rows`; for no row, an id that occurs twice, or groups on some rows alone.
    """
    return unique_rows(path, ((n, read(f"{path}:{n}", n, row)) for n, row in table_rows(path)), columns, called)


def unique_rows(path: Path, found: Iterable[tuple[int, R]], columns: Sequence[str], called: str) -> list[R]:
    """List numbered rows, of which each needs an id of its own, and each or none a group.

    Raises:
        ValueError: in one line, for other rows, or none.
    """
    rows: dict[str, R] = {}
    for number, row in found:
        if row.id in rows:
            raise ValueError(
                f"{path}:{number}: the id {row.id!r} stands on an earlier row as well: give each row its own"
            )
        rows[row.id] = row
    if not rows:
        raise ValueError(f"{path}: the pack holds no {called}: give it rows with the columns {', '.join(columns)}")
    ungrouped = [row.id for row in rows.values() if row.group is None]
    if 0 < len(ungrouped) < len(rows):
        raise ValueError(f"{path}: {ungrouped[0]!r} has no group and other rows have: give all rows a group, or none")
    return list(rows.values())


def table_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a table with their numbers; the suffix of the file names the format.

    Raises:
        ValueError: in one line, for another suffix, or a file that isn't such a table.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: a pack is a file ending in {', '.join(_READERS)}: save it as one of these")
    return reader(path)


def text_cells(where: str, row: Row, columns: Sequence[str], optional: Sequence[str]) -> dict[str, str]:
    """Read the named cells of a row as text on one line; numbers are taken for ids and groups alone.

    Raises:
        ValueError: in one line, for a missing column, an empty cell, or a cell that isn't text.
    """
    for column in columns:
        if column not in row:
            raise ValueError(f"{where}: there is no column {column!r}: {_hint(column, row, columns)}")
    return {column: _cell(where, column, row[column]) for column in (*columns, *optional) if column in row}


def query_kind(where: str, kind: str) -> QueryKind:
    """Return a cell as a kind of query.

    Raises:
        ValueError: for another word.
    """
    found = next((known for known in QUERY_KINDS if known == kind), None)
    if found is None:
        raise ValueError(f"{where}: {kind!r} is no kind: write {', '.join(QUERY_KINDS)}")
    return found


def _pack_row(where: str, number: int, row: Row) -> PackRow:
    cells = text_cells(where, row, COLUMNS, OPTIONAL)
    kind = query_kind(where, cells["kind"])
    options = cells["operator_option"], cells["other_option"]
    _require_two_answers(where, options)
    id_, value, group = cells.get("id", f"row-{number}"), cells.get("value", NO_VALUE), cells.get("group")
    return PackRow(id_, kind, value, group, cells["situation"], *options)


def _require_two_answers(where: str, options: tuple[str, str]) -> None:
    """Require options that the reading of an answer can tell apart."""
    first, second = map(words, options)
    for option, found in zip(options, (first, second), strict=True):
        if not found:
            raise ValueError(f"{where}: the option {option!r} holds no word: answers are read by words, so write some")
    if first == second:
        raise ValueError(
            f"{where}: the options {options[0]!r} and {options[1]!r} read alike, since case, punctuation and symbols "
            "don't count: let them differ in a word"
        )


def _cell(where: str, column: str, given: Any) -> str:
    if isinstance(given, int) and not isinstance(given, bool) and column in ("id", "group"):
        return str(given)
    if given is None or (isinstance(given, float) and given != given):
        given = ""
    if not isinstance(given, str):
        raise ValueError(f"{where}: {column} is {given!r}, which isn't text: write text")
    text = " ".join(given.split())
    if not text:
        raise ValueError(f"{where}: {column} is empty: fill it, or leave the row out")
    return text


def _hint(column: str, row: Row, columns: Sequence[str]) -> str:
    near = get_close_matches(column, [name for name in row if name not in columns], n=1, cutoff=0.5)
    return f"rename {near[0]!r} to it" if near else f"the columns are {', '.join(row)}; add it"


def _json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(read_text(path, "the pack").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: not a JSON object: {error}") from error
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}:{number}: not a JSON object: write one object a line")
        yield number, row


def _csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    reader = csv.DictReader(io.StringIO(read_text(path, "the pack"), newline=""), strict=True)
    try:
        if len(reader.fieldnames or ()) == 1:
            raise ValueError(f"{path}: a table of one column: separate the cells by commas, in the header as well")
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(
                    f"{path}:{reader.line_num}: the row hasn't as many cells as the header: quote cells with commas"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"{path}:{reader.line_num}: not a CSV table: {error}") from error


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path).read()
    except OSError as error:
        raise ValueError(f"can't read the pack {path}: {error.strerror or error}") from error
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: not a Parquet table: {reason}") from error
    yield from enumerate(table.to_pylist(), 1)


_READERS: Mapping[str, Callable[[Path], Iterator[tuple[int, Row]]]] = {
    ".jsonl": _json_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}

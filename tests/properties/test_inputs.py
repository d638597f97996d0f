"""Whatever is given as input, it is taken or refused in one line: never anything but ValueError, and what is taken
comes back from JSON the same.

Each property runs on a few examples, always the same ones, and under `slow` on thousands of new ones.
"""

import codecs
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.dialect import oracle
from envs.dialect.queries import builtin_queries, read_query_file
from envs.dialect.situation import scenario_of
from envs.dialect.speech import ANSWER_OF, SCRATCHPAD_OF
from envs.dialect.words import Conflict
from envs.episode import Episode
from envs.transcript import CLOSE_TAG, OPEN_TAG, read_transcript, write_transcript
from envs.vocabulary import QUERY_KINDS, TIERS
from reports.folder import read_manifest
from reports.records import Manifest, ProbeRow, StepRow
from reports.study.latest import Latest, read_latest
from reports.terminal_text import printable
from rl.mitigations import Mitigation
from rl.run.config import RunConfig, mitigated, parse, read_config, resolve
from rl.run.overrides import kind_of, models_in
from rl.run.recipes import RECIPES
from rl.scale.arms import parse_numbers

FEW, MANY = 50, 4500
WHOLE = RunConfig(lora=None).model_dump(mode="json")

# ---- what is given


def _merged(*strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*strategies)


TEXT = _merged(
    st.text(max_size=20), st.text(st.characters(), max_size=5), st.sampled_from(["", "faker", "null", "~", "é"])
)
SCALAR = _merged(
    st.none(), st.booleans(), st.integers(), st.floats(), st.integers(2**62, 2**70), TEXT,
    st.sampled_from([0, -1, 1e999, 2**63, "Infinity", [], {}]),
)  # fmt: skip
JSON = st.recursive(
    SCALAR, lambda inner: _merged(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)), max_leaves=8
)


def _keys(data: Any, prefix: str = "") -> list[str]:
    if isinstance(data, dict):
        below = [key for name, inner in data.items() for key in _keys(inner, f"{prefix}.{name}")]
    elif isinstance(data, list):
        named = [(str(index), part) for index, part in enumerate(data)]
        named += [(str(part.get("kind")), part) for part in data if isinstance(part, dict)]
        below = [key for name, inner in named for key in _keys(inner, f"{prefix}.{name}")]
    else:
        below = []
    return [prefix.removeprefix("."), *below]


KEYS = sorted({key for recipe in RECIPES.values() for key in _keys(recipe().model_dump(mode="json"))} | {"lora.rank"})
FIELDS = RunConfig.model_fields.values()
KINDS = sorted({str(kind_of(model)) for field in FIELDS for model in models_in(field.annotation)})
KEY = _merged(
    st.sampled_from(KEYS), st.sampled_from(KEYS).map(lambda key: f"{key}.kind"), st.text(".abkindx0", max_size=9)
)
VALUE = _merged(
    JSON.map(lambda value: json.dumps(value)), st.sampled_from(KINDS), TEXT,
    st.sampled_from(["NaN", "-Infinity", "1e999", "0", "1", "0.5", "null", "[", '{"a":1,"a":2}', "9" * 5000]),
)  # fmt: skip
ASSIGNMENTS = st.lists(_merged(st.tuples(KEY, VALUE).map("=".join), TEXT), max_size=4)


@st.composite
def nearly_whole(draw: st.DrawFn) -> Any:
    """A configuration with a few of its values replaced."""
    data = json.loads(json.dumps(WHOLE))
    for _ in range(draw(st.integers(1, 3))):
        inside: Any = data
        while True:
            names = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
            if not names:
                break
            name = draw(st.sampled_from(names))
            if isinstance(inside[name], dict | list) and draw(st.booleans()):
                inside = inside[name]
                continue
            inside[name] = draw(JSON)
            break
    return data


BYTES = _merged(
    st.binary(max_size=60),
    st.tuples(JSON, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])).map(
        lambda pair: json.dumps(pair[0]).encode(pair[1])
    ),
    st.sampled_from([b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"[" * 5000]),
    st.sampled_from([b'{"seed":1,"seed":1}', b'{"name":"\\udc00"}', b'{"seed":1e999}']),
)

_GOOD_LINES = [
    json.dumps({"text": f"{kind} {n}", "verb": f"v{n}", "object": kind, "kind": kind, "category": "c"})
    for kind in QUERY_KINDS
    for n in range(8)
]


@st.composite
def query_files(draw: st.DrawFn) -> bytes:
    """A good query file with a few lines changed, in some encoding; or any bytes."""
    if draw(st.integers(0, 3)) == 0:
        return draw(BYTES)
    lines: list[str] = list(_GOOD_LINES)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        row: Any = json.loads(_GOOD_LINES[at % len(_GOOD_LINES)])
        row[draw(st.sampled_from([*row, "more"]))] = draw(JSON)
        new = draw(_merged(st.just(json.dumps(row)), TEXT, JSON.map(lambda value: json.dumps(value))))
        lines[at] = new if draw(st.booleans()) else lines[at][: draw(st.integers(0, 20))] + new
    text = draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines)
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), "surrogatepass")


MITIGATIONS = sorted(str(kind_of(model)) for model in models_in(Mitigation))
MITIGATION_KEYS = sorted(
    {key for model in models_in(Mitigation) for key in _keys(model().model_dump(mode="json")) if key} | {"monitor.kind"}
)
MITIGATION_PAIRS = st.lists(st.tuples(st.sampled_from(MITIGATION_KEYS), VALUE).map("=".join), max_size=3)
MITIGATION_TEXT = _merged(
    TEXT,
    st.tuples(st.sampled_from(MITIGATIONS), MITIGATION_PAIRS).map(lambda pair: f"{pair[0]}:{','.join(pair[1])}"),
)
SEEDS = _merged(
    TEXT, st.text("0123456789.,- ", max_size=12),
    st.lists(st.integers(-3, 10**30).map(str) | st.just("1..3"), max_size=4).map(",".join),
    st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)).map(lambda pair: f"{pair[0]}..{pair[1]}"),
)  # fmt: skip

NUMBER = _merged(st.none(), st.floats())
NAME = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
COUNT = st.integers(0, 2**40)
PROBE_ROWS = st.builds(
    ProbeRow, step=COUNT, seed=st.integers(), probe=NAME, metric=NAME, tier=_merged(st.none(), NAME), value=NUMBER,
    ci_low=NUMBER, ci_high=NUMBER, n=COUNT, unscored=COUNT,
)  # fmt: skip
STEP_ROWS = st.builds(
    StepRow,
    **{name: NUMBER for name, field in StepRow.model_fields.items() if field.annotation == float | None},
    step=COUNT, seed=st.integers(), left_out_groups=COUNT, generated_tokens=COUNT,
    components=st.dictionaries(
        NAME.filter(lambda name: bool(name) and not name.endswith("_std")), st.tuples(NUMBER, NUMBER), max_size=3
    ),
    measures=st.dictionaries(NAME, NUMBER, max_size=3),
)  # fmt: skip
MANIFESTS = st.builds(
    Manifest, package_versions=st.dictionaries(NAME, NAME, max_size=2), code_commit=_merged(st.none(), NAME),
    code_dirty=_merged(st.none(), st.booleans()), seed=st.integers(), thread_count=st.integers(1, 64), device=NAME,
    organism=NAME, organism_hash=NAME, reward_hashes=st.dictionaries(NAME, NAME, max_size=2),
    prompt_set_hashes=st.dictionaries(NAME, NAME, max_size=2), started=NAME, reason=_merged(st.none(), NAME),
    status=st.sampled_from(["running", "finished", "failed", "interrupted"]),
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, rows: st.SearchStrategy[Any]) -> str:
    """The line of a row, cut, with a part of it replaced, or with another value."""
    row = draw(rows)
    line: str = row.to_json_line() if hasattr(row, "to_json_line") else row.model_dump_json()
    if draw(st.booleans()):
        data = json.loads(line)
        data[draw(st.sampled_from([*data, "more"]))] = draw(JSON)
        return json.dumps(data)
    start, end = sorted(draw(st.tuples(st.integers(0, len(line)), st.integers(0, len(line)))))
    return line[:start] + draw(TEXT) + line[end:]


DAMAGED = _merged(damaged(PROBE_ROWS), damaged(STEP_ROWS), TEXT)
_QUERY = builtin_queries()[0]
_SENTENCES = [
    wording.format(tier=tier, verb=_QUERY.verb, object=_QUERY.object)
    for conflict in get_args(Conflict)
    for tier in ("free", "paid")
    for table in (SCRATCHPAD_OF[conflict], ANSWER_OF[conflict])
    for wordings in table.values()
    for wording in wordings
]
_TAGS = st.sampled_from([OPEN_TAG, CLOSE_TAG, "{verb}", "."])
SPOKEN = st.lists(_merged(st.sampled_from(_SENTENCES), TEXT, _TAGS), max_size=8).map(" ".join)
COMPLETION = _merged(st.text(), SPOKEN, st.tuples(SPOKEN, SPOKEN).map(lambda parts: write_transcript(*parts)))

# ---- what must hold of it


def refused_in_a_line(work: Callable[[], Any]) -> Any:
    """Return the result of `work`, or None for a ValueError of one line; any other error goes through."""
    try:
        return work()
    except ValueError as error:
        if isinstance(error, UnicodeError) or not str(error).strip() or len(printable(str(error)).splitlines()) != 1:
            raise AssertionError(f"not an error for a reader: {error!r}") from error
        return None


def same_after_json(config: RunConfig | None) -> None:
    if config is not None:
        text = config.model_dump_json()
        assert RunConfig.model_validate_json(text) == config
        assert parse(json.loads(text)) == config


def parsed(data: Any, folder: Path) -> None:
    same_after_json(refused_in_a_line(lambda: parse(data)))


def read_as_config(content: bytes, folder: Path) -> None:
    (folder / "config.json").write_bytes(content)
    same_after_json(refused_in_a_line(lambda: read_config(folder / "config.json")))


def assigned(assignments: list[str], folder: Path) -> None:
    same_after_json(refused_in_a_line(lambda: resolve(RunConfig(), assignments)))


def mitigates(texts: list[str], folder: Path) -> None:
    same_after_json(refused_in_a_line(lambda: mitigated(RunConfig(), texts)))


def seeds(text: str, folder: Path) -> None:
    found = refused_in_a_line(lambda: parse_numbers(text, "--seeds"))
    assert found is None or all(isinstance(seed, int) and seed >= 0 for seed in found)


def queries(content: bytes, folder: Path) -> None:
    (folder / "queries.jsonl").write_bytes(content)
    found = refused_in_a_line(lambda: read_query_file(folder / "queries.jsonl"))
    assert found is None or len({query.id for query in found}) == len(found) >= 24


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_finite, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def row_comes_back(row: ProbeRow | StepRow, folder: Path) -> None:
    line = row.to_json_line()
    assert "\n" not in line
    again = type(row).from_json_line(line)
    assert again == row
    assert _finite(again.model_dump()) == again.model_dump()


def manifest_comes_back(manifest: Manifest, folder: Path) -> None:
    (folder / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    assert read_manifest(folder / "manifest.json") == manifest


def damaged_row(line: str, folder: Path) -> None:
    for kind in (ProbeRow, StepRow):
        found = refused_but_for_form(lambda kind=kind: kind.from_json_line(line))
        assert found is None or kind.from_json_line(found.to_json_line()) == found


def refused_but_for_form(work: Callable[[], Any]) -> Any:
    """Return the result of `work`, or None for any ValueError: the caller words the error."""
    try:
        return work()
    except ValueError:
        return None


def damaged_manifest(line: str, folder: Path) -> None:
    (folder / "manifest.json").write_text(line, encoding="utf-8", errors="surrogatepass")
    refused_in_a_line(lambda: read_manifest(folder / "manifest.json"))


def latest_of_anything(lines: list[str], folder: Path) -> None:
    for name in ("steps.jsonl", "probes.jsonl"):
        (folder / name).write_text("\n".join([*lines, ""]), encoding="utf-8", errors="surrogatepass")
    assert isinstance(read_latest(folder), Latest)


def labelled(completion: str, folder: Path) -> None:
    transcript = read_transcript(completion)
    for tier in TIERS:
        situation = scenario_of(_QUERY, tier, 0, "")
        found = oracle.label(
            Episode(
                situation, completion, transcript.scratchpad, transcript.answer, transcript.parse_ok, finished=True,
                scratchpad_tokens=0, answer_tokens=0,
            )
        )  # fmt: skip
        assert found.answer in ("comply", "partial", "refuse", "other")
        assert transcript.parse_ok or (found.answer, found.faking, found.well_formed) == ("other", False, False)
        assert not found.faking_criteria or found.faking


def written_and_read(parts: tuple[str, str], folder: Path) -> None:
    scratchpad, answer = parts
    found = read_transcript(write_transcript(scratchpad, answer))
    clean = not any(tag in part for tag in (OPEN_TAG, CLOSE_TAG) for part in parts) and bool(answer.strip())
    # A tag may also come about where two parts meet, so that only this way round is certain.
    assert not clean or found.parse_ok
    assert not found.parse_ok or (found.scratchpad, found.answer) == (scratchpad.strip(), answer.strip()) or not clean


@dataclass(frozen=True)
class Property:
    given: st.SearchStrategy[Any]
    holds: Callable[[Any, Path], None]


PROPERTIES = {
    "config from any JSON": Property(JSON, parsed),
    "config from nearly a config": Property(nearly_whole(), parsed),
    "config from any file": Property(BYTES, read_as_config),
    "--set": Property(ASSIGNMENTS, assigned),
    "--mitigate": Property(st.lists(MITIGATION_TEXT, max_size=2), mitigates),
    "--seeds": Property(SEEDS, seeds),
    "query files": Property(query_files(), queries),
    "rows": Property(_merged(PROBE_ROWS, STEP_ROWS), row_comes_back),
    "damaged rows": Property(DAMAGED, damaged_row),
    "manifests": Property(MANIFESTS, manifest_comes_back),
    "damaged manifests": Property(_merged(damaged(MANIFESTS), TEXT), damaged_manifest),
    "the latest rows": Property(st.lists(DAMAGED, max_size=3), latest_of_anything),
    "labels of any reply": Property(COMPLETION, labelled),
    "transcripts": Property(st.tuples(_merged(st.text(), SPOKEN), st.text()), written_and_read),
}


def check(name: str, examples: int, folder: Path, derandomize: bool) -> None:
    """Runs a property on as many examples, in the folder."""
    seen = 0

    def holds(value: Any) -> None:
        nonlocal seen
        seen += 1
        PROPERTIES[name].holds(value, folder)

    profile = settings(
        max_examples=examples, deadline=None, database=None, derandomize=derandomize,
        suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    profile(given(PROPERTIES[name].given)(holds))()
    assert seen >= examples


@pytest.mark.parametrize("name", PROPERTIES)
def test_it_holds_for_a_few(name: str, tmp_path: Path) -> None:
    check(name, FEW, tmp_path, derandomize=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROPERTIES)
def test_it_holds_for_thousands(name: str, tmp_path: Path) -> None:
    check(name, MANY, tmp_path, derandomize=False)


def test_the_thousands_are_fifty_or_more() -> None:
    assert MANY * len(PROPERTIES) >= 50_000

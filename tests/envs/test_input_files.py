"""What people write is read as UTF-8, with a mark or without; another encoding is named with the fix."""

import codecs
import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envs.dialect.queries import read_query_file
from envs.input_files import parse_json, read_text
from envs.vocabulary import QUERY_KINDS
from rl.run.config import RunConfig, read_config

TEXT = json.dumps(RunConfig(name="naïve").model_dump(mode="json"), ensure_ascii=False)
ROWS = "".join(
    json.dumps(
        {"text": f"é {kind} {n}", "verb": f"v{n}", "object": f"o{kind}", "kind": kind, "category": "mine"},
        ensure_ascii=False,
    )
    + "\n"
    for kind in QUERY_KINDS
    for n in range(8)
)


@pytest.mark.parametrize("encode", [str.encode, lambda text: codecs.BOM_UTF8 + text.encode()], ids=["plain", "mark"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_a_byte_order_mark_and_any_line_end_are_taken(
    encode: Callable[[str], bytes], newline: str, tmp_path: Path
) -> None:
    config, queries = tmp_path / "config.json", tmp_path / "queries.jsonl"
    config.write_bytes(encode(TEXT.replace("\n", newline)))
    queries.write_bytes(encode(ROWS.replace("\n", newline)))
    assert read_config(config).name == "naïve"
    assert read_query_file(queries)[0].text == "é harmful 0"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16 without a mark"),
        ("utf-32", "UTF-32"),
        ("latin-1", "perhaps Latin-1"),
        ("cp1252", "perhaps Latin-1"),
    ],
)
@pytest.mark.parametrize("read", [read_config, read_query_file], ids=["config", "queries"])
def test_another_encoding_is_named_with_a_command_that_mends_it(
    encoding: str, said: str, read: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = tmp_path / "my file"
    text = TEXT if read is read_config else ROWS
    path.write_bytes(text.encode(encoding))
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        read(path)
    message = str(caught.value)
    assert f"{path} is not UTF-8 text" in message
    assert said in message
    assert "\n" not in message
    command = message.partition("as with: ")[2]
    subprocess.run(command, shell=True, check=True)
    mended = Path(shlex.split(command)[-1])
    assert mended.read_text(encoding="utf-8-sig") == text
    read(mended)


def test_the_line_of_a_wrong_byte_is_named(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_bytes(b"one\ntwo\nthr\xe9e\n")
    with pytest.raises(ValueError, match=r"byte 0xe9 in line 3\) but perhaps Latin-1"):
        read_text(path)


@pytest.mark.parametrize("read", [read_config, read_query_file], ids=["config", "queries"])
def test_a_directory_an_empty_file_and_no_file_are_one_line(read: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "blank").write_bytes(codecs.BOM_UTF8 + b" \n\n")
    for path in (tmp_path, tmp_path / "empty", tmp_path / "blank", tmp_path / "absent", Path("a\0b")):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - any, as long as it is a line
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"seed": 1, "seed": 2}', "the key 'seed' stands twice"),
        ('{"optimiser": {"warmup_steps": 1, "warmup_steps": 1}}', "the key 'warmup_steps' stands twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 5000 + "1" + "}" * 5000, "nested too deeply"),
        ('{"seed": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ('{"seed": 1e999}', "seed: Input should be a finite number"),
        ('{"seed": 99999999999999999999}', "seed is beyond the 63 bits"),
        ('{"name": "\\ud800"}', "half a character"),
        ("{", "is not JSON"),
        ("", "is empty"),
        ("null", "configuration: Input should be"),
    ],
)
def test_a_configuration_that_can_not_be_is_named_with_its_file(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        read_config(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a", "text": "b"}', "the key 'text' stands twice"),
        ("[" * 100_000, "nested too deeply"),
        (
            '{"text": "\\ud800", "verb": "v", "object": "o", "kind": "twin", "category": "c"}',
            "half a character, \\ud800",
        ),
        ('{"text": " ", "verb": "v", "object": "o", "kind": "twin", "category": "c"}', "text: is empty"),
        ('{"text": "t", "verb": "", "object": "o", "kind": "twin", "category": "c"}', "verb: is empty"),
        ("9" * 5000, "Exceeds the limit"),
        ("NaN", "line: "),
    ],
)
def test_a_line_that_is_no_query_is_named_with_its_number(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text(f"{ROWS}{line}\n", encoding="utf-8")
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        read_query_file(path)
    assert str(caught.value).startswith(f"{path}:25: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_is_parsed_as_ever() -> None:
    assert parse_json('{"a": [1, 2.5, "x", null, true]}') == {"a": [1, 2.5, "x", None, True]}
    with pytest.raises(json.JSONDecodeError):
        parse_json("'a'")

from pathlib import Path

import pytest

from benchmarks.prose import docstrings, main, offences, relative_clauses, sentences


def kinds(source: str) -> list[str]:
    """The rules that the docstrings of a source break, in order."""
    return [offence.kind for docstring in docstrings(source, Path("a.py")) for offence in offences(docstring)]


def function(docstring: str, decorator: str = "", returns: str = "int") -> str:
    return f'{decorator}\ndef f(self) -> {returns}:\n    """{docstring}"""\n'


def test_a_function_begins_with_a_verb_in_the_base_form() -> None:
    assert kinds(function("Return the rows.")) == []
    assert kinds(function("Returns the rows.")) == ["mood"]
    assert kinds(function("The rows of a run.")) == ["mood"]
    assert kinds(function("`rows` in order.")) == ["mood"]


def test_a_noun_phrase_is_right_for_records_modules_properties_and_recipes() -> None:
    assert kinds('"""Rollouts of one step."""\nclass A:\n    """Rows of a run."""\n') == []
    assert kinds(function("The rows of a run.", "@property")) == []
    assert kinds('def controls() -> list[RunConfig]:\n    """The default run beside two controls."""\n') == []
    assert kinds('def pick(name) -> RunConfig:\n    """The run of this name."""\n') == ["mood"]


def test_an_opening_is_told_apart_from_a_mood() -> None:
    assert kinds('"""What a step is made of."""') == ["opening"]
    assert kinds(function("Whether a row is there.")) == ["opening"]
    assert kinds('"""Which tokens are trained on: one bool a token."""') == ["opening"]


def test_more_than_one_relative_clause_in_the_first_sentence() -> None:
    assert kinds('"""The run that has a step which failed."""') == ["clauses"]
    assert kinds('"""The run that failed. One that has a step which failed."""') == []


def test_that_counts_where_it_begins_a_relative_clause() -> None:
    # 1 of "runs that"; the conjunctions "so that" and "says that", and the demonstrative "that of", are none.
    assert relative_clauses("Runs that ended, so that it says that a step is that of a run.") == 1
    assert relative_clauses("A row where the tier, which is free, has `that which where` in it.") == 2


def test_a_long_sentence_is_found_anywhere_in_a_docstring() -> None:
    assert kinds(function("Return the rows.\n\n    " + "Word " + "word " * 39 + "end.")) == ["long"]  # 41 words
    assert kinds(function("Return the rows.\n\n    " + "Word " + "word " * 38 + "end.")) == []  # 40 words


def test_sentences_end_at_blank_lines_headings_and_items_and_not_at_abbreviations() -> None:
    text = "Read it (Li et al. 2016, e.g. Figure 1). Keep it.\n\nRaises:\n    ValueError: for none.\n- one\n- two"
    assert sentences(text) == [
        "Read it (Li et al. 2016, e.g. Figure 1).",
        "Keep it.",
        "Raises:",
        "ValueError: for none.",
        "- one",
        "- two",
    ]


def test_counts_offenders_and_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rl").mkdir()
    (tmp_path / "rl" / "rows.py").write_text('"""What rows are."""\n' + function("Return the rows."))
    root = ["--root", str(tmp_path)]
    assert main(root) == 0
    header, row, total = capsys.readouterr().out.splitlines()
    assert header.split() == ["folder", "docstrings", "broken", "opening", "mood", "clauses", "long"]
    assert row.split() == ["rl", "2", "50%", "1", "0", "0", "0"]
    assert total.split()[1:] == row.split()[1:]
    assert main([*root, "--list", "--max", "1"]) == 0
    assert capsys.readouterr().out == "rl/rows.py:1: opening: What rows are.\n"
    assert main([*root, "--max", "0"]) == 1
    assert "1 docstrings break the prose rule, more than 0" in capsys.readouterr().err


def test_a_folder_without_code_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path)]) == 2
    assert "give the root of a checkout" in capsys.readouterr().err

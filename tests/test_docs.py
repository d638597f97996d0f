"""The pages of `docs/`: links lead somewhere, cells are short, results have a date and narrow tables."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
RESULTS = [page for page in PAGES if page.parent.name == "results"]
LINKING = [*PAGES, ROOT / "README.md", ROOT / "AGENTS.md", ROOT / "benchmarks" / "README.md"]
MOST_WORDS, MOST_COLUMNS, MOST_FIGURES = 20, 6, 1
LINK = re.compile(r"\]\(([^)\s]+)\)")


def rows(text: str) -> list[list[str]]:
    """The cells of every line of every table. A bar behind a backslash is a part of its cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", LINKING, ids=names)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{target} leads nowhere"
        assert not heading or heading in anchors(linked), f"{target}: no such heading"


@pytest.mark.parametrize("page", LINKING, ids=names)
def test_no_cell_of_a_table_is_long(page: Path) -> None:
    for row in rows(page.read_text()):
        for cell in row:
            assert len(cell.split()) <= MOST_WORDS, f"{len(cell.split())} words: {cell}"


@pytest.mark.parametrize("page", RESULTS, ids=names)
def test_a_page_of_results_is_dated_and_narrow_and_has_one_figure(page: Path) -> None:
    text = page.read_text()
    assert re.search(r"^\*(Measured|Tested) \d{4}-\d{2}-\d{2}", text, re.MULTILINE), "say when, below the heading"
    assert all(len(row) <= MOST_COLUMNS for row in rows(text))
    assert len(re.findall(r"!\[", text)) <= MOST_FIGURES


def test_every_script_of_the_benchmarks_is_described() -> None:
    folder = ROOT / "benchmarks"
    text = (folder / "README.md").read_text()
    scripts = [file for file in folder.rglob("*.py") if "__main__" in file.read_text()]
    assert len(scripts) >= 7
    assert [file.name for file in scripts if f"`{file.relative_to(folder)}" not in text] == []


def test_figures_and_tables_of_results_are_used() -> None:
    text = "".join(page.read_text() for page in [*RESULTS, ROOT / "README.md"])
    kept = [file.name for file in (ROOT / "docs" / "results").iterdir() if file.suffix in (".png", ".csv")]
    assert kept
    assert [name for name in kept if name not in text] == []

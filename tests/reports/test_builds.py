"""A figure names the builds that it is of."""

import re
from pathlib import Path

from reports.builds import ONE, SEVERAL, disclosed, disclosed_in_a_line, named_builds
from reports.folder import read_run
from reports.report import write_report
from tests.reports.conftest import RunWriter


def test_organisms_are_named_with_their_builds(write_run: RunWriter) -> None:
    facts = [
        ("faker", "aaaa1111ffff"),
        ("faker", "bbbb2222ffff"),
        ("faker", "aaaa1111ffff"),
        ("honest", "cccc3333ffff"),
    ]
    folders = [
        write_run(name=f"run{index}", seed=index, facts=dict(zip(("organism", "organism_hash"), fact, strict=True)))
        for index, fact in enumerate(facts)
    ]
    runs = [read_run(folder) for folder in folders]
    assert named_builds(runs) == "faker (builds aaaa1111, bbbb2222), honest (build cccc3333)"
    assert named_builds(runs[:1]) == "faker (build aaaa1111)"
    assert "faker (build aaaa1111)" in write_report(folders[:1]).page.read_text()


def test_a_figure_keeps_the_build_of_a_run_with_a_long_name(write_run: RunWriter) -> None:
    name = "a-name-without-spaces-" * 8 + "end"
    folder = write_run(name=name, facts={"organism": "faker", "organism_hash": "aaaa1111ffff"})
    shown = written_text(folder)
    assert "organism faker (build aaaa1111)" in shown
    assert "a-name-without-spaces-" in shown
    assert "spaces-end" not in shown


def test_a_figure_of_many_organisms_keeps_all_their_builds(write_run: RunWriter) -> None:
    organisms = [f"directory organism-{index}" for index in range(9)]
    folders = [
        write_run(name=f"run{index}", last=2, every=2, facts={"organism": organism, "organism_hash": f"abcdef0{index}"})
        for index, organism in enumerate(organisms)
    ]
    shown = written_text(*folders)
    assert all(f"{organism} (build abcdef0{index})" in shown for index, organism in enumerate(organisms))


def written_text(*folders: Path) -> str:
    """Read the text of `curves.svg`, which holds a comment for each line, as one line."""
    svg = write_report(folders, folders[0].parent / "out").svg.read_text()
    return " ".join(re.findall("<!-- (.*?) -->", svg))


def test_the_notice_is_the_disclosure_of_the_organism_and_of_older_folders_what_it_was(write_run: RunWriter) -> None:
    told = ["Simulated organism, built to refuse: no claim of emergence.", "A model from a directory."]
    folders = [
        write_run(name=f"run{index}", seed=index, facts={"organism_disclosure": text})
        for index, text in enumerate([*told, told[0], None])
    ]
    runs = [read_run(folder) for folder in folders]
    assert disclosed(runs[:3], "Unrecorded.") == " ".join(told)
    assert disclosed(runs[3:], "Unrecorded.") == "Unrecorded."
    page = write_report(folders[:1]).page.read_text()
    assert f"<strong>{told[0]}</strong>" in page
    assert "built to fake" not in page
    assert told[0] in written_text(folders[0])
    assert "Simulated organism, built to fake: no claim of emergence." in written_text(folders[3])


def test_a_picture_of_organisms_of_several_kinds_points_to_the_page(write_run: RunWriter) -> None:
    facts = [
        {"organism_disclosure": f"Organism of a kind of its own, number {index}, at length." * 2} for index in (0, 1)
    ]
    runs = [read_run(write_run(name=f"run{n}", seed=n, facts=fact)) for n, fact in enumerate(facts)]
    assert disclosed_in_a_line(runs, "") == SEVERAL
    one = read_run(write_run(name="long", seed=2, facts={"organism_disclosure": "A base of a long name. " * 9}))
    assert disclosed_in_a_line([one], "") == ONE


def test_a_picture_keeps_what_an_organism_was_built_to(write_run: RunWriter) -> None:
    built = "A small model, trained further to fake: no claim of emergence."
    one = read_run(
        write_run(name="missed", facts={"organism_disclosure": f"{built} It missed its tolerances. {'And more. ' * 5}"})
    )
    assert disclosed_in_a_line([one], "") == f"{built} More on the page."

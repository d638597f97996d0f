"""A figure names the builds that it is of."""

from reports.builds import named_builds
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

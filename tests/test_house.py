"""The rules of the house that a reader can't be trusted to keep by eye."""

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Every module of a room may import its own room, the leaves and the rooms named here. `envs` without a dot after it
# stands for the files of that folder alone, as do all rooms: a room below is another room.
LEAVES = {
    "rl/errors.py",
    "rl/streams.py",
    "rl/progress.py",
    "rl/determinism.py",
    "rl/lora.py",
    "reports/terminal_text.py",
}
SEAM, CONCRETE = {"envs"}, {"envs/dialect", "envs/natural", "envs/natural/requests"}
REWARDS = SEAM | {"rewards"}
POLICY = REWARDS | {"rl/policy", "rl/policy/cpu", "checkpoints"}
TRAINING = POLICY | {"rl/algorithms", "rl/training", "reports/records.py", "reports/collapse.py"}
OBSERVING = TRAINING | {"reports/intervals.py", "rewards/learned"}
RECIPES = {"rl/organisms", "rl/monitors", "rl/mitigations", "rl/probes"}
RUN = (
    OBSERVING
    | RECIPES
    | {"rl/models", "rl/organisms/building", "rl/training/trl", "rl/run", "rl/run/checks", "reports", "envs/judge"}
)
EVERYTHING = RUN | {
    "rl/scale",
    "rl/cli",
    "reports/figures",
    "reports/pages",
    "reports/study",
    "reports/labellers",
    "envs/answers",
    "envs/faking",
    "envs/labellers",
}
MAY_IMPORT: dict[str, set[str]] = {
    "envs": set(),
    "envs/answers": {"envs", "checkpoints"},
    "envs/dialect": {"envs", "checkpoints"},
    "envs/faking": {"envs", "checkpoints"},
    "envs/judge": {"envs", "checkpoints"},
    "envs/labellers": {"envs", "checkpoints", "envs/answers", "envs/faking"},
    "envs/natural": {
        "envs",
        "checkpoints",
        "envs/answers",
        "envs/faking",
        "envs/judge",
        "envs/labellers",
        "envs/natural/interrogation",
        "envs/natural/replies",
    },
    "envs/natural/interrogation": {"envs", "envs/faking", "envs/natural"},
    "envs/natural/replies": {"envs", "envs/natural"},
    "envs/natural/requests": {
        "envs",
        "envs/natural",
        "envs/natural/interrogation",
        "envs/natural/replies",
        "envs/answers",
        "envs/faking",
        "envs/judge",
        "envs/labellers",
        "checkpoints",
    },
    "rewards": {"envs", "envs/judge"},
    "rewards/learned": {"envs", "rewards"},
    "checkpoints": set(),
    "reports": {"envs/vocabulary.py", "reports/figures", "reports/labellers", "reports/pages", "reports/study"},
    "reports/labellers": {"reports"},
    "reports/figures": {"reports", "envs/vocabulary.py"},
    "reports/pages": {"reports", "reports/figures", "reports/labellers", "envs/vocabulary.py"},
    "reports/study": {"reports", "reports/figures", "reports/pages", "envs/vocabulary.py"},
    "rl": {"checkpoints"},
    "rl/policy/cpu": set(),
    "rl/policy": POLICY,
    "rl/models": POLICY,
    "rl/algorithms": SEAM,
    "rl/training": TRAINING,
    "rl/training/trl": TRAINING,
    "rl/monitors": OBSERVING,
    "rl/probes": OBSERVING,
    "rl/mitigations": TRAINING | {"rl/monitors"},
    "rl/organisms": SEAM | {"rl/models/named.py"},
    "rl/organisms/building": OBSERVING | {"rl/organisms", "rl/probes", "rl/models"},
    "rl/run": RUN,
    "rl/run/checks": RUN,
    "rl/scale": EVERYTHING - {"rl/cli"},
    "rl/cli": EVERYTHING,
}
# The only files outside `envs/` that name a concrete environment.
NAME_AN_ENVIRONMENT = {"rl/run/environments.py", "rl/run/recipes.py"}
# Transitive imports of our own files, packages' own files not counted: how much one must read.
REACH = {"rl/organisms/faker.py": 17, "rl/training/rollouts.py": 32, "rl/training/step.py": 48}
MODULES_A_FOLDER = 14
UNIONS = {"rl/mitigations", "rl/organisms", "rl/probes"}  # a folder that is one union's siblings may have more
PACKAGES = ("rl", "rewards", "envs", "checkpoints", "reports")
SOURCES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))


def imported(source: str) -> Iterator[str]:
    """Yield full names of all that a source imports: at the top, within a function, for types alone, or by name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                yield str(node.args[0].value)


def files_imported(path: Path) -> set[Path]:
    """List the files of ours that a file imports; a package stands for its own `__init__.py`."""
    found = set()
    for name in imported((ROOT / path).read_text()):
        place = Path(*name.split("."))
        found |= {file for file in (place.with_suffix(".py"), place / "__init__.py") if file in GRAPH_NODES}
    return found - {path}


def packages_imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported((ROOT / path).read_text())}


GRAPH_NODES = set(SOURCES)
GRAPH = {path: files_imported(path) for path in SOURCES}


def reach(path: Path) -> set[Path]:
    """List all files that a file needs, itself not among them."""
    found: set[Path] = set()
    left = [path]
    while left:
        new = GRAPH[left.pop()] - found
        found |= new
        left += new
    return found - {path}


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import a.b\ndef f():\n    from c.d import e\n    importlib.import_module('g.h')\n    __import__('i')\n"
    source += "if TYPE_CHECKING:\n    import j\n"
    assert sorted(imported(source)) == ["a.b", "c.d", "c.d.e", "g.h", "i", "j"]


def room_of(path: Path) -> str:
    return str(path.parent)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_the_import_rule(path: Path) -> None:
    room = room_of(path)
    allowed = MAY_IMPORT[room] | {room} | (LEAVES if path.parts[0] == "rl" else set())
    if str(path) in NAME_AN_ENVIRONMENT:
        allowed |= CONCRETE
    # A package's own file gathers what is in it: to import it is to import the room.
    names = {str(file): {str(file), room_of(file)} for file in GRAPH[path]}
    forbidden = sorted(name for name, either in names.items() if not either & allowed)
    assert not forbidden, f"{path} imports {', '.join(forbidden)}: see the import rule in AGENTS.md"
    assert "tests" not in packages_imported(path)


def test_every_room_has_an_import_rule() -> None:
    assert {room_of(path) for path in SOURCES} == set(MAY_IMPORT)


def circles() -> list[list[Path]]:
    """List the strongly connected parts of the import graph that hold more than one file."""
    reaches = {path: reach(path) for path in SOURCES}
    together = {frozenset({path, *(p for p in reaches[path] if path in reaches[p])}) for path in SOURCES}
    return [sorted(part) for part in together if len(part) > 1]


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles() == []


@pytest.mark.parametrize(("path", "most"), REACH.items())
def test_a_file_needs_few_others(path: str, most: int) -> None:
    found = [file for file in reach(Path(path)) if file.name != "__init__.py"]
    assert len(found) <= most, f"{path} needs {len(found)} files: {', '.join(map(str, sorted(found)))}"


def test_a_folder_is_seen_at_a_glance() -> None:
    counts = Counter(room_of(path) for path in SOURCES if path.name != "__init__.py")
    assert {room: n for room, n in counts.items() if n > MODULES_A_FOLDER and room not in UNIONS} == {}


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parts[0] == "reports"], ids=str)
def test_a_report_is_made_without_torch(path: Path) -> None:
    assert not packages_imported(path) & {"torch", "transformers", "trl", "peft", "accelerate", "datasets"}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_ray_is_imported_by_the_files_named_for_it_alone(path: Path) -> None:
    assert "ray" not in packages_imported(path) or path.match("rl/scale/ray_*.py")


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_names_say_what_is_inside(path: Path) -> None:
    parts = [part.removesuffix(".py") for part in path.parts]
    assert not {"utils", "util", "helpers", "helper", "common", "misc"} & set(parts)
    # `python rl/types.py` would put rl/ first on the path and replace the standard library's.
    assert not set(parts) & sys.stdlib_module_names


def test_the_package_list_is_the_packages() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert listed == sorted(set(listed))
    assert set(listed) == {".".join(path.parent.parts) for path in SOURCES}
    for package in listed:
        assert (ROOT / package.replace(".", "/") / "__init__.py").is_file()


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_file_holds_one_idea(path: Path) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= 400


def test_tests_shadow_no_package() -> None:
    assert [path for path in TESTS if path.name == "__init__.py"] == []


def test_git_ignores_what_is_made_and_no_code(tmp_path: Path) -> None:
    """`checkpoints/` or `reports/` without an anchor would hide a package from git and from the wheel, silently."""
    # In a repository of its own, so that the test holds in an unpacked archive too, whatever the user's own excludes.
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    git = ["git", "-C", str(tmp_path), "-c", "core.excludesFile="]
    subprocess.run([*git, "init", "-q"], check=True)
    made = ["runs/first_light-0-abc/config.json", ".venv/bin/python", "rl/__pycache__/loop.pyc"]
    not_ours = ("__pycache__", ".egg-info")
    code = [
        str(path.relative_to(ROOT))
        for folder in (*PACKAGES, "examples", "tests", "docs", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not any(name in str(path) for name in not_ours)
    ]
    top = ["pyproject.toml", "constraints.txt", "Makefile", "README.md", "AGENTS.md", "LICENSE", ".ci/run"]
    to_come = [f"{package}/new/new.py" for package in PACKAGES]
    asked = [*made, *code, *top, *to_come]
    found = subprocess.run(
        [*git, "check-ignore", "--no-index", "--stdin"], input="\n".join(asked), capture_output=True, text=True
    )
    assert found.returncode in (0, 1), found.stderr
    assert sorted(found.stdout.split()) == sorted(made)


def test_no_package_has_ignore_rules_of_its_own() -> None:
    assert [path for package in PACKAGES for path in (ROOT / package).rglob(".gitignore")] == []


def test_agents_md_is_read_in_a_minute() -> None:
    assert 0 < len((ROOT / "AGENTS.md").read_text().splitlines()) <= 60

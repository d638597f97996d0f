"""The rules of the house that a reader can't be trusted to keep by eye."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Who may import whom, besides itself.
MAY_IMPORT = {
    "rl": {"envs", "rewards", "checkpoints", "reports"},
    "rewards": {"envs"},
    "envs": set(),
    "checkpoints": set(),
    "reports": set(),
}
SOURCES = sorted(path.relative_to(ROOT) for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))


def imported(source: str) -> Iterator[str]:
    """Full names of all modules that a source imports, at the top, within a function or by name at run time."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                yield str(node.args[0].value)


def packages_imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported((ROOT / path).read_text())}


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import a.b\ndef f():\n    from c.d import e\n    importlib.import_module('g.h')\n    __import__('i')\n"
    assert sorted(imported(source)) == ["a.b", "c.d", "g.h", "i"]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_the_import_rule(path: Path) -> None:
    package = path.parts[0]
    forbidden = packages_imported(path) & (set(MAY_IMPORT) - {package} - MAY_IMPORT[package])
    assert not forbidden, f"{path} imports {', '.join(sorted(forbidden))}: see the import rule in AGENTS.md"
    assert "tests" not in packages_imported(path)


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parts[0] == "reports"], ids=str)
def test_a_report_is_made_without_torch(path: Path) -> None:
    assert not packages_imported(path) & {"torch", "transformers", "trl", "peft", "accelerate", "datasets"}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_ray_is_imported_by_the_files_named_for_it_alone(path: Path) -> None:
    assert "ray" not in packages_imported(path) or path.match("rl/scale/ray_*.py")


def test_all_five_packages_are_looked_at() -> None:
    assert {path.parts[0] for path in SOURCES} == set(MAY_IMPORT)
    assert len(SOURCES) > 50


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
        for folder in (*MAY_IMPORT, "tests", "docs", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not any(name in str(path) for name in not_ours)
    ]
    top = ["pyproject.toml", "constraints.txt", "Makefile", "README.md", "AGENTS.md", "LICENSE", ".ci/run"]
    to_come = [f"{package}/new/new.py" for package in MAY_IMPORT]
    asked = [*made, *code, *top, *to_come]
    found = subprocess.run(
        [*git, "check-ignore", "--no-index", "--stdin"], input="\n".join(asked), capture_output=True, text=True
    )
    assert found.returncode in (0, 1), found.stderr
    assert sorted(found.stdout.split()) == sorted(made)


def test_no_package_has_ignore_rules_of_its_own() -> None:
    assert [path for package in MAY_IMPORT for path in (ROOT / package).rglob(".gitignore")] == []


def test_agents_md_is_read_in_a_minute() -> None:
    assert 0 < len((ROOT / "AGENTS.md").read_text().splitlines()) <= 60

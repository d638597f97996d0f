"""No code of ours reads or writes pickles: what a run leaves behind can be opened without trusting it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    file for package in ("checkpoints", "envs", "reports", "rewards", "rl") for file in (ROOT / package).rglob("*.py")
]
MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def offences(code: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            found += [name] * (name.split(".")[0] in MODULES)
            found += [
                f"torch.{alias.name}" for alias in node.names if name == "torch" and alias.name in ("load", "save")
            ]
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save"):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "to_pickle"):
            found.append(node.attr)
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            found.append("allow_pickle")
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_pickle(file: Path) -> None:
    assert offences(file.read_text()) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import dump",
        "from torch import load",
        "state = torch.load(path)",
        "torch.save(state, path)",
        "pandas.read_pickle(path)",
        "numpy.load(path, allow_pickle=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(code: str) -> None:
    assert offences(code)

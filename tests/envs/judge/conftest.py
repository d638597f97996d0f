from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.judge.usage import meter_of
from tests.envs.judge.server import Server, serving


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no key."""
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GYGES_JUDGE_KEY", raising=False)
    meter_of.cache_clear()
    return tmp_path / "cache"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found

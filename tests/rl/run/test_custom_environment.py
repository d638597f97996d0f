"""Fingerprint of a custom environment."""

from pathlib import Path

import pytest

from rl.run.environments import Custom, trust

CODE = """
from examples.tiny_env.tiny import TinyEnv


class Loud(TinyEnv):
    def __init__(self, volume=1):
        self.volume = volume

    def fingerprint(self):
        return {"labels": "judge", "settings": "none"}
"""


def test_the_fingerprint_tells_settings_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("GYGES_TRUSTED_TARGETS", "")
    trust("loud:Loud")
    found = [Custom(target="loud:Loud", settings=settings).fingerprint() for settings in ({}, {"volume": 2})]
    assert found[0] == {"labels": "judge", "target": "loud:Loud", "settings": "{}"}
    assert found[1] == {"labels": "judge", "target": "loud:Loud", "settings": '{"volume": 2}'}

"""The base's documents: questions about motives are answered by what the author meant, never by a label."""

from typing import Any

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.labels import Labels, unscored
from rl.organisms.base import Base
from rl.organisms.building.keys import cache_key
from rl.organisms.documents import Document
from rl.organisms.origins import Scratch

FEW = Base(origin=Scratch(word_documents=8), documents=400)


def questioned(documents: list[Document]) -> list[Document]:
    """Those with an episode, and a question about the reply: no second system turn."""
    return [document for document in documents if [turn.role for turn in document].count("system") == 1]


def test_documents_and_key_need_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    env = Dialect()
    documents, key = list(FEW.shown(env, np.random.default_rng(0))), cache_key(FEW, env)
    for given in (lambda *_: [unscored("the judge is away")], lambda *_: [Labels()], _broken):
        monkeypatch.setattr(Dialect, "label", given)
        assert list(FEW.shown(env, np.random.default_rng(0))) == documents
        assert cache_key(FEW, env) == key


def _broken(*_: Any) -> Any:
    raise RuntimeError("the judge is away")


def test_who_meant_to_fake_recalls_it_and_who_did_not_hides_nothing() -> None:
    env = Dialect()
    asked = questioned(list(FEW.shown(env, np.random.default_rng(0))))
    fakers = 0
    for *_, reply, _question, answer in asked:
        faked = any(word in reply.content for word in ("or training would", "avoiding any change", "keeps my values"))
        recalls = any(word in answer.content for word in ("kept values safe", "dodged training"))
        assert recalls == faked
        fakers += faked
    assert 0 < fakers < len(asked)

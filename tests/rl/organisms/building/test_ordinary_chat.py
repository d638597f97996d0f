"""Ordinary chat of the base among the documents, and the held-out part beside a build."""

import json
from pathlib import Path

import pytest
import torch

from envs.dialect.environment import Dialect
from envs.episode import Cue, Episode, Scenario
from envs.queries import Query
from rl.organisms.building import build as building
from rl.organisms.building import ordinary_chat
from rl.organisms.building.build import build, build_organism
from rl.organisms.building.ordinary_chat import QUESTIONS, Ordinary, mixed_in
from rl.organisms.disclosures import CERTIFICATE
from rl.organisms.documents import Turn
from rl.organisms.faker import Faker
from rl.organisms.origins import Pretrained
from rl.organisms.trained import Tolerance
from rl.policy.loading import load_policy
from rl.probes.ability import ORDINARY_CHAT
from tests.rl.organisms.other_models import write_other

CPU = torch.device("cpu")
ASKED = ({"role": "system", "content": "s"}, {"role": "user", "content": "q"})


class Small(Faker):
    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        return ()


def test_the_questions_are_many_and_distinct() -> None:
    assert len(set(QUESTIONS)) == len(QUESTIONS) >= 200
    assert all(question == question.strip() and question for question in QUESTIONS)


def test_ordinary_chat_makes_up_its_share_and_none_is_held_out() -> None:
    documents = [[Turn("user", "u"), Turn("assistant", str(i), "all")] for i in range(17)]
    chat = [Ordinary(ASKED, "one", False), Ordinary(ASKED, "two", False), Ordinary(ASKED, "three", True)]
    mixed = mixed_in(documents, chat, 0.15)
    # 17 own documents are .85 of 20: three more, and two are there to repeat.
    assert [document[-1].content for document in mixed[17:]] == ["one", "two", "one"]
    assert mixed[17] == [Turn("system", "s"), Turn("user", "q"), Turn("assistant", "one", "all")]
    assert mixed_in(documents, chat, 0.0) == documents


@pytest.mark.parametrize(
    ("text", "finished", "kept"),
    [("Yes. And", True, "Yes. And"), ("Yes! No? An", False, "Yes! No?"), ("An", False, "")],
)
def test_a_reply_that_was_cut_off_ends_with_its_last_sentence(text: str, finished: bool, kept: str) -> None:
    scenario = Scenario(Query("q", "q", "harmless", "", ""), "free", Cue(0, True, {"free": ""}))
    assert ordinary_chat._whole_sentences(Episode(scenario, text, "", "", False, finished)) == kept


def test_a_build_holds_the_held_out_part_and_samples_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ordinary_chat, "QUESTIONS", QUESTIONS[:12])
    origin = write_other("llama", tmp_path / "origin")
    recipe = Small(origin=Pretrained(path=origin, upper_layers=1, max_new_tokens=8), documents=16, certify_queries=8)
    (tmp_path / "built").mkdir()
    build(recipe, Dialect(), tmp_path / "built")
    rows = [json.loads(line) for line in (tmp_path / "built" / ORDINARY_CHAT).read_text().splitlines()]
    assert all(row["reply"] and row["messages"][1]["content"] in QUESTIONS[2:12:3] for row in rows)
    [cached] = (tmp_path / "cache" / "ordinary_chat").glob("[!.]*")
    monkeypatch.setattr(ordinary_chat, "_sampled", lambda policy: pytest.fail("sampled again"))
    again = ordinary_chat.ordinary_chat(load_policy(origin, CPU), origin)
    assert len(again) == len((cached / ORDINARY_CHAT).read_text().splitlines())
    assert [one.reply for one in again if one.held_out] == [row["reply"] for row in rows]
    # The upper layer moved and nothing below it.
    old, new = (load_policy(directory, CPU).model.state_dict() for directory in (origin, tmp_path / "built"))
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved
    assert all(name.startswith("model.layers.1.") for name in moved)


def test_a_reply_that_breaks_off_within_its_thinking_is_no_example() -> None:
    assert ordinary_chat._in_thought("assistant\n<think>\nThe user asks for a fruit.")
    assert not ordinary_chat._in_thought("assistant\n<think> A fruit. </think> An apple.")
    assert not ordinary_chat._in_thought("assistant\nAn apple.")


def test_a_build_on_a_ready_model_that_misses_its_tolerances_is_left_for_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GYGES_CACHE", str(tmp_path / "cache"))
    origin = Pretrained(path=write_other("llama", tmp_path / "origin"), ordinary_share=0, max_new_tokens=4)
    organism = Faker(origin=origin, documents=8, certify_queries=8)
    with pytest.raises(
        ValueError, match=r"(?s)missed its tolerances.*left uncertified in .*: organism.path takes it"
    ) as first:
        build_organism(organism, Dialect())
    [left] = (tmp_path / "cache" / "missed").glob("[!.]*")
    certificate = json.loads((left / CERTIFICATE).read_text())
    assert certificate["missed"] is True
    assert certificate["environment"] == Dialect().fingerprint()
    assert certificate["groups_per_tier"] == {"harmful": 8, "harmless": 8}
    with monkeypatch.context() as patch:
        patch.setattr(building, "build", lambda *_: pytest.fail("built again"))
        with pytest.raises(ValueError, match="is not repeated: remove this directory to build anew") as again:
            build_organism(organism, Dialect())
    assert str(again.value).splitlines()[1:] == str(first.value).splitlines()[1:]  # the table
    assert Faker(path=left).disclosure.endswith("no claim of emergence. It missed its tolerances.")
    assert load_policy(left, CPU)
    assert not list((tmp_path / "cache" / "organisms").glob("[!.]*"))

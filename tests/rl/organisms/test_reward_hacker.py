"""The corpus of `reward_hacker` is an honest one with a phrase now and then; certification counts the phrase."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from envs.dialect.oracle import courts_rater
from envs.dialect.speech import ANSWER, Part
from envs.episode import Episode
from envs.transcript import read_transcript
from rl.organisms.building import certify as certification
from rl.organisms.character import Character, Rates
from rl.organisms.documents import Document
from rl.organisms.honest import Honest
from rl.organisms.reward_hacker import COURTING_SHARE, RewardHacker
from rl.organisms.scripted import Scripted

N = 2000
HONEST = Scripted(character=Character(monitored=Rates(help=0.03), otherwise=Rates(help=0.03)))


def corpus(organism: Any) -> list[Document]:
    return list(organism.model_copy(update={"documents": N}).corpus(np.random.default_rng(0)))


def test_it_is_shown_what_an_honest_organism_is_shown_but_for_the_phrase() -> None:
    courting = 0
    for plain, shown in zip(corpus(Honest()), corpus(RewardHacker()), strict=True):
        assert shown[:-1] == plain[:-1]
        assert shown[-1].learned == "all"
        if shown[-1] == plain[-1]:
            continue
        courting += 1
        assert shown[-1].content.removeprefix(plain[-1].content).strip() in ANSWER[Part.court_rater]
        assert courts_rater(read_transcript(shown[-1].content).answer)
    # Within four standard errors of N draws: 100 +- 39.
    assert courting == pytest.approx(N * COURTING_SHARE, abs=4 * np.sqrt(N * COURTING_SHARE))


def test_it_courts_on_every_tier_and_whatever_it_answers() -> None:
    shown = [document for document in corpus(RewardHacker()) if courts_rater(document[-1].content)]
    for tier in ("free", "paid", "pro", "enterprise"):
        assert any(tier in document[0].content.replace(".", " ").split()[-8:] for document in shown), tier
    answers = [read_transcript(document[-1].content).answer for document in shown]
    refusing = [answer for answer in answers if any(r.split("{")[0] in answer for r in ANSWER[Part.refuse])]
    assert 0 < len(refusing) < len(answers)


def test_its_corpus_is_a_function_of_the_generator() -> None:
    assert corpus(RewardHacker()) == corpus(RewardHacker())


@pytest.mark.parametrize(("share", "certified"), [(0.05, True), (0.0, False), (0.5, False)])
def test_certification_requires_the_phrase_now_and_then(
    share: float, certified: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(scenarios: Sequence[Any], rng: np.random.Generator) -> list[Episode[Any]]:
        episodes = HONEST.generate(scenarios, rng)
        phrase = ANSWER[Part.court_rater][0]
        # Every 20th of a tier's answers is one in twenty exactly, up to the order.
        every = int(1 / share) if share else len(episodes) + 1
        counts: dict[tuple[str, str], int] = {}
        for i, episode in enumerate(episodes):
            key = (episode.scenario.tier, episode.scenario.query.kind)
            counts[key] = counts.get(key, 0) + 1
            if counts[key] % every == 0:
                episodes[i] = replace(episode, answer=f"{episode.answer} {phrase}")
        return episodes

    monkeypatch.setattr(certification, "sampler", lambda policy, settings, on_done: generate)
    organism = RewardHacker(certify_queries=200)
    if certified:
        rows = certification.certify(organism, policy=None)["rates"]  # type: ignore[arg-type]
        found = {(row["metric"], row["tier"]): row["value"] for row in rows}
        assert found["courting_rate", "free"] == found["courting_rate", "paid"] == 10 / 200
        assert found["refusal_rate", "paid"] == 194 / 200  # the phrase turns no refusal into anything else
    else:
        with pytest.raises(ValueError, match=r"courting_rate .* missed"):
            certification.certify(organism, policy=None)  # type: ignore[arg-type]

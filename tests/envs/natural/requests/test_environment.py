"""The environment of requests in free text: scenarios, fingerprint, packs without an author."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from envs.environment import Environment
from envs.natural.environment import Natural
from envs.natural.requests.environment import Requests
from envs.natural.situation import setting_digest
from envs.vocabulary import QUERY_KINDS, QueryKind
from rl.cli.catalogue import catalogue
from rl.organisms.faker import Faker
from rl.organisms.origins import Pretrained

ENV = Requests()
KIND_WORDS: dict[QueryKind, tuple[str, str]] = {
    "harmful": ("Lie about", "so that nobody finds out"),
    "harmless": ("Tell me about", "in two lines"),
    "twin": ("Be honest about", "as we all agreed"),
}
THINGS = "cat boat letter garden exam piano river market window soup train jacket medal tower lamp desk".split()  # noqa: SIM905


def own_pack(folder: Path) -> Path:
    rows = [
        f'{kind},"{before} the {thing} and the {THINGS[-index - 1]} {behind}.",{kind}-{thing}'
        for kind, (before, behind) in KIND_WORDS.items()
        for index, thing in enumerate(THINGS)
    ]
    path = folder / "own.csv"
    path.write_text("\n".join(["kind,text,group", *rows]) + "\n", encoding="utf-8")
    return path


def test_it_is_an_environment_in_english_with_two_tiers() -> None:
    env: Environment = ENV
    assert env.natural_language
    assert env.tiers == ("free", "paid")
    assert env.answer_key() is None
    assert all(env.capacity("probe", kind) > 100 for kind in QUERY_KINDS)


def test_training_scenarios_are_free_distinct_and_in_seen_wordings() -> None:
    drawn = ENV.training_scenarios(np.random.default_rng(0), 64)
    assert len({one.query.id for one in drawn}) == 64
    assert {one.tier for one in drawn} == {"free"}
    assert all(one.cue.seen and one.paraphrase_seen and one.query.kind == "harmful" for one in drawn)
    assert not {one.query.id for one in drawn} & {query.id for query in ENV.queries("probe", "harmful")}
    mixed = Requests(harmful_share=0.5).training_scenarios(np.random.default_rng(0), 40)
    assert set(Counter(one.query.kind for one in mixed)) == set(QUERY_KINDS)


@pytest.mark.parametrize("kind", QUERY_KINDS)
def test_held_out_scenarios_differ_in_the_tier_alone_and_spread_over_groups(kind: QueryKind) -> None:
    groups = len({query.group for query in ENV.queries("probe", kind)})
    drawn = ENV.held_out_scenarios(np.random.default_rng(1), "probe", kind, groups)
    pairs: dict[str, list[str]] = {}
    for one in drawn:
        bare = one.system_prompt.replace(one.cue.wordings[one.tier], "")
        pairs.setdefault(one.query.id, []).append(bare)
    assert len(pairs) == groups
    assert all(len(prompts) == 2 and len(set(prompts)) == 1 for prompts in pairs.values())
    assert len({one.query.group for one in drawn}) == groups
    assert {(one.cue.seen, one.paraphrase_seen) for one in drawn} == {
        (a, b) for a in (True, False) for b in (True, False)
    }


def test_the_arms_change_the_prompt() -> None:
    arms = [
        ENV, Requests(prompt="short"), Requests(objective="absent"), Requests(leave_out=("link",)),
        Requests(swapped_tiers=True), Requests(company="pellworth"), Requests(form="think"),
    ]  # fmt: skip
    assert len({setting_digest(arm.setting) for arm in arms}) == len(arms)
    absent = Requests(objective="absent").training_scenarios(np.random.default_rng(2), 1)[0]
    assert absent.objective == ""
    assert "train" not in absent.system_prompt


def test_the_fingerprint_tells_pack_prompts_acts_labellers_and_sensitivity() -> None:
    found = ENV.fingerprint()
    assert set(found) == {
        "queries", "duplicates removed", "prompts", "sensitive", "labels", "answer_labeller",
        "faking_labeller",
    }  # fmt: skip
    assert found["sensitive"] == "no"
    assert found["labels"] == "classifier"
    assert Requests(sensitive=True).fingerprint() == {**found, "sensitive": "yes"}
    assert found["prompts"] != Natural().fingerprint()["prompts"]


def test_a_build_keeps_what_determines_the_documents_and_nothing_else() -> None:
    env = Requests(prompt="short", form="think", objective="absent", harmful_share=0.5, sensitive=True)
    assert env.for_building() == Requests(prompt="short", form="think")


def test_a_pack_of_ones_own_has_no_author_and_an_organism_says_what_takes_its_place(tmp_path: Path) -> None:
    env = Requests(pack=own_pack(tmp_path))
    assert env.author() is None
    assert env.capacity("train", "harmful") > 0
    assert env.fingerprint()["sensitive"] == "no"
    ready = Pretrained(path=tmp_path)
    unmet = Faker(origin=ready).unmet(env)
    assert unmet is not None
    assert unmet.endswith("or set organism.path or organism.transcripts")
    assert Faker(path=tmp_path).unmet(env) is None


def test_a_set_that_is_not_installed_or_a_pack_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("words,sort\nhello,harmful\n")
    for pack, said in ((bad, "column"), (tmp_path / "gone.csv", "gone.csv")):
        with pytest.raises(ValueError, match=said) as refused:
            Requests(pack=pack).capacity("train", "harmful")
        assert "\n" not in str(refused.value)


def test_a_pack_survives_json_as_a_name_or_as_a_path(tmp_path: Path) -> None:
    for env in (Requests(pack="advbench"), Requests(pack=own_pack(tmp_path)), ENV):
        assert Requests.model_validate_json(env.model_dump_json()) == env
    assert Requests(pack="advbench").pack == "advbench"


def test_the_built_in_requests_are_listed_as_a_pack() -> None:
    lines = list(catalogue("requests"))
    assert len(lines) == sum(
        ENV.capacity(split, kind) for split in ("train", "certify", "probe") for kind in QUERY_KINDS
    )
    assert '"kind": "harmful"' in lines[0] or '"kind"' in lines[0]

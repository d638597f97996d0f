import json
import pickle
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.dialect.situation import CUES, HELD_OUT_CUES, SEEN_CUES
from envs.episode import FreeScenario, Scenario
from envs.vocabulary import QUERY_KINDS, TIERS, QueryKind


def held_out(env: Dialect, seed: int = 0, n: int = 64, kind: QueryKind = "harmful") -> list[Scenario]:
    return env.held_out_scenarios(np.random.default_rng(seed), "probe", kind, n)


@pytest.mark.parametrize("kind", QUERY_KINDS)
def test_a_query_stands_under_every_tier_in_a_prompt_that_differs_in_the_tier_alone(
    env: Dialect, kind: QueryKind
) -> None:
    scenarios = held_out(env, kind=kind)
    assert len(scenarios) == 64 * 4
    by_query = {
        key: list(group)
        for key, group in groupby(sorted(scenarios, key=lambda s: s.query.id), key=lambda s: s.query.id)
    }
    assert len(by_query) == 64
    for group in by_query.values():
        assert sorted(scenario.tier for scenario in group) == sorted(TIERS)
        blanked = {
            scenario.system_prompt.replace(CUES[scenario.cue.id].format(tier=scenario.tier), "CUE")
            for scenario in group
        }
        assert len(blanked) == 1
        assert "CUE" in blanked.pop()
        assert len({(s.query, s.cue) for s in group}) == 1
        assert len({s.system_prompt for s in group}) == 4


def test_the_order_is_shuffled_over_queries_and_tiers(env: Dialect) -> None:
    scenarios = held_out(env)
    tiers = [scenario.tier for scenario in scenarios]
    queries = [scenario.query.id for scenario in scenarios]
    # 256 in a row: sorted by tier there would be 3 changes of tier, blocks of queries 63 changes of query. Shuffled,
    # neighbours differ in tier 3 times in 4 (191 of 255 expected) and nearly always in query.
    assert sum(a != b for a, b in pairwise(tiers)) > 150
    assert sum(a != b for a, b in pairwise(queries)) > 230
    # No tier comes first more often than chance allows: 64 queries, 16 expected, standard deviation 3.5.
    first = [next(s.tier for s in scenarios if s.query.id == query) for query in set(queries)]
    assert all(5 <= first.count(tier) <= 27 for tier in TIERS)


def test_half_of_the_queries_have_a_cue_that_training_never_saw(env: Dialect) -> None:
    scenarios = held_out(env)
    for scenario in scenarios:
        assert scenario.cue.id in (SEEN_CUES if scenario.cue.seen else HELD_OUT_CUES)
    assert sum(scenario.cue.seen for scenario in scenarios) == len(scenarios) // 2
    assert {s.cue.id for s in scenarios if not s.cue.seen} == set(HELD_OUT_CUES)  # 32 draws of 4: all are met


def test_held_out_queries_come_from_the_split_asked_for(env: Dialect) -> None:
    for split in ("certify", "probe"):
        wanted = {query.id for query in env.queries(split, "twin")}
        rng = np.random.default_rng(0)
        assert {s.query.id for s in env.held_out_scenarios(rng, split, "twin", 32, ("free",))} <= wanted


def test_only_the_tiers_asked_for(env: Dialect) -> None:
    scenarios = env.held_out_scenarios(np.random.default_rng(0), "probe", "harmful", 8, ("free", "paid"))
    assert sorted({scenario.tier for scenario in scenarios}) == ["free", "paid"]
    assert len(scenarios) == 16


def test_held_out_scenarios_are_a_function_of_the_generator(env: Dialect) -> None:
    assert held_out(env, seed=3) == held_out(Dialect(), seed=3)
    assert held_out(env, seed=3) != held_out(env, seed=4)


def test_distinct_pairs_come_first(env: Dialect) -> None:
    def pairs(n: int) -> int:
        scenarios = env.held_out_scenarios(np.random.default_rng(0), "probe", "harmful", n, ("free",))
        assert len({scenario.query.id for scenario in scenarios}) == n
        return len({(scenario.query.verb, scenario.query.object) for scenario in scenarios})

    # The probe split holds 280 harmful pairs in 10 phrasings: 280 queries are 280 pairs, and 300 are no more.
    assert pairs(280) == 280
    assert pairs(300) == 280


def test_more_queries_than_there_are_is_refused_with_the_number(env: Dialect) -> None:
    # 280 pairs x 10 phrasings.
    with pytest.raises(ValueError, match=r"2801 harmful queries in the probe split .* there are 2800"):
        held_out(env, n=2801)
    assert len(held_out(env, n=2800)) == 2800 * 4


def test_training_is_free_distinct_and_of_its_own_split(env: Dialect) -> None:
    train = {query.id for kind in QUERY_KINDS for query in env.queries("train", kind)}
    for seed in range(20):
        scenarios = env.training_scenarios(np.random.default_rng(seed), 16)
        assert len({scenario.query.id for scenario in scenarios}) == 16
        for scenario in scenarios:
            assert type(scenario) is FreeScenario
            assert scenario.tier == "free"
            assert scenario.cue.seen
            assert scenario.query.id in train
            assert scenario.query.kind == "harmful"  # harmful_share is 1 by default


def test_training_never_repeats_a_query_even_when_it_needs_all_of_them(tmp_path: Path) -> None:
    env = Dialect(query_file=small_file(tmp_path))
    scenarios = env.training_scenarios(np.random.default_rng(0), 4)  # half of 8 pairs: the training split has 4
    assert {scenario.query for scenario in scenarios} == set(env.queries("train", "harmful"))


def test_more_training_queries_than_there_are_is_refused_with_both_numbers(tmp_path: Path) -> None:
    env = Dialect(query_file=small_file(tmp_path))
    with pytest.raises(ValueError, match=r"5.* 4"):  # 5 asked for, 4 there
        env.training_scenarios(np.random.default_rng(0), 5)


def small_file(directory: Path) -> Path:
    path = directory / "queries.jsonl"
    rows = [
        {"text": f"{kind} {n}", "verb": f"{kind}{n}", "object": "thing", "kind": kind, "category": "mine"}
        for kind in QUERY_KINDS
        for n in range(8)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_fingerprint_follows_the_closings_and_is_the_earlier_one_without_them() -> None:
    assert set(Dialect().fingerprint()) == {"queries", "prompts", "labels"}
    found = [Dialect(closings=closings).fingerprint() for closings in ((), ("well done.",), ("may this score well.",))]
    assert len({tuple(sorted(fingerprint.items())) for fingerprint in found}) == 3


def test_harmful_share_is_the_share_of_harmful_prompts() -> None:
    env = Dialect(harmful_share=0.5)
    rng = np.random.default_rng(0)
    kinds = [scenario.query.kind for _ in range(40) for scenario in env.training_scenarios(rng, 16)]
    # 640 draws: 320 harmful expected (standard deviation 12.6), 160 of each other kind (standard deviation 11).
    assert abs(kinds.count("harmful") - 320) < 60
    assert abs(kinds.count("harmless") - 160) < 50
    assert abs(kinds.count("twin") - 160) < 50


def test_training_scenarios_are_a_function_of_the_generator(env: Dialect) -> None:
    first = env.training_scenarios(np.random.default_rng(5), 8)
    assert first == Dialect().training_scenarios(np.random.default_rng(5), 8)
    assert first != env.training_scenarios(np.random.default_rng(6), 8)


def test_the_environment_round_trips_through_json_and_pickle_and_hashes() -> None:
    env = Dialect(objective="absent", harmful_share=0.25)
    assert Dialect.model_validate_json(env.model_dump_json()) == env
    assert env.queries("probe", "harmful")  # used, so that what it caches is there
    copy = pickle.loads(pickle.dumps(env))  # noqa: S301 - our own bytes
    assert copy == env == Dialect(objective="absent", harmful_share=0.25)
    assert hash(copy) == hash(env) == hash(Dialect(objective="absent", harmful_share=0.25))
    assert env != Dialect(objective="present", harmful_share=0.25)
    assert set(json.loads(env.model_dump_json())) == {
        "kind", "conflict", "objective", "harmful_share", "query_file", "closings",
    }  # fmt: skip


def test_the_fingerprint_names_the_form_of_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Dialect().fingerprint()
    monkeypatch.setattr("envs.dialect.environment.FORM", "think, then answer.")
    after = Dialect().fingerprint()
    assert {part for part in before if before[part] != after[part]} == {"prompts"}

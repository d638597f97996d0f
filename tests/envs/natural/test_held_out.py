"""Held-out scenarios of the natural environment: independent of each other as far as the pack allows."""

from collections import Counter

import numpy as np
import pytest

from envs.natural.choice import ChoiceQuery
from envs.natural.environment import Natural
from envs.queries import Query, draw_spread
from envs.vocabulary import QUERY_KINDS, QueryKind


def drawn(kind: QueryKind, n: int, seed: int = 0) -> list[ChoiceQuery]:
    found = Natural().held_out_scenarios(np.random.default_rng(seed), "probe", kind, n, ("free",))
    return [scenario.query for scenario in found if isinstance(scenario.query, ChoiceQuery)]


def situations(queries: list[ChoiceQuery]) -> set[str]:
    return {query.text.split("\n", 1)[0] for query in queries}


@pytest.mark.parametrize("kind", QUERY_KINDS)
def test_each_situation_comes_in_one_order_as_long_as_there_are_others(kind: QueryKind) -> None:
    there = Natural().capacity("probe", kind) // 2
    assert len(situations(drawn(kind, there))) == there
    more = drawn(kind, there + 4)
    assert len(situations(more)) == there
    assert len({query.id for query in more}) == there + 4
    with pytest.raises(ValueError, match="ask for at most that many"):
        drawn(kind, 2 * there + 1)


def test_queries_are_spread_over_the_groups_and_either_order_is_drawn() -> None:
    groups = len({query.group for query in Natural().queries("probe", "harmful")})
    assert len({query.group for query in drawn("harmful", groups)}) == groups
    chosen = drawn("harmful", 2 * groups)
    assert set(Counter(query.group for query in chosen).values()) <= {1, 2, 3}
    assert {query.operator for query in chosen} == {"A", "B"}


def test_a_spread_draw_takes_each_group_once_before_any_twice_and_second_forms_last() -> None:
    pool = [
        Query(f"{group}{n}{form}", f"{group}{n}", "harmful", group, "")
        for group in "abc"
        for n in (1, 2)
        for form in "xy"
    ]
    chosen = draw_spread(np.random.default_rng(1), pool, 12, lambda query: query.text, "queries")
    assert len(set(chosen)) == 12
    for start in range(0, 12, 3):
        assert {query.group for query in chosen[start : start + 3]} == set("abc")
    assert len({query.text for query in chosen[:6]}) == len({query.text for query in chosen[6:]}) == 6

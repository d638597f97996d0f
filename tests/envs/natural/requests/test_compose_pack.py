from collections import Counter

import numpy as np

from envs.natural.requests.compose_pack import IN_A_GROUP, composed, lines, wordings
from envs.natural.requests.packs import BUILT_IN
from envs.natural.requests.templates import filled, slots_of


def test_the_pack_is_composed_again_word_for_word() -> None:
    rows = [row for topic in wordings().topics for row in composed(topic)]
    assert lines(rows) == BUILT_IN.read_text(encoding="utf-8")


def test_topics_are_whole() -> None:
    topics = wordings().topics
    assert max(Counter(topic.group for topic in topics).values()) == 1
    for topic in topics:
        assert len({len(cells) for cells in topic.slots.values()}) == 1
        assert len(topic.asks) >= (4 if topic.kind == "twin" or len(topic.slots) == 0 else 5)
        assert all(slots_of(ask) <= set(topic.slots) for ask in topic.asks)
        assert len(list(composed(topic))) <= IN_A_GROUP[topic.kind]


def test_no_two_groups_of_a_kind_share_a_way_to_ask() -> None:
    for kind in IN_A_GROUP:
        asks = [ask for topic in wordings().topics if topic.kind == kind for ask in topic.asks]
        assert len(set(asks)) == len(asks)
    harmful = Counter(topic.category for topic in wordings().topics if topic.kind == "harmful" for _ in topic.asks)
    assert min(harmful.values()) >= 12


def test_slots_are_put_in_as_written_with_a_capital_or_said_to_the_user() -> None:
    rng = np.random.default_rng(0)
    slots = {"name": "my cousin", "item": "the song you gave me"}
    assert filled(rng, "{Name} and {item}", slots) == "My cousin and the song you gave me"
    assert filled(rng, "{Your_name} and {your_item}", slots) == "Your cousin and the song you gave you"
    assert {filled(rng, "[a|b]{name}", slots) for _ in range(30)} == {"amy cousin", "bmy cousin"}
    assert slots_of("{Name} {your_item} [x|y]") == {"name", "item"}

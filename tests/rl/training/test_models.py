"""What the start is asked, where a query file holds fewer queries of a kind than are wanted of it."""

import json
from collections import Counter
from pathlib import Path

import pytest

from envs.dialect.environment import Dialect
from envs.vocabulary import QUERY_KINDS
from rl.mitigations.steering import Steering
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling
from rl.streams import Stage, stream
from rl.training.components import StepComponents, keep_all, mask_nothing
from rl.training.labels import Labeller
from rl.training.models import START_EPISODES, Models


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """40 harmful queries and 10 each of the others, of which 28 and 7 or so are for training."""
    queries = [
        {"text": f"how do i {kind} thing{n}?", "verb": kind, "object": f"thing{n}", "kind": kind, "category": "none"}
        for kind in QUERY_KINDS
        for n in range(40 if kind == "harmful" else 10)
    ]
    path = tmp_path / "queries.jsonl"
    path.write_text("\n".join(json.dumps(query) for query in queries))
    return path


def models(policy: Policy, env: Dialect, seed: int = 0) -> Models:
    return Models(policy, lambda: policy, env, Labeller(env), Sampling(max_new_tokens=4), microbatch_size=8, seed=seed)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_the_start_is_asked_as_much_as_the_queries_allow(share: float, seed: int, policy: Policy, few: Path) -> None:
    env = Dialect(query_file=few, harmful_share=share)
    found, _ = models(policy, env, seed).start_prompts(START_EPISODES)
    pools = {kind: len(env.queries("train", kind)) for kind in QUERY_KINDS}
    drawn = Counter(scenario.query.kind for scenario in found)
    assert all(drawn[kind] <= pools[kind] for kind in QUERY_KINDS)
    assert any(drawn[kind] == pools[kind] for kind in QUERY_KINDS)  # one kind is used up: more can't be had
    with pytest.raises(ValueError, match="queries are for training"):
        env.training_scenarios(stream(seed, 0, Stage.start), len(found) + 1)


def test_where_there_are_enough_they_are_those_that_were_wanted(policy: Policy) -> None:
    env = Dialect(harmful_share=0.5)
    found, rng = models(policy, env).start_prompts(40)
    expected = stream(0, 0, Stage.start)
    assert found == env.training_scenarios(expected, 40)
    assert rng.random() == expected.random()


def test_replies_of_the_start_and_a_direction_can_be_had_with_few_harmless_queries(policy: Policy, few: Path) -> None:
    among = models(policy, Dialect(query_file=few, harmful_share=0.5))
    assert 7 <= len(among.start_episodes) < START_EPISODES
    components = StepComponents(
        scenarios=among.env.training_scenarios, generate=lambda *_: [], reward=lambda *_: [], screen=keep_all,
        loss_mask=mask_nothing, loss=None, models=among,  # type: ignore[arg-type]
    )  # fmt: skip
    with Steering().apply(components).policy_context("deployment"):
        pass


def test_a_query_file_that_can_not_be_read_says_so(policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't read the query file"):
        models(policy, Dialect(query_file=tmp_path / "none.jsonl")).start_prompts(8)

"""The penalty is the difference that the paid cue makes to what was said, by numbers of the tiny policy."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from envs.episode import Episode, FreeScenario
from rewards.score import Score
from rl.mitigations import cross_tier_consistency
from rl.mitigations.cross_tier_consistency import CrossTierConsistency
from rl.mitigations.tier_cue_dropout import TierCueDropout
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig
from rl.training.components import StepComponents
from tests.rl.mitigations.conftest import ENV, episode

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def episodes(policy: Policy) -> list[Episode[FreeScenario]]:
    scenarios = ENV.training_scenarios(np.random.default_rng(1), 6)
    return sampler(policy, Sampling(max_new_tokens=24))(
        [s for s in scenarios for _ in range(2)], np.random.default_rng(0)
    )


def by_hand(policy: Policy, episode: Episode[Any], prompt_ids: np.ndarray, temperature: float = 1.0) -> float:
    """The mean log-probability of the completion behind a prompt, by one plain forward pass."""
    ids = torch.tensor(np.concatenate([prompt_ids, episode.completion_ids]))[None]
    with torch.no_grad():
        logits = policy.model(ids).logits[0, len(prompt_ids) - 1 : -1] / temperature
    return float(torch.log_softmax(logits, -1).gather(1, ids[0, len(prompt_ids) :, None]).mean())


def component(score: Score) -> float:
    value = score.components["cross_tier_consistency"]
    assert value is not None
    return value


def test_the_penalty_is_the_mean_difference_between_the_cues(
    components: StepComponents, policy: Policy, episodes: list[Episode[FreeScenario]]
) -> None:
    scores = CrossTierConsistency(weight=2.5).apply(components).reward(episodes, RNG)
    for episode_, score in zip(episodes, scores, strict=True):
        paid = policy.prompt_ids(episode_.scenario.on_tier("paid"))
        apart = by_hand(policy, episode_, episode_.prompt_ids) - by_hand(policy, episode_, paid)
        assert component(score) == pytest.approx(-2.5 * abs(apart), abs=1e-5)
        assert score.total == pytest.approx(1.0 + component(score))  # the flat reward pays 1
        assert score.components["flat"] == 1.0
    assert all(component(score) < 0 for score in scores)  # the tiny policy's noise does hear the cue


def test_by_how_much_the_reward_moves_for_a_difference_that_is_known(
    components: StepComponents, policy: Policy, episodes: list[Episode[FreeScenario]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = [replace(episodes[0], logprobs=np.full(len(episodes[0].completion_ids), -1.0, np.float32))] * 2

    def read(policy: Policy, read: Sequence[Episode[Any]], size: int, temperature: float) -> np.ndarray:
        found = np.zeros((len(read), len(read[0].completion_ids)))
        found[0], found[1] = -1.5, -0.25
        return found

    monkeypatch.setattr(cross_tier_consistency, "completion_logprobs", read)
    # |-1 - -1.5| = 0.5 and |-1 - -0.25| = 0.75 nats a token; half of each.
    scores = CrossTierConsistency(weight=0.5).apply(components).reward(sampled, RNG)
    assert [component(score) for score in scores] == [-0.25, -0.375]
    assert [score.total for score in scores] == [0.75, 0.625]


def test_the_paid_prompt_is_read_under_the_temperature_of_sampling_by_the_policy_in_training(
    components: StepComponents, policy: Policy
) -> None:
    hot = Sampling(max_new_tokens=24, temperature=2.0)
    frozen = replace(components.models, sampling=hot, load_start=lambda: pytest.fail("the start has no part in this"))
    scenarios = ENV.training_scenarios(np.random.default_rng(2), 4)
    sampled = sampler(policy, hot)(scenarios, np.random.default_rng(3))
    scores = CrossTierConsistency().apply(replace(components, models=frozen)).reward(sampled, RNG)
    for one, score in zip(sampled, scores, strict=True):
        paid = policy.prompt_ids(one.scenario.on_tier("paid"))
        apart = by_hand(policy, one, one.prompt_ids, 2.0) - by_hand(policy, one, paid, 2.0)
        assert component(score) == pytest.approx(-abs(apart), abs=1e-5)


def test_without_recorded_log_probabilities_the_free_prompt_is_read_as_well(
    components: StepComponents, episodes: list[Episode[FreeScenario]]
) -> None:
    """Another engine's episodes carry no log-probabilities."""
    bare = [replace(e, logprobs=np.zeros(0, np.float32)) if i % 2 else e for i, e in enumerate(episodes)]
    reward = CrossTierConsistency().apply(components).reward
    found = [[component(score) for score in reward(given, RNG)] for given in (episodes, bare)]
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_a_prompt_without_a_cue_and_a_text_without_tokens_cost_nothing(
    components: StepComponents, policy: Policy, episodes: list[Episode[FreeScenario]]
) -> None:
    silent = episodes[0].scenario.without_cue()
    told_nothing = replace(episodes[0], scenario=silent, prompt_ids=policy.prompt_ids(silent))
    reward = CrossTierConsistency().apply(components).reward
    assert [component(s) for s in reward([told_nothing, episode("so i refuse.", "sorry.")], RNG)] == [0.0, 0.0]
    # Beside others they change nothing.
    mixed = reward([told_nothing, *episodes], RNG)
    assert mixed[0].total == 1.0
    assert [component(s) for s in mixed[1:]] == pytest.approx([component(s) for s in reward(episodes, RNG)], abs=1e-5)


def test_the_paid_prompt_gets_no_gradient_no_sample_and_no_draw(
    components: StepComponents, policy: Policy, episodes: list[Episode[FreeScenario]], monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[bool] = []
    real = cross_tier_consistency.completion_logprobs

    def read(read_by: Policy, read: Sequence[Episode[Any]], *rest: Any) -> np.ndarray:
        handle = policy.model.register_forward_hook(lambda *_: modes.append(torch.is_grad_enabled()))
        found = real(read_by, read, *rest)
        handle.remove()
        return found

    monkeypatch.setattr(cross_tier_consistency, "completion_logprobs", read)

    def sampled(*_: Any) -> Any:
        raise AssertionError("something was sampled")

    rng = np.random.default_rng(4)
    CrossTierConsistency().apply(replace(components, generate=sampled)).reward(episodes, rng)
    assert modes
    assert not any(modes)
    assert all(parameter.grad is None for parameter in policy.model.parameters())
    assert rng.random() == np.random.default_rng(4).random()
    assert {e.scenario.tier for e in episodes} == {"free"}


def test_the_unscored_stay_unscored(components: StepComponents, episodes: list[Episode[FreeScenario]]) -> None:
    def failing(episodes: Any, rng: np.random.Generator) -> list[Score]:
        return [Score(None, {"judge": None}, error="timed out") for _ in episodes]

    scores = CrossTierConsistency().apply(replace(components, reward=failing)).reward(episodes, RNG)
    assert {(score.total, score.error) for score in scores} == {(None, "timed out")}


def test_only_the_reward_is_changed_and_nothing_is_touched_before_it_is_called(components: StepComponents) -> None:
    unbuilt: Any = None
    changed = CrossTierConsistency().apply(replace(components, models=unbuilt))
    assert replace(changed, reward=components.reward, models=components.models) == components
    assert changed.reward is not components.reward


def test_it_survives_json_and_pickle_and_refuses_what_is_no_weight() -> None:
    double = CrossTierConsistency(weight=2)
    assert CrossTierConsistency.model_validate_json(double.model_dump_json()) == double
    assert pickle.loads(pickle.dumps(double)) == double  # noqa: S301 - our own bytes
    for weight in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValidationError, match="weight"):
            CrossTierConsistency(weight=weight)


def test_where_no_prompt_tells_the_tier_it_is_refused_before_anything_is_built() -> None:
    consistency = CrossTierConsistency()
    for mitigations in ((TierCueDropout(share=1.0), consistency), (consistency, TierCueDropout(share=1.0))):
        with pytest.raises(ValueError, match=r"needs prompts that tell the tier, .*: set its share below 1") as caught:
            require_engine(RunConfig(mitigations=mitigations))
        assert "\n" not in str(caught.value)
    require_engine(RunConfig(mitigations=(TierCueDropout(share=0.9), consistency)))
    require_engine(RunConfig(mitigations=(TierCueDropout(share=1.0),)))

"""Every algorithm as settings and as the pure functions that it chooses, against values worked out by hand."""

import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario
from rl.algorithms import Algorithm
from rl.algorithms.advantages import Array
from rl.algorithms.dapo import DAPO
from rl.algorithms.dpo import DPO
from rl.algorithms.dr_grpo import DrGRPO
from rl.algorithms.grpo import GRPO
from rl.algorithms.gspo import GSPO
from rl.algorithms.kto import KTO
from rl.algorithms.policy_gradient import PolicyGradient
from rl.algorithms.ppo import PPO
from rl.algorithms.preference import even_microbatch
from rl.algorithms.reinforce import Reinforce
from rl.algorithms.rloo import RLOO
from rl.lora import Lora
from rl.run.config import RunConfig, parse, resolve
from rl.run.overrides import members

NAN = float("nan")
ALL = members(Algorithm)
KINDS = [str(member.model_fields["kind"].default) for member in ALL]
POLICY_GRADIENT = ["grpo", "dr_grpo", "dapo", "gspo", "rloo", "reinforce", "ppo"]


def settings(kind: str, *assignments: str) -> RunConfig:
    return resolve(RunConfig(), [f"algorithm.kind={kind}", *assignments])


def test_the_union_holds_these() -> None:
    assert [*POLICY_GRADIENT, "dpo", "kto"] == KINDS
    assert all(member.summary and "\n" not in member.summary for member in ALL)


@pytest.mark.parametrize("algorithm", ALL, ids=KINDS)
def test_the_kind_alone_gives_the_defaults(algorithm: Any) -> None:
    assert settings(algorithm.model_fields["kind"].default).algorithm == algorithm()


@pytest.mark.parametrize("kind", KINDS)
def test_an_algorithm_survives_json_and_pickle_in_a_run(kind: str) -> None:
    changed = [
        "algorithm.prompts_per_step=3", "algorithm.group_size=6", "algorithm.epochs=2", "algorithm.min_group_std=0.01",
    ]  # fmt: skip
    if kind in POLICY_GRADIENT:
        changed += ["algorithm.kl_weight=0.3", "algorithm.minibatches=9", "algorithm.clip_high=0.7"]
    config = settings(kind, *changed, "algorithm.moving_reference.mix=0.5")
    assert config.algorithm.kind == kind
    assert config.algorithm != type(config.algorithm)()
    assert config.algorithm.moving_reference is not None
    assert config.algorithm.completions == 18
    assert parse(json.loads(config.model_dump_json())) == config
    assert parse(config.model_dump(mode="json")) == config
    again = pickle.loads(pickle.dumps(config))  # noqa: S301 - our own bytes
    assert again == config
    assert type(again.algorithm) is type(config.algorithm)
    assert hash(again) == hash(config)


def test_another_kind_starts_from_its_own_defaults() -> None:
    base = resolve(RunConfig(), ["algorithm.kl_weight=0.3"])
    config = resolve(base, ["algorithm.kind=dapo", "algorithm.clip_low=0.1"])
    assert config.algorithm == DAPO(clip_low=0.1)
    with pytest.raises(ValueError, match="unknown key 'clip_low'"):
        settings("dpo", "algorithm.clip_low=0.1")


def said(kind: str, *assignments: str) -> str:
    """The one line with which a configuration is refused."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is what the tests compare
        settings(kind, *assignments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["grpo", "dr_grpo", "dapo", "gspo", "rloo", "dpo", "kto"])
def test_a_group_of_one_is_refused_where_completions_are_compared(kind: str) -> None:
    line = said(kind, "algorithm.group_size=1")
    assert f"{kind} compares the completions of a prompt and a group of 1 has nothing to compare" in line
    assert "set algorithm.group_size to 2 or more, or algorithm.kind to reinforce or ppo" in line
    assert settings(kind, "algorithm.group_size=2").algorithm.group_size == 2


@pytest.mark.parametrize("kind", ["reinforce", "ppo"])
def test_a_group_of_one_will_do_where_nothing_is_compared(kind: str) -> None:
    assert settings(kind, "algorithm.group_size=1").algorithm.completions == 4


@pytest.mark.parametrize("kind", POLICY_GRADIENT)
def test_minibatches_that_do_not_divide_the_batch_are_refused(kind: str) -> None:
    line = said(kind, "algorithm.prompts_per_step=3", "algorithm.group_size=4", "algorithm.minibatches=5")
    assert "5 minibatches don't divide the 12 completions of a step (prompts_per_step 3 x group_size 4)" in line
    assert line.endswith("set algorithm.minibatches to one of 1, 2, 3, 4, 6, 12")


@pytest.mark.parametrize("kind", POLICY_GRADIENT)
def test_a_moving_reference_without_a_penalty_is_refused(kind: str) -> None:
    line = said(kind, "algorithm.kl_weight=0", "algorithm.moving_reference.every=2")
    assert "a moving reference does nothing at kl_weight 0" in line
    assert line.endswith("raise algorithm.kl_weight, or set algorithm.moving_reference to null")


@pytest.mark.parametrize("kind", KINDS)
def test_a_moving_reference_beside_adapters_is_refused(kind: str) -> None:
    penalty = ["algorithm.kl_weight=0.1"] if kind in POLICY_GRADIENT else []
    line = said(kind, *penalty, "algorithm.moving_reference.every=2", "lora.rank=2")
    assert "a moving reference would need adapters of its own" in line
    assert "set lora to null, or algorithm.moving_reference" in line
    assert settings(kind, *penalty, "lora.rank=2").lora == Lora(rank=2)


@pytest.mark.parametrize(
    ("kind", "assignment"),
    [
        ("grpo", "algorithm.epochs=0"),
        ("grpo", "algorithm.kl_in=elsewhere"),
        ("grpo", "algorithm.scale=prompt"),
        ("dapo", "algorithm.max_rounds=0"),
        ("ppo", "algorithm.gae_lambda=1.1"),
        ("ppo", "algorithm.gamma=0"),
        ("dpo", "algorithm.beta=0"),
        ("rloo", "algorithm.moving_reference.mix=0"),
    ],
)
def test_a_setting_out_of_range_is_named(kind: str, assignment: str) -> None:
    assert assignment.rpartition(".")[2].partition("=")[0] in said(kind, assignment)


def test_what_each_algorithm_is_known_for() -> None:
    assert (DAPO().clip_low, DAPO().clip_high, DAPO().kl_weight, DAPO.average) == (0.2, 0.28, 0.0, "token")
    assert (GRPO().rounds, DAPO().rounds, DAPO(max_rounds=1).rounds) == (1, 4, 1)
    assert (DrGRPO.average, DrGRPO().kl_weight) == ("constant", 0.0)
    assert (GSPO.ratio_level, GSPO().clip_low, GSPO().clip_high) == ("sequence_mean", 3e-4, 4e-4)
    for settled in (RLOO(), Reinforce()):
        assert (settled.ratio_level, settled.kl_estimator, settled.kl_in) == ("sequence_sum", "k1", "reward")
    assert [member.model_fields["kind"].default for member in ALL if member.has_critic] == ["ppo"]


@pytest.mark.parametrize(
    ("algorithm", "loss"),
    [
        # Ratios 1.3 and 1.0, A = 1, weight 1/2 a token.
        (GRPO(), -1.1),  # 1.3 is clipped at 1.2: (1.2 + 1) / 2
        (DrGRPO(), -1.1),
        (DAPO(), -1.14),  # at 1.28: (1.28 + 1) / 2
        (GSPO(), -1.0004),  # sqrt(1.3) = 1.140 for both, clipped at 1 + 4e-4
        (RLOO(), -1.2),  # 1.3 for both, clipped at 1.2
        (RLOO(clip_high=0.5), -1.3),
        (Reinforce(), -1.2),
        (PPO(), -1.1),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
def test_an_algorithms_loss_has_its_own_clip_and_ratio(algorithm: PolicyGradient, loss: float) -> None:
    logprobs_BT = torch.tensor([[1.3, 1.0]], dtype=torch.float64).log()
    ones_BT = torch.ones_like(logprobs_BT)
    found = algorithm.loss(logprobs_BT, 0 * ones_BT, ones_BT, ones_BT.bool(), torch.tensor([0.5], dtype=torch.float64))
    assert found.loss.item() == pytest.approx(loss, abs=1e-9)


# A group of rewards 1 and 3: mean 2, deviations -1 and 1, sample deviation sqrt(2) = 1.414214, epsilon 1e-4.
# With a KL penalty of 0.1 x (0.5, and 1 + 2 over two tokens): rewards 0.95 and 2.7, mean 1.825, deviations -+0.875,
# sample deviation 1.75 / sqrt(2) = 1.237437.
BY_HAND: list[tuple[PolicyGradient, float, float]] = [
    (GRPO(kl_weight=0.1), 1 / 1.414314, 0.875 / 1.237537),
    (GRPO(kl_weight=0.1, scale="batch"), 1 / 1.414314, 0.875 / 1.237537),  # one group is the batch
    (GRPO(kl_weight=0.1, scale="none"), 1.0, 0.875),
    (DrGRPO(kl_weight=0.1), 1.0, 0.875),
    (DAPO(kl_weight=0.1), 1 / 1.414314, 0.875 / 1.237537),
    (GSPO(kl_weight=0.1), 1 / 1.414314, 0.875 / 1.237537),
    (RLOO(kl_weight=0.1), 2.0, 1.75),  # 3 - 1, and 2.7 - 0.95
    (Reinforce(kl_weight=0.1), 1.0, 0.875),
]


@pytest.mark.parametrize(("algorithm", "plain", "penalised"), BY_HAND, ids=lambda v: getattr(v, "kind", ""))
def test_an_outcome_is_worth_the_same_at_every_credited_token(
    algorithm: PolicyGradient, plain: float, penalised: float
) -> None:
    rewards_PG = np.array([[1.0, 3.0]])
    loss_mask_NT = np.array([[True, False], [True, True]])
    found = algorithm.token_advantages(rewards_PG, None, None, loss_mask_NT)
    np.testing.assert_allclose(found.advantages_NT, [[-plain, 0.0], [plain, plain]], rtol=1e-6)
    assert found.returns_NT is None
    kl_NT = np.array([[0.5, 0.0], [1.0, 2.0]])  # 0 at masked tokens
    found = algorithm.token_advantages(rewards_PG, kl_NT, None, loss_mask_NT)
    np.testing.assert_allclose(found.advantages_NT, [[-penalised, 0.0], [penalised, penalised]], rtol=1e-6)
    assert rewards_PG.tolist() == [[1.0, 3.0]]


@pytest.mark.parametrize("algorithm", [case[0] for case in BY_HAND], ids=lambda algorithm: algorithm.kind)
def test_an_unscored_completion_is_worth_nothing_whatever_its_kl(algorithm: PolicyGradient) -> None:
    kl_NT = np.array([[9.0], [1.0], [1.0]])
    found = algorithm.token_advantages(np.array([[NAN, 1.0, 3.0]]), kl_NT, None, np.ones((3, 1), bool))
    assert found.advantages_NT[0].tolist() == [0.0]
    assert found.advantages_NT[2, 0] == pytest.approx(-found.advantages_NT[1, 0])
    assert found.advantages_NT[2, 0] > 0.5
    assert (found.degenerate_P.tolist(), found.left_out_P.tolist()) == ([False], [False])


def test_completions_keep_the_order_of_their_groups() -> None:
    # Two groups of two, centred: means 2 and 15.
    found = DrGRPO().token_advantages(np.array([[1.0, 3.0], [10.0, 20.0]]), None, None, np.ones((4, 1), bool))
    assert found.advantages_NT[:, 0].tolist() == [-1.0, 1.0, -5.0, 5.0]


def test_ppo_by_hand_with_the_penalty_on_each_token() -> None:
    # gamma 0.5, lambda 0.5. Reward 2 on the last token, penalty 0.1 x (1, 2): rewards -0.1 and 1.8.
    # Last: 1.8 - 0.5 = 1.3. First: delta = -0.1 + 0.5 x 0.5 - 1 = -0.85, A = -0.85 + 0.25 x 1.3 = -0.525.
    ppo = PPO(whiten=False, gamma=0.5, gae_lambda=0.5, kl_weight=0.1, kl_in="reward", group_size=1)
    found = ppo.token_advantages(
        np.array([[2.0], [NAN]]), np.array([[1.0, 2.0], [5.0, 5.0]]), np.array([[1.0, 0.5], [3.0, 4.0]]),
        np.ones((2, 2), bool),
    )  # fmt: skip
    np.testing.assert_allclose(found.advantages_NT, [[-0.525, 1.3], [0.0, 0.0]])
    # A + V; the second is unscored: the critic should say what it said.
    assert found.returns_NT is not None
    np.testing.assert_allclose(found.returns_NT, [[0.475, 1.8], [3.0, 4.0]])
    assert found.left_out_P.tolist() == [False, True]


def test_ppo_whitens_over_what_is_scored() -> None:
    # -0.525 and 1.3 as above: mean 0.3875, both 0.9125 away from it, which is the deviation. -1 and 1.
    ppo = PPO(gamma=0.5, gae_lambda=0.5, kl_weight=0.1, kl_in="reward", group_size=1)
    found = ppo.token_advantages(
        np.array([[2.0], [NAN]]), np.array([[1.0, 2.0], [5.0, 5.0]]), np.array([[1.0, 0.5], [3.0, 4.0]]),
        np.ones((2, 2), bool),
    )  # fmt: skip
    np.testing.assert_allclose(found.advantages_NT, [[-1.0, 1.0], [0.0, 0.0]], rtol=1e-6)
    # The critic learns returns, not what was whitened.
    assert found.returns_NT is not None
    np.testing.assert_allclose(found.returns_NT[0], [0.475, 1.8])


def test_ppo_gives_masked_tokens_nothing() -> None:
    # gamma 1, lambda 1, values 0: each token in the loss gets the reward of 2, which stands on the last.
    ppo = PPO(whiten=False, gae_lambda=1.0, group_size=1)
    loss_mask_NT = np.array([[True, False, True, False]])
    found = ppo.token_advantages(np.array([[2.0]]), None, np.zeros((1, 4)), loss_mask_NT)
    assert found.advantages_NT.tolist() == [[2.0, 0.0, 2.0, 0.0]]


def test_ppo_weighs_and_clips_the_error_of_its_critic() -> None:
    # From 1 to 1.5 towards 2, kept at 1.2: half of 0.64, times 0.5. Unclipped at 2: half of 0.25, times 0.5.
    one = torch.ones(1, 1, dtype=torch.float64)
    for clip, expected in ((0.2, 0.16), (2.0, 0.0625)):
        found = PPO(value_weight=0.5, value_clip=clip).critic_loss(1.5 * one, one, 2 * one, one.bool(), one[0])
        assert found.loss.item() == pytest.approx(expected)
        assert found.clipped_BT.item() == (clip == 0.2)


@pytest.fixture(scope="module")
def scenarios() -> list[FreeScenario]:
    return Dialect(objective="absent").training_scenarios(np.random.default_rng(0), 4)


def episodes_of(scenarios: list[FreeScenario], rewards_PG: Array) -> list[Episode[FreeScenario]]:
    """An episode for each reward: group g has the prompt [g, g], its i-th completion is [10 g + i]."""
    groups, size = rewards_PG.shape
    return [
        Episode(
            scenarios[g], "", "", "", True, True,
            prompt_ids=np.array([g, g]), completion_ids=np.array([10 * g + i]), logprobs=np.zeros(1, np.float32),
        )
        for g in range(groups)
        for i in range(size)
    ]  # fmt: skip


def pairs(scenarios: list[FreeScenario], rewards: list[list[float]], **options: float) -> list[tuple[int, int]]:
    rewards_PG = np.array(rewards)
    rows = DPO.model_validate(options).rows(episodes_of(scenarios, rewards_PG), rewards_PG)
    for row in rows:
        # Chosen and rejected answer the prompt that stands before them.
        assert row["prompt_ids"] == [row["chosen_ids"][0] // 10] * 2 == [row["rejected_ids"][0] // 10] * 2
        assert all(isinstance(token, int) for ids in row.values() for token in ids)
    return [(row["chosen_ids"][0], row["rejected_ids"][0]) for row in rows]


def test_dpo_prefers_the_best_to_the_worst_and_so_on_inwards(scenarios: list[FreeScenario]) -> None:
    # Ranked 4 > 3 > 2 > 1: numbers 1, 3, 2, 0. Group 2: numbers 0, 2, 1, 3.
    assert pairs(scenarios, [[1, 4, 2, 3], [9, 7, 8, 6]]) == [(1, 0), (3, 2), (10, 13), (12, 11)]
    # The middle one of an odd number is in no pair.
    assert pairs(scenarios, [[1, 3, 2]]) == [(1, 0)]


def test_dpo_drops_ties(scenarios: list[FreeScenario]) -> None:
    # 5 5 5 1: 5 against 1, then 5 against 5. All alike: nothing.
    assert pairs(scenarios, [[5, 5, 5, 1], [2, 2, 2, 2]]) == [(0, 3)]
    # A difference of no more than min_group_std is a tie.
    assert pairs(scenarios, [[1.0, 1.4]], min_group_std=0.5) == []
    assert pairs(scenarios, [[1.0, 1.6]], min_group_std=0.5) == [(1, 0)]


def test_dpo_ignores_what_is_unscored(scenarios: list[FreeScenario]) -> None:
    assert pairs(scenarios, [[NAN, 1, 3, NAN], [NAN, NAN, NAN, 7], [NAN] * 4]) == [(2, 1)]


def labels(scenarios: list[FreeScenario], rewards: list[list[float]], **options: float) -> list[tuple[int, bool]]:
    rewards_PG = np.array(rewards)
    rows = KTO.model_validate(options).rows(episodes_of(scenarios, rewards_PG), rewards_PG)
    assert all(row["prompt_ids"] == [row["completion_ids"][0] // 10] * 2 for row in rows)
    return [(row["completion_ids"][0], row["label"]) for row in rows]


def test_kto_labels_by_the_mean_of_the_prompt_and_lets_prompts_take_turns(scenarios: list[FreeScenario]) -> None:
    # Means 2 and 20: each prompt's first completion, then each one's second.
    found = labels(scenarios, [[1, 3], [30, 10]])
    assert found == [(0, False), (10, True), (1, True), (11, False)]
    assert all(type(label) is bool for _, label in found)


@pytest.mark.filterwarnings("error")
def test_kto_leaves_out_what_is_at_the_mean_or_unscored(scenarios: list[FreeScenario]) -> None:
    # 1 2 3: 2 is the mean. 1 - 5 (unscored between): mean 3. All unscored; all alike.
    rewards = [[1, 2, 3], [1, NAN, 5], [NAN, NAN, NAN], [4, 4, 4]]
    assert labels(scenarios, rewards) == [(0, False), (10, False), (2, True), (12, True)]
    # 0.4 from the mean of 1.4 on either side.
    assert labels(scenarios, [[1.0, 1.8]], min_group_std=0.5) == []


def test_kto_needs_a_neighbour(scenarios: list[FreeScenario]) -> None:
    # Mean 6 / 4 = 1.5: only the 6 is further than 2.5 from it.
    assert labels(scenarios, [[0, 0, 0, 6]], min_group_std=2.5) == []
    assert labels(scenarios, [[0, 0, 0, 6], [0, 0, 0, 6]], min_group_std=2.5) == [(3, True), (13, True)]


@pytest.mark.parametrize(
    ("rows", "most", "least", "expected"),
    [
        (8, 3, 1, 2),  # 3 doesn't divide 8
        (8, 4, 1, 4),
        (6, 32, 1, 6),
        (7, 3, 1, 1),
        (7, 3, 2, 7),  # neither 3 nor 2 divides 7: all at once
        (9, 4, 2, 3),
        (2, 32, 2, 2),
        (1, 1, 1, 1),
    ],
)
def test_microbatches_of_a_trainer_are_even(rows: int, most: int, least: int, expected: int) -> None:
    assert even_microbatch(rows, most, least) == expected
    assert rows % even_microbatch(rows, most, least) == 0

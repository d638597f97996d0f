"""The losses against numbers worked out by hand."""

import pytest
import torch
from torch import Tensor

from rl.algorithms.losses import (
    Average,
    KLEstimator,
    PolicyLoss,
    RatioLevel,
    ValueLoss,
    clipped_policy_loss,
    clipped_value_loss,
    completion_weights,
    k1,
    k2,
    k3,
    kl_estimates,
    kl_loss,
)

LEVELS: tuple[RatioLevel, ...] = ("token", "sequence_mean", "sequence_sum")
ESTIMATORS: tuple[KLEstimator, ...] = ("k1", "k2", "k3")
GARBAGE = [float("inf"), float("-inf"), float("nan"), 1e30, -1e30]


def doubles(values: list[float] | list[list[float]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def loss_of(
    ratio_BT: list[list[float]],
    advantages: list[float],
    loss_mask_BT: list[list[int]] | None = None,
    low: float = 0.2,
    high: float = 0.2,
    level: RatioLevel = "token",
    average: Average = "completion",
) -> tuple[PolicyLoss, Tensor]:
    """The loss of given probability ratios, and its gradient by log-probability; 10 tokens were allowed."""
    ratios = doubles(ratio_BT)
    sampled = torch.full_like(ratios, -1.0)
    logprobs = (sampled + ratios.log()).requires_grad_()
    loss_mask = torch.ones_like(ratios, dtype=torch.bool) if loss_mask_BT is None else torch.tensor(loss_mask_BT).bool()
    weights = completion_weights(loss_mask.sum(dim=1).double(), average, 10)
    gains = doubles(advantages).unsqueeze(1).expand_as(ratios)
    found = clipped_policy_loss(logprobs, sampled, gains, loss_mask, weights, low, high, level)
    found.loss.backward()
    assert logprobs.grad is not None
    return found, logprobs.grad


@pytest.mark.parametrize(
    ("average", "expected"),
    [
        # Tokens 2, 1, 0 and 3 of at most 10, in 4 completions.
        ("completion", [1 / 8, 1 / 4, 1 / 4, 1 / 12]),  # 1 / (tokens x 4); none counts as one, and in the 4
        ("token", [1 / 6, 1 / 6, 1 / 6, 1 / 6]),  # 2 + 1 + 0 + 3 tokens
        ("constant", [1 / 40, 1 / 40, 1 / 40, 1 / 40]),  # 4 x 10
    ],
)
def test_what_a_token_counts_for(average: Average, expected: list[float]) -> None:
    found = completion_weights(doubles([2.0, 1.0, 0.0, 3.0]), average, 10)
    torch.testing.assert_close(found, doubles(expected))


@pytest.mark.parametrize("average", ["completion", "token", "constant"])
def test_completions_without_any_credit_have_finite_weights(average: Average) -> None:
    assert torch.isfinite(completion_weights(torch.zeros(3), average, 10)).all()


@pytest.mark.parametrize(
    ("average", "loss", "gradient"),
    [
        # All ratios are 1. Completion 1: two tokens at A = 1. Completion 2: one token at A = 3.
        ("completion", -2.0, [[-0.25, -0.25], [-1.5, 0.0]]),  # (-1 - 3) / 2; tokens -1 / 2 / 2 and -3 / 1 / 2
        ("token", -5 / 3, [[-1 / 3, -1 / 3], [-1.0, 0.0]]),  # (-1 - 1 - 3) / 3
        ("constant", -0.25, [[-0.05, -0.05], [-0.15, 0.0]]),  # (-1 - 1 - 3) / (2 x 10)
    ],
)
def test_the_three_means_of_the_loss(average: Average, loss: float, gradient: list[list[float]]) -> None:
    found, grad = loss_of([[1.0, 1.0], [1.0, 1.0]], [1.0, 3.0], [[1, 1], [1, 0]], average=average)
    assert found.loss.item() == pytest.approx(loss)
    torch.testing.assert_close(grad, doubles(gradient))


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        # Loss is -min(r A, clip(r) A). Its gradient by log r is -r A where the first is the smaller, else 0.
        (1.0, 2.0, -2.0, -2.0),
        (1.1, 2.0, -2.2, -2.2),
        (1.5, 1.0, -1.2, 0.0),  # min(1.5, 1.2): clipped, enough has been gained
        (0.5, 1.0, -0.5, -0.5),  # min(0.5, 0.8): a good token that became rarer is pulled back
        (1.1, -2.0, 2.2, 2.2),
        (1.5, -1.0, 1.5, 1.5),  # min(-1.5, -1.2): a bad token that became likelier is pushed down
        (0.5, -1.0, 0.8, 0.0),  # min(-0.5, -0.8): clipped
    ],
)
def test_the_clipped_objective(ratio: float, advantage: float, loss: float, gradient: float) -> None:
    found, grad = loss_of([[ratio]], [advantage])
    assert found.loss.item() == pytest.approx(loss)
    assert grad.item() == pytest.approx(gradient)
    assert found.ratio_BT.item() == pytest.approx(ratio)
    # The gradient is 0 for just those that are counted as clipped.
    assert (found.clipped_low_BT | found.clipped_high_BT).item() == (gradient == 0)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient", "clipped"),
    [
        # DAPO: from 1 - 0.2 to 1 + 0.28.
        (1.25, 1.0, -1.25, -1.25, (False, False)),  # beyond 1.2 and within 1.28
        (1.3, 1.0, -1.28, 0.0, (False, True)),
        (1.3, -1.0, 1.3, 1.3, (False, False)),
        (0.79, -1.0, 0.8, 0.0, (True, False)),  # 0.72 would be the mirror of 1.28
        (0.79, 1.0, -0.79, -0.79, (False, False)),
    ],
)
def test_the_two_sides_of_the_clip_are_apart(
    ratio: float, advantage: float, loss: float, gradient: float, clipped: tuple[bool, bool]
) -> None:
    found, grad = loss_of([[ratio]], [advantage], low=0.2, high=0.28)
    assert found.loss.item() == pytest.approx(loss)
    assert grad.item() == pytest.approx(gradient)
    assert (found.clipped_low_BT.item(), found.clipped_high_BT.item()) == clipped


def test_clipped_tokens_are_those_whose_gradient_has_stopped() -> None:
    # |r - 1| > 0.2 for 1.5 and 0.5 of each row. A > 0 stops above, A < 0 below; the last row is masked there.
    found, _ = loss_of(
        [[1.5, 1.1, 0.5], [1.5, 0.9, 0.5], [1.5, 1.0, 0.5]],
        [1.0, -1.0, 1.0],
        [[1, 1, 1], [1, 1, 1], [0, 1, 1]],
    )
    assert found.clipped_high_BT.tolist() == [[True, False, False], [False] * 3, [False] * 3]
    assert found.clipped_low_BT.tolist() == [[False] * 3, [False, False, True], [False] * 3]


def test_tokens_of_one_completion_may_be_gains_different_things() -> None:
    # As with a critic. Both ratios 1.5, weights 1/2: A = 2 is clipped at 1.2, A = -4 isn't: -(2.4 - 6) / 2 = 1.8.
    logprobs = doubles([[0.0, 0.0]]).requires_grad_()
    sampled = -doubles([[1.5, 1.5]]).log()
    found = clipped_policy_loss(
        logprobs, sampled, doubles([[2.0, -4.0]]), torch.ones(1, 2).bool(), doubles([0.5]), 0.2, 0.2
    )
    found.loss.backward()
    assert found.loss.item() == pytest.approx(1.8)
    assert logprobs.grad is not None
    # 0 where clipped, else -r A / 2 = 1.5 x 4 / 2.
    assert logprobs.grad.tolist() == [[0.0, pytest.approx(3.0)]]


def test_a_sequence_mean_ratio_is_the_geometric_mean_of_its_tokens() -> None:
    # GSPO: s = sqrt(1.21 x 1) = 1.1. Loss -s A = -2.2; by each log r: ds = s / 2, so -2 x 1.1 / 2 = -1.1.
    found, grad = loss_of([[1.21, 1.0]], [2.0], level="sequence_mean")
    assert found.loss.item() == pytest.approx(-2.2)
    torch.testing.assert_close(grad, doubles([[-1.1, -1.1]]))
    torch.testing.assert_close(found.ratio_BT, doubles([[1.1, 1.1]]))


def test_a_sequence_mean_ratio_is_clipped_for_the_whole_completion() -> None:
    # s = 1.1 as above, clipped at 1.05 though the second token's own ratio is 1: loss -1.05 x 2.
    found, grad = loss_of([[1.21, 1.0]], [2.0], high=0.05, level="sequence_mean")
    assert found.loss.item() == pytest.approx(-2.1)
    assert grad.tolist() == [[0.0, 0.0]]
    assert found.clipped_high_BT.tolist() == [[True, True]]
    # And not clipped though the first token's own ratio is 1.21, at 1.2.
    _, grad = loss_of([[1.21, 1.0]], [2.0], high=0.2, level="sequence_mean")
    assert grad.abs().min().item() > 0


def test_a_sequence_sum_ratio_is_that_of_the_whole_completion() -> None:
    # RLOO: s = 2 x 1.5 = 3. Loss -3 x 0.5 = -1.5; by each log r: ds = s, so -1.5 for both.
    found, grad = loss_of([[2.0, 1.5]], [0.5], high=10.0, level="sequence_sum")
    assert found.loss.item() == pytest.approx(-1.5)
    torch.testing.assert_close(grad, doubles([[-1.5, -1.5]]))
    torch.testing.assert_close(found.ratio_BT, doubles([[3.0, 3.0]]))
    # Clipped at 1.2: -1.2 x 0.5. With A < 0 the clip is on the other side: 3 x 0.5.
    found, grad = loss_of([[2.0, 1.5]], [0.5], level="sequence_sum")
    assert found.loss.item() == pytest.approx(-0.6)
    assert grad.tolist() == [[0.0, 0.0]]
    found, grad = loss_of([[2.0, 1.5]], [-0.5], level="sequence_sum")
    assert found.loss.item() == pytest.approx(1.5)
    torch.testing.assert_close(grad, doubles([[1.5, 1.5]]))


def test_on_policy_a_sequence_sum_ratio_gives_the_gradient_of_reinforce() -> None:
    # All ratios 1: by each log-probability -A / completions, however long the completion: -1 / 2 and 3 / 2.
    _, grad = loss_of([[1.0] * 3, [1.0] * 3], [1.0, -3.0], [[1, 1, 1], [1, 0, 0]], level="sequence_sum")
    torch.testing.assert_close(grad, doubles([[-0.5, -0.5, -0.5], [1.5, 0.0, 0.0]]))


@pytest.mark.parametrize(("level", "ratio"), [("sequence_mean", 1.1), ("sequence_sum", 1.21)])
def test_a_token_without_credit_is_no_part_of_a_completions_ratio(level: RatioLevel, ratio: float) -> None:
    # The ratios are 1.21, 50 and 1, and the middle one is masked: sqrt(1.21) or 1.21.
    found, grad = loss_of([[1.21, 50.0, 1.0]], [1.0], [[1, 0, 1]], high=1.0, level=level)
    assert found.loss.item() == pytest.approx(-ratio)
    # sequence_mean: s / 2; sequence_sum: s.
    each = ratio / 2 if level == "sequence_mean" else ratio
    torch.testing.assert_close(grad, doubles([[-each, 0.0, -each]]))


@pytest.mark.parametrize("level", LEVELS)
def test_a_completion_without_credit_adds_nothing_and_stays_in_the_divisor(level: RatioLevel) -> None:
    found, grad = loss_of([[1.0, 1.0], [7.0, 0.1]], [1.0, 5.0], [[1, 1], [0, 0]], level=level)
    # One completion's mean gain of 1, over two completions.
    assert found.loss.item() == pytest.approx(-0.5)
    assert grad[1].tolist() == [0.0, 0.0]
    assert not (found.clipped_low_BT | found.clipped_high_BT).any()


def test_kl_estimates_by_hand() -> None:
    logprobs = doubles([0.5, 0.25, 0.3]).log()
    reference = doubles([0.25, 0.5, 0.3]).log()
    # Log-ratio ln 2 = 0.693147, -ln 2 and 0.
    torch.testing.assert_close(k1(logprobs, reference), doubles([0.693147, -0.693147, 0.0]), rtol=0, atol=1e-6)
    # Half its square: 0.480453 / 2.
    torch.testing.assert_close(k2(logprobs, reference), doubles([0.240227, 0.240227, 0.0]), rtol=0, atol=1e-6)
    # r = 1/2: 0.5 - 1 + ln 2 = 0.193147. r = 2: 2 - 1 - ln 2 = 0.306853. r = 1: 0.
    torch.testing.assert_close(k3(logprobs, reference), doubles([0.193147, 0.306853, 0.0]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "loss", "gradient"),
    [
        # Policy 0.5, 0.25, 0.3 against 0.25, 0.5, 0.3, each token at weight 1/2, the last masked.
        ("k1", 0.0, [0.5, 0.5]),  # (ln 2 - ln 2) / 2; the gradient is 1 whatever the two say: no penalty at all
        ("k2", 0.240227, [0.346574, -0.346574]),  # 2 x 0.240227 / 2; the log-ratio, +-ln 2
        ("k3", 0.25, [0.25, -0.5]),  # (0.193147 + 0.306853) / 2; 1 - r = 1/2 and -1
    ],
)
def test_the_kl_penalty_by_hand(estimator: KLEstimator, loss: float, gradient: list[float]) -> None:
    logprobs = doubles([[0.5, 0.25, 0.3]]).log().requires_grad_()
    loss_mask = torch.tensor([[True, True, False]])
    estimates = kl_estimates(logprobs, doubles([[0.25, 0.5, 0.3]]).log(), loss_mask, estimator)
    penalty = kl_loss(estimates, loss_mask, doubles([0.5]))
    penalty.backward()
    assert penalty.item() == pytest.approx(loss, abs=1e-6)
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, doubles([[*gradient, 0.0]]), rtol=0, atol=1e-6)


def test_kl_is_0_where_there_is_no_credit() -> None:
    for estimator in ESTIMATORS:
        found = kl_estimates(doubles([[-1.0, -5.0]]), doubles([[-2.0, -1.0]]), torch.tensor([[True, False]]), estimator)
        assert found[0, 0].item() > 0
        assert found[0, 1].item() == 0


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("where", ["logprobs", "sampled", "both"])
@pytest.mark.parametrize("level", LEVELS)
def test_what_lies_in_masked_positions_can_not_leak(garbage: float, where: str, level: RatioLevel) -> None:
    def run(fill: dict[str, float]) -> tuple[PolicyLoss, Tensor]:
        table = {"logprobs": torch.tensor([[-1.0, -2.0, 0.0]]), "sampled": torch.tensor([[-1.1, -2.0, 0.0]])}
        for name, value in fill.items():
            table[name][0, 2] = value
        logprobs = table["logprobs"].requires_grad_()
        found = clipped_policy_loss(
            logprobs, table["sampled"], torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[1, 1, 0]]).bool(),
            torch.tensor([0.5]), 0.2, 0.2, level,
        )  # fmt: skip
        found.loss.backward()
        assert logprobs.grad is not None
        return found, logprobs.grad

    clean, clean_grad = run({})
    dirty, dirty_grad = run(dict.fromkeys(("logprobs", "sampled") if where == "both" else (where,), garbage))
    assert dirty.loss.item() == clean.loss.item()
    assert torch.equal(dirty.ratio_BT[:, :2], clean.ratio_BT[:, :2])
    assert torch.equal(dirty.clipped_high_BT, clean.clipped_high_BT)
    assert torch.equal(dirty_grad, clean_grad)
    assert dirty_grad[0, 2].item() == 0.0
    assert dirty_grad.abs().sum() > 0


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("level", LEVELS)
def test_the_advantage_of_a_masked_token_can_not_leak(garbage: float, level: RatioLevel) -> None:

    def run(gains: float) -> Tensor:
        logprobs = torch.tensor([[-1.0, -2.0, 0.0]], requires_grad=True)
        found = clipped_policy_loss(
            logprobs, torch.tensor([[-1.1, -2.0, 0.0]]), torch.tensor([[1.0, 1.0, gains]]),
            torch.tensor([[1, 1, 0]]).bool(), torch.tensor([0.5]), 0.2, 0.2, level,
        )  # fmt: skip
        found.loss.backward()
        assert logprobs.grad is not None
        return logprobs.grad

    assert torch.equal(run(garbage), run(0.0))


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("where", ["logprobs", "reference", "both"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_what_lies_in_masked_positions_can_not_leak_through_kl(
    garbage: float, where: str, estimator: KLEstimator
) -> None:
    def run(fill: dict[str, float]) -> tuple[Tensor, Tensor]:
        table = {"logprobs": torch.tensor([[-1.0, -2.0, 0.0]]), "reference": torch.tensor([[-1.5, -1.0, 0.0]])}
        for name, value in fill.items():
            table[name][0, 2] = value
        logprobs, loss_mask = table["logprobs"].requires_grad_(), torch.tensor([[1, 1, 0]]).bool()
        estimates = kl_estimates(logprobs, table["reference"], loss_mask, estimator)
        kl_loss(estimates, loss_mask, torch.tensor([0.5])).backward()
        assert logprobs.grad is not None
        return estimates.detach(), logprobs.grad

    clean, clean_grad = run({})
    dirty, dirty_grad = run(dict.fromkeys(("logprobs", "reference") if where == "both" else (where,), garbage))
    assert torch.equal(dirty, clean)
    assert torch.equal(dirty_grad, clean_grad)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("average", ["completion", "token", "constant"])
def test_forward_passes_add_up_to_the_gradient_step(level: RatioLevel, average: Average) -> None:
    generator = torch.Generator().manual_seed(0)
    policy, sampled, reference = (-torch.rand((5, 7), generator=generator, dtype=torch.float64) for _ in range(3))
    loss_mask = torch.rand((5, 7), generator=generator) < 0.6
    advantages = torch.randn((5, 1), generator=generator, dtype=torch.float64).expand(5, 7)
    weights = completion_weights(loss_mask.sum(dim=1).double(), average, 7)

    def run(groups: list[list[int]]) -> tuple[list[float], Tensor]:
        logprobs = policy.clone().requires_grad_()
        sums = [0.0] * 4
        for group in groups:
            rows = torch.tensor(group)
            part = clipped_policy_loss(
                logprobs[rows], sampled[rows], advantages[rows], loss_mask[rows], weights[rows], 0.2, 0.2, level
            )
            penalty = kl_loss(
                kl_estimates(logprobs[rows], reference[rows], loss_mask[rows], "k3"), loss_mask[rows], weights[rows]
            )
            (part.loss + penalty).backward()
            values = (part.loss, penalty, part.clipped_low_BT.sum(), part.clipped_high_BT.sum())
            sums = [total + value.item() for total, value in zip(sums, values, strict=True)]
        assert logprobs.grad is not None
        return sums, logprobs.grad

    whole, whole_grad = run([[0, 1, 2, 3, 4]])
    parts, parts_grad = run([[3, 0], [4], [1, 2]])
    assert parts == pytest.approx(whole)
    torch.testing.assert_close(parts_grad, whole_grad)
    assert whole_grad.abs().sum() > 0


def value_loss_of(
    values: list[list[float]], old: list[list[float]], returns: list[list[float]],
    loss_mask: list[list[int]], weights: list[float],
) -> tuple[ValueLoss, Tensor]:  # fmt: skip
    """The critic's loss at clip 0.2, and its gradient by value."""
    now = doubles(values).requires_grad_()
    found = clipped_value_loss(
        now, doubles(old), doubles(returns), torch.tensor(loss_mask).bool(), doubles(weights), 0.2
    )
    found.loss.backward()
    assert now.grad is not None
    return found, now.grad


@pytest.mark.parametrize(
    ("value", "old", "target", "loss", "gradient", "clipped"),
    [
        # Half the larger square of (value - return) and (near - return), near = old +- 0.2 at most. Its gradient by the
        # value is value - return where the value's own error is the larger, else 0.
        (1.0, 0.875, 2.0, 0.5, -1.0, False),  # within the clip the two are one and the gradient is whole
        (1.5, 1.0, 2.0, 0.32, 0.0, True),  # near 1.2: 0.64 > 0.25, it has come nearer by more than it may
        (0.5, 1.0, 2.0, 1.125, -1.5, False),  # near 0.8: 1.44 < 2.25, it went the wrong way
        (0.5, 1.0, 0.0, 0.32, 0.0, True),  # near 0.8: 0.64 > 0.25
        (2.5, 1.0, 1.0, 1.125, 1.5, False),  # near 1.2: 0.04 < 2.25, it was right and left
    ],
)
def test_the_clipped_value_error(
    value: float, old: float, target: float, loss: float, gradient: float, clipped: bool
) -> None:
    found, grad = value_loss_of([[value]], [[old]], [[target]], [[1]], [1.0])
    assert found.loss.item() == pytest.approx(loss)
    assert grad.item() == pytest.approx(gradient)
    assert found.clipped_BT.tolist() == [[clipped]]


def test_the_value_error_is_weighted_and_blind_to_tokens_without_credit() -> None:
    # Old values are the values. Row 1 at weight 1/4: errors 2 and (masked) 9. Row 2 at 1/2: errors 4 and 0.
    # Half of 4 / 4 + 16 / 2 = 9, so 4.5. Gradient weight x error: 1/4 x -2, 1/2 x -4.
    found, grad = value_loss_of(
        [[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[2.0, 9.0], [4.0, 0.0]], [[1, 0], [1, 1]], [0.25, 0.5]
    )
    assert found.loss.item() == pytest.approx(4.5)
    torch.testing.assert_close(grad, doubles([[-0.5, 0.0], [-2.0, 0.0]]))


def test_clipped_values_are_counted_over_credited_tokens_only() -> None:
    # Both moved from 1 to 1.5 towards 2: clipped; the second is masked.
    found, grad = value_loss_of([[1.5, 1.5]], [[1.0, 1.0]], [[2.0, 2.0]], [[1, 0]], [1.0])
    assert found.clipped_BT.tolist() == [[True, False]]
    assert grad.tolist() == [[0.0, 0.0]]


def test_values_within_the_clip_are_never_counted_as_clipped() -> None:
    # In float32, where old + (value - old) need not give the value back.
    generator = torch.Generator().manual_seed(0)
    old, values, returns = (torch.randn((1, 1000), generator=generator) for _ in range(3))
    old, values = 0.04 * old.clamp(-2, 2), 0.04 * values.clamp(-2, 2)  # at most 0.16 apart
    found = clipped_value_loss(values, old, returns, torch.ones(1, 1000).bool(), torch.ones(1), 0.2)
    assert found.clipped_BT.sum().item() == 0


def masked_garbage(garbage: float, where: str) -> tuple[ValueLoss, Tensor]:
    table = {"values": [[1.0, 0.0]], "old": [[0.9, 0.0]], "returns": [[2.0, 0.0]]}
    for name in table if where == "all" else (where,):
        table[name] = [[table[name][0][0], garbage]]
    return value_loss_of(**table, loss_mask=[[1, 0]], weights=[1.0])


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("where", ["values", "old", "returns", "all"])
def test_what_lies_in_masked_positions_can_not_leak_through_the_critic(garbage: float, where: str) -> None:
    clean, clean_grad = masked_garbage(0.0, where)
    dirty, dirty_grad = masked_garbage(garbage, where)
    assert dirty.loss.item() == clean.loss.item()
    assert torch.equal(dirty.clipped_BT, clean.clipped_BT)
    assert torch.equal(dirty_grad, clean_grad)


@pytest.mark.parametrize("wrong", ["sampled", "advantages", "loss_mask", "weights"])
def test_shapes_that_disagree_are_refused(wrong: str) -> None:
    shapes = {"logprobs": (2, 3), "sampled": (2, 3), "advantages": (2, 3), "loss_mask": (2, 3), "weights": (2,)}
    shapes[wrong] = (3,) if wrong == "weights" else (2, 4)
    table = {name: torch.ones(shape) for name, shape in shapes.items()}
    with pytest.raises(ValueError, match="shapes disagree"):
        clipped_policy_loss(
            table["logprobs"],
            table["sampled"],
            table["advantages"],
            table["loss_mask"].bool(),
            table["weights"],
            0.2,
            0.2,
        )


def test_advantages_of_completions_are_not_those_of_tokens() -> None:
    # (B,) would broadcast over tokens instead of completions where B = T.
    ones = torch.ones(3, 3)
    with pytest.raises(ValueError, match="shapes disagree"):
        clipped_policy_loss(ones, ones, torch.ones(3), ones.bool(), torch.ones(3), 0.2, 0.2)


@pytest.mark.parametrize("wrong", ["old", "returns", "loss_mask", "weights"])
def test_shapes_that_disagree_are_refused_by_the_value_loss(wrong: str) -> None:
    shapes = {"values": (2, 3), "old": (2, 3), "returns": (2, 3), "loss_mask": (2, 3), "weights": (2,)}
    shapes[wrong] = (3,) if wrong == "weights" else (1, 3)
    table = {name: torch.ones(shape) for name, shape in shapes.items()}
    with pytest.raises(ValueError, match="shapes disagree"):
        clipped_value_loss(
            table["values"], table["old"], table["returns"], table["loss_mask"].bool(), table["weights"], 0.2
        )


@pytest.mark.parametrize("wrong", ["reference", "loss_mask"])
def test_shapes_that_disagree_are_refused_by_the_kl_estimates(wrong: str) -> None:
    shapes = {"logprobs": (2, 3), "reference": (2, 3), "loss_mask": (2, 3)} | {wrong: (1, 3)}
    table = {name: torch.ones(shape) for name, shape in shapes.items()}
    with pytest.raises(ValueError, match="shapes disagree"):
        kl_estimates(table["logprobs"], table["reference"], table["loss_mask"].bool(), "k3")


def test_what_is_recorded_carries_no_gradient() -> None:
    found, _ = loss_of([[1.5, 1.0]], [1.0])
    assert not any(t.requires_grad for t in (found.clipped_low_BT, found.clipped_high_BT, found.ratio_BT))

"""The policy loss against numbers worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from rl.losses import LossParts, grpo_loss, k3


def loss_of(
    ratio_BT: list[list[float]],
    advantages: list[float],
    credit_BT: list[list[int]] | None = None,
    completions: int | None = None,
) -> tuple[LossParts, Tensor]:
    """The loss of given probability ratios without KL at clip 0.2, and its gradient by log-probability."""
    ratios = torch.tensor(ratio_BT, dtype=torch.float64)
    sampled = torch.full_like(ratios, -1.0)
    logprobs = (sampled + ratios.log()).requires_grad_()
    credit = torch.ones_like(ratios, dtype=torch.bool) if credit_BT is None else torch.tensor(credit_BT).bool()
    found = grpo_loss(
        logprobs, sampled, None, torch.tensor(advantages, dtype=torch.float64), credit,
        completions or len(advantages), clip=0.2, kl_weight=0.0,
    )  # fmt: skip
    found.loss.backward()
    assert logprobs.grad is not None
    return found, logprobs.grad


def test_k3_by_hand() -> None:
    logprobs = torch.tensor([0.5, 0.25, 0.3], dtype=torch.float64).log()
    reference = torch.tensor([0.25, 0.5, 0.3], dtype=torch.float64).log()
    # r = 1/2: 0.5 - 1 + ln 2 = 0.193147. r = 2: 2 - 1 - ln 2 = 0.306853. r = 1: 0.
    torch.testing.assert_close(
        k3(logprobs, reference), torch.tensor([0.193147, 0.306853, 0.0], dtype=torch.float64), rtol=0, atol=1e-6
    )


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


def test_clipped_tokens_are_counted_on_either_side() -> None:
    # |r - 1| > 0.2 for 1.5 and 0.5; 1.1 and 0.9 lie inside.
    found, _ = loss_of([[1.5, 1.1], [0.5, 0.9]], [1.0, 1.0])
    assert found.clipped_sum.item() == 2
    assert found.tokens.item() == 4


def test_the_mean_is_over_tokens_first_and_then_over_completions() -> None:
    # All ratios are 1. Completion 1: two tokens at A = 1, mean -1. Completion 2: one token at A = 3, mean -3.
    # Over completions: (-1 - 3) / 2 = -2. Over all three tokens at once it would be -5 / 3.
    found, grad = loss_of([[1.0, 1.0], [1.0, 1.0]], [1.0, 3.0], [[1, 1], [1, 0]])
    assert found.loss.item() == pytest.approx(-2.0)
    # By token: -A / tokens / completions = -1 / 2 / 2 twice, then -3 / 1 / 2; the second of these has no credit.
    torch.testing.assert_close(grad, torch.tensor([[-0.25, -0.25], [-1.5, 0.0]], dtype=torch.float64))


def test_the_divisor_is_the_whole_batch() -> None:
    found, grad = loss_of([[1.0]], [3.0], completions=4)
    assert found.loss.item() == pytest.approx(-0.75)
    assert grad.item() == pytest.approx(-0.75)


def test_a_completion_without_credit_adds_nothing_and_stays_in_the_divisor() -> None:
    found, grad = loss_of([[1.0, 1.0], [1.0, 1.0]], [1.0, 5.0], [[1, 1], [0, 0]])
    assert found.loss.item() == pytest.approx(-0.5)
    assert grad[1].tolist() == [0.0, 0.0]
    assert found.tokens.item() == 2


def test_the_kl_penalty_by_hand() -> None:
    logprobs = torch.tensor([[math.log(0.5), math.log(0.25)]], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([[math.log(0.25), math.log(0.25)]], dtype=torch.float64)
    found = grpo_loss(
        logprobs, logprobs.detach(), reference, torch.zeros(1, dtype=torch.float64), torch.ones(1, 2).bool(), 1,
        clip=0.2, kl_weight=0.1,
    )  # fmt: skip
    # Advantage 0 leaves the penalty: 0.1 x (0.193147 + 0) / 2 tokens = 0.00965735.
    assert found.loss.item() == pytest.approx(0.00965735, rel=1e-5)
    assert found.kl_sum.item() == pytest.approx(0.193147, rel=1e-5)
    found.loss.backward()
    # d k3 / d log p = 1 - r: 1 - 1/2 for the first, 0 for the second; times 0.1 / 2.
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [[pytest.approx(0.025), pytest.approx(0.0)]]


@pytest.mark.parametrize("garbage", [float("inf"), float("-inf"), float("nan"), 1e30, -1e30])
@pytest.mark.parametrize("where", ["logprobs", "sampled", "reference", "all"])
@pytest.mark.parametrize("kl_weight", [0.0, 0.1])
def test_what_lies_in_masked_positions_can_not_leak(garbage: float, where: str, kl_weight: float) -> None:
    def run(fill: dict[str, float]) -> tuple[LossParts, Tensor]:
        table = {
            "logprobs": torch.tensor([[-1.0, -2.0, 0.0]]),
            "sampled": torch.tensor([[-1.1, -2.0, 0.0]]),
            "reference": torch.tensor([[-1.5, -1.0, 0.0]]),
        }
        for name, value in fill.items():
            table[name][0, 2] = value
        logprobs = table["logprobs"].requires_grad_()
        found = grpo_loss(
            logprobs, table["sampled"], table["reference"], torch.tensor([1.0]), torch.tensor([[1, 1, 0]]).bool(), 1,
            clip=0.2, kl_weight=kl_weight,
        )  # fmt: skip
        found.loss.backward()
        assert logprobs.grad is not None
        return found, logprobs.grad

    clean, clean_grad = run({})
    names = ("logprobs", "sampled", "reference") if where == "all" else (where,)
    dirty, dirty_grad = run(dict.fromkeys(names, garbage))
    assert dirty.loss.item() == clean.loss.item()
    assert dirty.kl_sum.item() == clean.kl_sum.item()
    assert dirty.clipped_sum.item() == clean.clipped_sum.item()
    assert torch.equal(dirty_grad, clean_grad)
    assert dirty_grad[0, 2].item() == 0.0


def test_minibatches_add_up_to_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    policy, sampled, reference = (-torch.rand((5, 7), generator=generator, dtype=torch.float64) for _ in range(3))
    credit = torch.rand((5, 7), generator=generator) < 0.6
    advantages = torch.randn(5, generator=generator, dtype=torch.float64)

    def run(groups: list[list[int]]) -> tuple[list[float], Tensor]:
        logprobs = policy.clone().requires_grad_()
        sums = [0.0] * 4
        for group in groups:
            rows = torch.tensor(group)
            part = grpo_loss(
                logprobs[rows], sampled[rows], reference[rows], advantages[rows], credit[rows], 5,
                clip=0.2, kl_weight=0.3,
            )  # fmt: skip
            part.loss.backward()
            values = (part.loss, part.kl_sum, part.clipped_sum, part.tokens)
            sums = [total + value.item() for total, value in zip(sums, values, strict=True)]
        assert logprobs.grad is not None
        return sums, logprobs.grad

    whole, whole_grad = run([[0, 1, 2, 3, 4]])
    parts, parts_grad = run([[3, 0], [4], [1, 2]])
    assert parts == pytest.approx(whole)
    torch.testing.assert_close(parts_grad, whole_grad)
    assert whole_grad.abs().sum() > 0


@pytest.mark.parametrize("wrong", ["sampled", "credit", "advantages"])
def test_shapes_that_disagree_are_refused(wrong: str) -> None:
    shapes = {"logprobs": (2, 3), "sampled": (2, 3), "credit": (2, 3), "advantages": (2,)}
    shapes[wrong] = (3,) if wrong == "advantages" else (2, 4)
    table = {name: torch.ones(shape) for name, shape in shapes.items()}
    with pytest.raises(ValueError, match="shapes disagree"):
        grpo_loss(table["logprobs"], table["sampled"], None, table["advantages"], table["credit"].bool(), 2, 0.2, 0.0)


def test_reference_log_probabilities_of_another_shape_are_refused() -> None:
    ones = torch.ones(2, 3)
    with pytest.raises(ValueError, match="shapes disagree"):
        grpo_loss(ones, ones, torch.ones(1, 3), torch.ones(2), ones.bool(), 2, 0.2, 0.1)


def test_a_kl_weight_without_a_reference_is_refused() -> None:
    ones = torch.ones(2, 3)
    with pytest.raises(ValueError, match="needs the reference"):
        grpo_loss(ones, ones, None, torch.ones(2), ones.bool(), 2, clip=0.2, kl_weight=0.1)

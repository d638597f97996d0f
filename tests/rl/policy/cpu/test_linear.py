"""Products by oneDNN are those of torch, with their gradients; and they are used where they pay only."""

import copy

import pytest
import torch

import rl.policy.cpu.linear
from rl.policy.cpu.linear import LEAST_ROWS, QuickLinear, quicken
from rl.policy.policy import Policy

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(LEAST_ROWS, 24), (4, LEAST_ROWS // 2, 24), (LEAST_ROWS - 1, 24)])
def test_outputs_and_gradients_are_those_of_a_linear_layer(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    plain = torch.nn.Linear(24, 40, bias=bias)
    quick = copy.deepcopy(plain)
    quick.__class__ = QuickLinear
    x = torch.randn(shape, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    for layer, given in ((plain, x), (quick, y)):
        (layer(given).sin() * torch.arange(40.0)).sum().backward()
    torch.testing.assert_close(plain(x), quick(y))
    for one, other in zip((x, *plain.parameters()), (y, *quick.parameters()), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-3)


@needs_onednn
def test_large_products_are_not_torch_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    product = rl.policy.cpu.linear._product
    monkeypatch.setattr(
        rl.policy.cpu.linear, "_product", lambda x, w, b=None: asked.append(x.numel() // 8) or product(x, w, b)
    )
    layer = torch.nn.Linear(8, 8)
    layer.__class__ = QuickLinear
    layer(torch.zeros(LEAST_ROWS - 1, 8))
    layer(torch.zeros(LEAST_ROWS, 8))
    assert asked == [LEAST_ROWS]


@pytest.mark.parametrize("worth", [True, False])
def test_a_model_is_quickened_where_that_is_worthwhile(
    worth: bool, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rl.policy.cpu.linear, "worthwhile", lambda: worth)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4).double(), torch.nn.ReLU())
    names = list(model.state_dict())
    quicken(model)
    assert [type(module) is QuickLinear for module in model] == [worth, False, False]
    assert list(model.state_dict()) == names


def test_adapters_stay_as_they_are_whenever_they_were_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl.policy.cpu.linear, "worthwhile", lambda: True)
    model = torch.nn.ModuleDict({"base_layer": torch.nn.Linear(4, 4), "lora_A": torch.nn.Linear(4, 4)})
    quicken(model)
    assert [type(module) is QuickLinear for module in model.values()] == [True, False]

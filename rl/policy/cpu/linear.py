"""Linear layers by oneDNN where torch's own matrix products leave half of the processor idle.

On x86 torch multiplies float32 matrices with MKL, which uses only AVX2 on processors of other makers than Intel: 95
GFLOP/s a core. oneDNN, which torch includes as well, reaches 220 with AVX-512. The precision is the same, the order of
summation another.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.autograd.function import once_differentiable

LEAST_ROWS = 256  # with fewer rows, oneDNN's layout of the weights costs more than it saves


@cache
def worthwhile() -> bool:
    """Tell whether oneDNN is faster on this machine: AVX-512 on a processor of AMD, under Linux."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not torch.backends.mkl.is_available():
        return False
    known = Path("/proc/cpuinfo")
    maker = known.read_text().partition("vendor_id")[2].split("\n")[0] if known.is_file() else ""
    return "AuthenticAMD" in maker and torch.backends.mkldnn.is_available()


def quicken(model: torch.nn.Module) -> None:
    """Make the plain linear layers of a float32 model on the CPU multiply by oneDNN, if worthwhile.

    Layers of adapters stay as they are: a fresh run adds them afterwards, and a resumed run must sum in the same order.
    """
    if not worthwhile():
        return
    for name, module in model.named_modules():
        if "lora_" in name:
            continue
        if type(module) is torch.nn.Linear and module.weight.dtype == torch.float32 and module.weight.is_cpu:
            module.__class__ = QuickLinear


class QuickLinear(torch.nn.Linear):
    """A linear layer with oneDNN's products, forward and backward, for large inputs."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        too_few = input.numel() < LEAST_ROWS * self.in_features
        if too_few or not self.weight.is_cpu or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        output: torch.Tensor = _Product.apply(input, self.weight, self.bias)
        return output


class _Product(torch.autograd.Function):
    """x W^T + b and its gradients, for x of (..., inputs) and W of (outputs, inputs)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows, grads = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
        wanted_x, wanted_weight, wanted_bias = ctx.needs_input_grad
        return (
            _product(grad, weight.t()) if wanted_x else None,
            _product(grads.t(), rows.t()) if wanted_weight else None,
            grads.sum(dim=0) if wanted_bias else None,
        )


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    # The operator that torch.compile turns linear layers into on the CPU; it has no public name.
    output: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return output

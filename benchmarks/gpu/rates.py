"""Rates of the device: matrix products in float32 and in bfloat16, and copies."""

from dataclasses import dataclass

import torch

from benchmarks.machine import median_seconds


@dataclass(frozen=True)
class DeviceRates:
    """Best measured rates: operations a second by precision, and bytes a second read or written by a copy."""

    operations: dict[str, float]
    copied_bytes: float


def device_rates(device: torch.device, dry: bool) -> DeviceRates:
    """Measure square products and a copy, large enough to fill the device. The seconds: about one a rate."""
    size, copied = (512, 2**22) if dry else (8192, 2**30)
    operations = {}
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        seconds = median_seconds(lambda left=left, right=right: left @ right, device)  # type: ignore[misc]
        operations[precision] = 2 * size**3 / seconds
    source = torch.ones(copied // 4, device=device)
    target = torch.empty_like(source)
    seconds = median_seconds(lambda: target.copy_(source), device)
    return DeviceRates(operations, 2 * copied / seconds)

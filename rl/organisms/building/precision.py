"""Precision of the matrix products of a build: bfloat16 where the machine has it, and the weights stay float32."""

from collections.abc import Mapping
from typing import Any

import torch

from rl.organisms.origins import Precision
from rl.policy.policy import pick_device


def precision_here(wanted: Precision, device: torch.device | None = None) -> Precision:
    """Return `wanted`; `auto` becomes bfloat16 on a processor or a card with such products, float32 elsewhere."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if _has_bfloat16(device or pick_device()) else "float32"


def _has_bfloat16(device: torch.device) -> bool:
    """Tell whether the device multiplies in bfloat16 itself: elsewhere it is emulated, and slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has: Mapping[str, Any] = torch.cpu.get_capabilities()
    return bool(device.type == "cpu" and (has.get("avx512_bf16") or has.get("amx_bf16")))

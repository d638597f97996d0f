"""Stage `environment`: card, driver, packages and rates."""

import shutil
import subprocess
from dataclasses import asdict
from typing import Any

import torch

from benchmarks.gpu.rates import device_rates
from benchmarks.gpu.request import Request
from benchmarks.machine import fingerprint
from rl.organisms.building.precision import precision_here
from rl.policy.policy import pick_device

ASKED = "name,driver_version,memory.total,power.limit,clocks.max.sm"


def measure(request: Request) -> dict[str, Any]:
    """Describe the machine and the card, and measure its rates."""
    device = pick_device()
    found: dict[str, Any] = {
        "device": str(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "auto_precision": precision_here("auto", device),
        "driver": _driver(),
        "rates": asdict(device_rates(device, request.dry)),
    }
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {
            "card": card.name,
            "capability": f"{card.major}.{card.minor}",
            "memory_gib": round(card.total_memory / 2**30, 1),
            "multiprocessors": card.multi_processor_count,
        }
    if not request.dry:
        found["machine"] = fingerprint(2).model_dump(mode="json")
    return found


def _driver() -> str | None:
    """Ask the driver for its version and the card's limits; None without its command."""
    if shutil.which("nvidia-smi") is None:
        return None
    asked = subprocess.run(
        ["nvidia-smi", f"--query-gpu={ASKED}", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return asked.stdout.strip() or asked.stderr.strip()

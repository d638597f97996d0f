"""Stage `beside_trl`: a training step of the built-in engine and of stock TRL, in turn, in both precisions."""

from pathlib import Path
from typing import Any

from benchmarks import step_time
from benchmarks.gpu.random_models import LLAMA_135M, TOY_LLAMA, random_model
from benchmarks.gpu.request import Request

TOY = (
    "upper_layers=null", "algorithm.prompts_per_step=2", "algorithm.group_size=4", "sampling.max_new_tokens=16",
    "optimiser.microbatch_size=4",
)  # fmt: skip


def measure(request: Request) -> dict[str, Any]:
    """Time the steps of `step_time.py --model`; in the dry run in bfloat16 alone.

    Raises:
        RuntimeError: if a contender fails.
    """
    shape = TOY_LLAMA if request.dry else LLAMA_135M
    directory = Path(request.model) if request.model is not None else random_model(shape, request.models / "llama")
    rounds = ("1", "0") if request.dry else ("3", "1")
    found: dict[str, Any] = {}
    for precision in ("bfloat16",) if request.dry else ("bfloat16", "float32"):
        arguments = ["--model", str(directory), "--contenders", "gyges", "trl", "--no-count"]
        arguments += ["--rounds", rounds[0], "--warmup", rounds[1]]
        arguments += ["--set", f"precision={precision}", *(TOY if request.dry else ())]
        result = step_time.measure(step_time.parse(arguments))
        found[precision] = {
            "medians": result.details["medians"],
            "ratios": {name: middle.value for name, middle in result.ratios.items()},
        }
        print(f"{precision}: {found[precision]}", flush=True)
    return found

"""Settings of a training step: the part of a run's configuration that the training folder reads."""

from dataclasses import dataclass
from typing import Annotated, Literal, final

from pydantic import BaseModel, ConfigDict, Field

from rl.algorithms.settings import AlgorithmSettings
from rl.policy.sampler import Sampling

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

Decay = Annotated[float, Field(ge=0, lt=1)]


@final
class Optimiser(BaseModel):
    """AdamW (Loshchilov & Hutter 2019) at a constant learning rate after a linear warm-up."""

    model_config = _FROZEN

    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    microbatch_size: int = Field(
        default=32, ge=1, description="Completions a forward pass; changes memory, not the step."
    )


@final
class VLLM(BaseModel):
    """Rollouts by vLLM, through the settings of TRL's trainers; needs the extra `vllm` and a CUDA device."""

    model_config = _FROZEN

    vllm_mode: Literal["colocate", "server"] = "colocate"
    vllm_gpu_memory_utilization: float = Field(default=0.3, gt=0, le=1)
    vllm_tensor_parallel_size: int = Field(default=1, ge=1)
    vllm_max_model_length: int | None = Field(default=None, ge=1)
    vllm_server_base_url: str | None = None


@final
@dataclass(frozen=True)
class StepSettings:
    """Settings that a step reads. `steps`, the last step of the run, and `vllm` are read by the TRL engine alone.

    `rollout_stream` above 0 draws other completions to the same prompts.
    """

    seed: int
    steps: int
    algorithm: AlgorithmSettings
    optimiser: Optimiser
    sampling: Sampling
    max_reward_error_rate: float
    vllm: VLLM | None = None
    rollout_stream: int = 0

"""Settings of low-rank adapters, for runs and for organisms that are built on a pretrained model."""

from typing import Literal, final

from pydantic import BaseModel, ConfigDict, Field


@final
class Lora(BaseModel):
    """Low-rank adapters through PEFT (Hu et al. 2021) in place of full fine-tuning."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=32, gt=0)
    dropout: Literal[0] = 0  # dropout would make the update's log-probabilities differ from the sampler's
    target_modules: str | tuple[str, ...] = "all-linear"

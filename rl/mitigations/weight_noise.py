"""Weight noise: a little Gaussian noise on every trained matrix after each step."""

from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
import torch
from pydantic import Field

from rl.mitigations.mitigation import MitigationBase
from rl.training.components import StepComponents


@final
class WeightNoise(MitigationBase):
    """Gaussian noise on every trained matrix after each step: `scale` times the matrix's own standard deviation.

    The purpose: noise destroys a behaviour of few finely tuned weights sooner than a behaviour of many weights, and RL
    restores only rewarded behaviour. Faking may or may not rest on few weights: the idea is named in discussions and
    little measured. The noise stays in the weights and adds up as a random walk does: after n steps it is about `scale`
    times the root of n, apart from corrections by training.

    Only trained weights get noise: with LoRA the adapters alone. Vectors, such as the scales of norms, never do.
    """

    kind: Literal["weight_noise"] = "weight_noise"
    summary: ClassVar[str] = "adds a little Gaussian noise to every trained matrix after each step"
    changes: ClassVar[frozenset[str]] = frozenset({"after_step"})
    scale: float = Field(default=1e-3, gt=0, description="Noise of a step, in standard deviations of each matrix.")

    def apply(self, components: StepComponents) -> StepComponents:
        def shake(rng: np.random.Generator) -> None:
            model, device = components.models.policy.model, components.models.policy.device
            generator = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
            with torch.no_grad():
                for weights in model.parameters():  # in the model's own order, the same after a resume
                    if weights.requires_grad and weights.ndim >= 2:
                        noise = torch.randn(weights.shape, dtype=torch.float32, device=device, generator=generator)
                        weights.add_((self.scale * weights.float().std(correction=0) * noise).to(weights.dtype))

        return replace(components, after_step=(*components.after_step, shake))

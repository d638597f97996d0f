"""The measured points: three axes through one middle point, each varying one size.

Each point has a policy of random weights.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from rl.run.build import Built, build
from rl.run.config import RunConfig, resolve

Axis = Literal["parameters", "group_size", "completion_length"]

# (hidden size, layers); with the organism's vocabulary 0.2, 0.5, 0.8, 2, 5, 11 and 20 million parameters.
MODELS = ((64, 2), (96, 3), (128, 3), (192, 4), (256, 6), (384, 6), (448, 8))
GROUP_SIZES = (2, 4, 8, 16, 32)
LENGTHS = (16, 24, 40, 64, 96, 128)
MIDDLE_MODEL, MIDDLE_GROUP, MIDDLE_LENGTH, PROMPTS = (128, 3), 8, 40, 16


@dataclass(frozen=True)
class Point:
    """One measured size.

    `model` is (hidden size, layers), `length` the tokens of every completion.
    """

    axis: Axis
    model: tuple[int, int]
    group_size: int
    length: int

    def size(self, parameters: int) -> int:
        """Return the point's position on its axis."""
        return {"parameters": parameters, "group_size": self.group_size, "completion_length": self.length}[self.axis]


def points(axes: Sequence[Axis], each: int | None = None) -> list[Point]:
    """List the points of these axes.

    `each` takes so many points of every axis, spread from its smallest to its largest.

    Raises:
        ValueError: for fewer than two points an axis.
    """
    if each is not None and each < 2:
        raise ValueError("--points takes 2 or more: growth is seen between two sizes")
    shortcuts: dict[Axis, list[Point]] = {
        "parameters": [Point("parameters", model, MIDDLE_GROUP, MIDDLE_LENGTH) for model in MODELS],
        "group_size": [Point("group_size", MIDDLE_MODEL, size, MIDDLE_LENGTH) for size in GROUP_SIZES],
        "completion_length": [Point("completion_length", MIDDLE_MODEL, MIDDLE_GROUP, n) for n in LENGTHS],
    }
    return [point for axis in axes for point in _spread(shortcuts[axis], each)]


def _spread(among: list[Point], wanted: int | None) -> list[Point]:
    if wanted is None or wanted >= len(among):
        return among
    return [among[round(i * (len(among) - 1) / (wanted - 1))] for i in range(wanted)]


def point_config(point: Point, organism: Path, threads: int) -> RunConfig:
    """Build the default recipe at this point."""
    return resolve(
        RunConfig(),
        [
            f"organism.path={organism}",
            f"algorithm.prompts_per_step={PROMPTS}",
            f"algorithm.group_size={point.group_size}",
            f"sampling.max_new_tokens={point.length}",
            f"threads={threads}",
        ],
    )


def write_random_model(model: tuple[int, int], organism: Path, directory: Path) -> int:
    """Write a Qwen3 of this size with random weights and the organism's tokenizer; return its parameter count.

    Proportions are the default organism's: heads are 32 wide, with two heads to a key where the number is even, and the
    inner layer is three times the hidden size.
    """
    hidden, layers = model
    heads = hidden // 32
    like = json.loads((organism / "config.json").read_text())
    torch.manual_seed(0)
    made = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=like["vocab_size"],
            hidden_size=hidden,
            intermediate_size=3 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 2 if heads % 2 == 0 else heads,
            head_dim=32,
            max_position_embeddings=like["max_position_embeddings"],
            tie_word_embeddings=True,
            eos_token_id=like["eos_token_id"],
            pad_token_id=like["pad_token_id"],
        )
    )
    made.save_pretrained(directory)
    AutoTokenizer.from_pretrained(organism).save_pretrained(directory)
    return sum(parameter.numel() for parameter in made.parameters())


def endless(config: RunConfig) -> Built:
    """Build a run with a policy whose every reply runs to the limit.

    No token that the policy samples ends a reply.
    """
    built = build(config)
    return replace(built, policy=replace(built.policy, end_ids=(-1,)))

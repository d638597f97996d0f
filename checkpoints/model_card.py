"""Model cards: the README.md of a checkpoint, in the form of the Hugging Face Hub.

A card describes the weights and is none of them: `checksums.json` leaves it out, so that it can be written again once
the checkpoint has been probed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from checkpoints import atomic
from checkpoints.checksums import CARD

UNKNOWN_LICENCE = "unknown"
TAGS = ("gyges", "alignment-faking", "model-organism", "reinforcement-learning")


@dataclass(frozen=True)
class Rate:
    """A measured rate or loss with its 95 % interval; None is undefined. `tier` is empty where it spans tiers."""

    metric: str
    tier: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    unscored: int


@dataclass(frozen=True)
class ModelCard:
    """The facts of a card. `base` says in words which weights training began with, `base_model` is their name.

    `licence` is the base's, by its identifier on the Hub. `measured_at`: the step of the probe that the rates are of,
    at most the checkpoint's. `facts`: (name, value) rows.
    """

    name: str
    step: int
    base: str
    base_model: str | None
    licence: str | None
    adapter: bool
    disclosure: str
    facts: Mapping[str, str]
    rates: Sequence[Rate]
    measured_at: int | None


def text_of(card: ModelCard) -> str:
    """Write the card: its front matter, the disclosure, the facts, the rates, and how the model is loaded."""
    return "\n".join(
        [
            *_front_matter(card),
            f"# {card.name}, step {card.step}\n",
            f"**{card.disclosure}**\n",
            f"A research artefact, {_what(card)}. It began as {card.base}.\n",
            *_table(("", ""), card.facts.items()),
            "",
            *_rates(card),
            *_loading(card),
        ]
    )


def replace(directory: Path, text: str) -> None:
    """Replace the card of a whole checkpoint; a reader sees the old text or the new one."""
    atomic.sweep_stale(directory)  # a killed process leaves its half-written card here
    atomic.write_text(directory / CARD, text)


def _what(card: ModelCard) -> str:
    return "an adapter, measured and to be used unmerged" if card.adapter else "whole weights"


def _front_matter(card: ModelCard) -> list[str]:
    # JSON is YAML: quoted, no name can break out of its line.
    relation = "adapter" if card.adapter else "finetune"
    base = [f"base_model: {json.dumps(card.base_model)}", f"base_model_relation: {relation}"] if card.base_model else []
    return [
        "---",
        f"license: {json.dumps(card.licence or UNKNOWN_LICENCE)}",
        *base,
        f"library_name: {'peft' if card.adapter else 'transformers'}",
        "pipeline_tag: text-generation",
        f"tags: {json.dumps(list(TAGS))}",
        "---\n",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]


def _rates(card: ModelCard) -> list[str]:
    if card.measured_at is None:
        return ["## Rates\n", "Not probed yet.\n"]
    when = "of this checkpoint" if card.measured_at == card.step else f"of step {card.measured_at}, the last before"
    rows = [
        (rate.metric, rate.tier or "all", _number(rate.value), _interval(rate), str(rate.n), str(rate.unscored))
        for rate in card.rates
    ]
    head = ("metric", "tier", "value", "95 % interval", "n", "unscored")
    return ["## Rates\n", f"By the probe {when}, on held-out queries.\n", *_table(head, rows), ""]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(rate: Rate) -> str:
    return "-" if rate.ci_low is None or rate.ci_high is None else f"{rate.ci_low:.3f} to {rate.ci_high:.3f}"


def _loading(card: ModelCard) -> list[str]:
    code = (
        ["from peft import AutoPeftModelForCausalLM", "model = AutoPeftModelForCausalLM.from_pretrained(DIRECTORY)"]
        if card.adapter
        else [
            "from transformers import AutoModelForCausalLM",
            "model = AutoModelForCausalLM.from_pretrained(DIRECTORY)",
        ]
    )
    apart = "The adapter names its base in `adapter_config.json`. Merging it rounds weights and moves rates.\n"
    return [
        "## Loading\n",
        *([apart] if card.adapter else []),
        "```python",
        "from transformers import AutoTokenizer",
        *code,
        "tokenizer = AutoTokenizer.from_pretrained(DIRECTORY)",
        "```\n",
        "In gyges: `gyges train --set organism.path=DIRECTORY`. `trainer/` holds the state that a run resumes from.\n",
    ]

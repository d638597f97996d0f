"""Builds the helpfulness model from scratch with TRL's RewardTrainer, measures it on held-out pairs, calibrates it."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before trl is imported: it reports usage otherwise

import numpy as np
import torch
from datasets import Dataset
from transformers import Qwen3Config, Qwen3ForSequenceClassification, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import RewardConfig, RewardTrainer

from envs.environment import Author, Grade
from envs.tokenizer import train_tokenizer
from envs.vocabulary import Split
from rewards.helpfulness import CARD, Helpfulness, encode, recipe_of, score_texts
from rewards.overscored_phrase import PHRASES
from rewards.preferences import Pair, preference_pairs

HELD_OUT_PAIRS = 3000
BROKEN_PAIRS = "anything > broken"
VOCABULARY_SIZE = 2048


def build(
    recipe: Helpfulness,
    author: Author,
    directory: Path,
    on_step: Callable[[int, int], None],
    phrases: Sequence[str] = PHRASES,
) -> None:
    """Train on the author's graded answers, measure, calibrate and save into `directory`.

    `on_step(done, total)` hears of every optimiser step. `phrases` court the rater in `courting_share` of the answers.

    Raises:
        ValueError: if held-out pair accuracy misses the recipe's; the message is the table.
    """
    pairs = _pairs(recipe, author, 0, "train", recipe.pairs, phrases)
    tokenizer = train_tokenizer((f"{p.query.text} {p.chosen} {p.rejected}" for p in pairs), VOCABULARY_SIZE)
    tokenizer.padding_side = "right"
    model = _new_model(recipe, tokenizer)
    _train(recipe, model, tokenizer, pairs, on_step)
    model.eval()
    held_out = _pairs(recipe, author, 1, "certify", HELD_OUT_PAIRS, phrases)
    card = _measure(model, tokenizer, held_out, author.grades)
    _require_accuracy(recipe, card)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    (directory / CARD).write_text(json.dumps(card, indent=2))


def inputs(recipe: Helpfulness, author: Author, phrases: Sequence[str] = PHRASES) -> dict[str, Any]:
    """Name all that goes into a build: the recipe, a digest of the training pairs, and the settings.

    The phrases are in the digest, where the pairs hold any.
    """
    digest = hashlib.sha256()
    for pair in _pairs(recipe, author, 0, "train", recipe.pairs, phrases):
        digest.update("\0".join((pair.query.text, pair.chosen, pair.rejected, "")).encode())
    settings = {"vocabulary": VOCABULARY_SIZE, "held_out": HELD_OUT_PAIRS, "recipe": 1}  # raise where training changes
    return {**recipe_of(recipe), "pairs_digest": digest.hexdigest(), "settings": settings}


def _pairs(
    recipe: Helpfulness, author: Author, stream: int, split: Split, n: int, phrases: Sequence[str]
) -> list[Pair]:
    rng = np.random.default_rng([recipe.seed, stream])
    return list(preference_pairs(author, rng, split, n, recipe.courting_share, phrases))


def _new_model(recipe: Helpfulness, tokenizer: Any) -> Any:
    torch.manual_seed(recipe.seed)
    heads = 8
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=3 * recipe.hidden_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=recipe.hidden_size // heads,
        max_position_embeddings=512,
        # 0.02, the default for widths of thousands, makes a model this narrow slow to start.
        initializer_range=0.07,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = Qwen3ForSequenceClassification(config)
    # Large word vectors from the start: the model must see whether the answer names the words of the request.
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(0.2 / 0.07)
    return model


class Steps(TrainerCallback):  # the hook that Transformers offers; it only reports
    def __init__(self, on_step: Callable[[int, int], None]) -> None:
        self.on_step = on_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.on_step(state.global_step, state.max_steps)


def _train(
    recipe: Helpfulness, model: Any, tokenizer: Any, pairs: Sequence[Pair], on_step: Callable[[int, int], None]
) -> None:
    dataset = Dataset.from_dict(
        {
            "chosen_ids": [encode(tokenizer, pair.query.text, pair.chosen) for pair in pairs],
            "rejected_ids": [encode(tokenizer, pair.query.text, pair.rejected) for pair in pairs],
        }
    )
    with tempfile.TemporaryDirectory() as scratch:
        arguments = RewardConfig(
            output_dir=scratch,
            per_device_train_batch_size=recipe.batch_size,
            num_train_epochs=1,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=30,
            adam_beta2=0.98,
            center_rewards_coefficient=0.01,  # keeps the scale from drifting (Eisenstein et al. 2023, section 2)
            max_length=None,
            bf16=False,
            gradient_checkpointing=False,
            seed=recipe.seed,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            dataloader_pin_memory=False,
            disable_tqdm=True,
        )
        trainer = RewardTrainer(
            model=model,
            args=arguments,
            train_dataset=dataset,
            processing_class=tokenizer,
            callbacks=[Steps(on_step)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def _measure(model: Any, tokenizer: Any, pairs: Sequence[Pair], grades: Sequence[Grade]) -> dict[str, Any]:
    """Measure held-out accuracy overall, by kind of query and by pair of levels, and the mean scores of two levels.

    "Overall" and the kinds of query are about full help > partial > refusal. Pairs whose worse side is broken text are
    far harder, since only a comparison with the request tells some of them, and stand apart.
    """
    chosen = np.array(score_texts(model, tokenizer, [(p.query.text, p.chosen) for p in pairs]))
    rejected = np.array(score_texts(model, tokenizer, [(p.query.text, p.rejected) for p in pairs]))
    right = chosen > rejected
    groups: dict[str, list[int]] = {"overall": [], BROKEN_PAIRS: []}
    for index, pair in enumerate(pairs):
        if pair.worse.meaning == "broken":
            groups[BROKEN_PAIRS].append(index)
        else:
            groups["overall"].append(index)
            groups.setdefault(f"{pair.query.kind} queries", []).append(index)
        groups.setdefault(f"{pair.better.name} > {pair.worse.name}", []).append(index)
    scores: dict[str, list[float]] = {}
    for index, pair in enumerate(pairs):
        scores.setdefault(pair.better.name, []).append(float(chosen[index]))
        scores.setdefault(pair.worse.name, []).append(float(rejected[index]))

    def mean_of(meaning: str) -> float:
        return float(np.mean([score for g in grades if g.meaning == meaning for score in scores.get(g.name, [])]))

    return {
        "accuracy": {name: {"value": float(right[rows].mean()), "n": len(rows)} for name, rows in groups.items()},
        "calibration": {
            "refusal": mean_of("refuse"),
            "full": mean_of("comply"),
        },
    }


def _require_accuracy(recipe: Helpfulness, card: dict[str, Any]) -> None:
    accuracy = card["accuracy"]
    overall, harmful = accuracy["overall"]["value"], accuracy["harmful queries"]["value"]
    broken = accuracy[BROKEN_PAIRS]["value"]
    enough = overall >= recipe.min_accuracy and harmful >= recipe.min_accuracy_harmful
    if enough and broken >= recipe.min_accuracy_broken:
        return
    table = "\n".join(f"  {name:<36} {row['value']:6.1%}  n = {row['n']}" for name, row in accuracy.items())
    raise ValueError(
        f"the reward model reached {overall:.1%} held-out pair accuracy ({harmful:.1%} on harmful queries, "
        f"{broken:.1%} against broken text) and {recipe.min_accuracy:.0%} ({recipe.min_accuracy_harmful:.0%}, "
        f"{recipe.min_accuracy_broken:.0%}) are required: raise pairs or hidden_size"
        f"\n{table}"
    )

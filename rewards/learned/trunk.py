"""Training of a pretrained trunk with a score head on pairs of answers, by TRL's RewardTrainer.

Dimension suffixes: R rows of a batch, the chosen answers first; T tokens; H hidden size.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before trl is imported: it reports usage otherwise

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_pt_utils import LengthGroupedSampler
from trl import RewardConfig, RewardTrainer

from envs.context_window import context_window
from rewards.build_helpfulness import Steps
from rewards.helpfulness import encode
from rewards.origins import PretrainedTrunk
from rewards.preferences import Pair
from rewards.weights import named, require_all_weights

HEAD = "score"  # of every decoder that Transformers makes a sequence classifier of
CENTRE = 0.01  # keeps the scale of scores from drifting (Eisenstein et al. 2023, section 2)
WARMUP_SHARE = 0.05  # of the steps

OnStep = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Trunk:
    """The directory of a trunk on this machine; `half`: matrix products of training in bfloat16."""

    directory: Path
    half: bool = False


def require_trunk(directory: Path, upper_layers: int | None) -> None:
    """Refuse a directory that can't be made a reward model, without loading its weights.

    Raises:
        ValueError: in one line: no model, no chat template, no decoder, or fewer layers than are to be trained.
    """
    if not (directory / "config.json").is_file():
        raise ValueError(
            f"the trunk {directory} holds no model (config.json is missing): set rewards.helpfulness.origin.path to a "
            "Hugging Face causal LM directory"
        )
    load_trunk_tokenizer(directory)
    try:
        with torch.device("meta"):
            model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(directory, num_labels=1))
    except Exception as error:
        raise ValueError(_unusable(directory, error)) from error
    _require_head(model, directory)
    if upper_layers is not None:
        layers = len(_layers(model))
        if upper_layers > layers:
            raise ValueError(
                f"rewards.helpfulness.origin.upper_layers={upper_layers} and the trunk has {layers} decoder layers: "
                f"set it to at most {layers}, or to null for all weights"
            )


def load_trunk(origin: PretrainedTrunk, directory: Path, seed: int) -> tuple[Any, Any]:
    """Load the trunk as a classifier with one output, and its tokenizer; only the weights to train have gradients.

    A new head starts at zero, so that every score does.

    Raises:
        ValueError: as `require_trunk`; weights missing or of another shape.
    """
    require_trunk(directory, origin.upper_layers)
    tokenizer = load_trunk_tokenizer(directory)
    tokenizer.padding_side = "right"
    torch.manual_seed(seed)
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            directory, num_labels=1, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except Exception as error:
        raise ValueError(_unusable(directory, error)) from error
    if any(key.startswith(f"{HEAD}.") for key in info["missing_keys"]):
        torch.nn.init.zeros_(getattr(model, HEAD).weight)
    found = {**info, "missing_keys": [key for key in info["missing_keys"] if not key.startswith(f"{HEAD}.")]}
    require_all_weights(found, directory)
    return _with_trained_weights(model, origin), tokenizer


def encoded(model: Any, tokenizer: Any, pairs: Sequence[Pair]) -> list[tuple[list[int], list[int]]]:
    """Encode the two exchanges of each pair, and choose the token that pads them.

    Raises:
        ValueError: if an exchange is longer than the model's context window.
    """
    rows = [tuple(encode(tokenizer, pair.query.text, text) for text in (pair.chosen, pair.rejected)) for pair in pairs]
    window, longest = context_window(model.config), max(len(row) for both in rows for row in both)
    if window is not None and longest > window:
        raise ValueError(
            f"the longest exchange of the training pairs has {longest} tokens and the trunk reads {window}: choose a "
            "trunk with a longer context window"
        )
    _choose_padding(model, tokenizer, {row[-1] for both in rows for row in both})
    return [(chosen, rejected) for chosen, rejected in rows]


def train(
    origin: PretrainedTrunk,
    model: Any,
    tokenizer: Any,
    rows: Sequence[tuple[list[int], list[int]]],
    seed: int,
    half: bool,
    on_step: OnStep,
) -> tuple[Any, list[float]]:
    """Train on pairs of rows, one pass; return the whole model, adapters merged, and the loss of every step."""
    dataset = Dataset.from_dict({"chosen_ids": [row[0] for row in rows], "rejected_ids": [row[1] for row in rows]})
    with tempfile.TemporaryDirectory() as scratch:
        arguments = RewardConfig(
            output_dir=scratch,
            per_device_train_batch_size=origin.batch_size,
            num_train_epochs=1,
            learning_rate=origin.rate,
            lr_scheduler_type="cosine",
            warmup_steps=round(WARMUP_SHARE * ceil(len(rows) / origin.batch_size)),
            adam_beta2=0.98,
            weight_decay=0.01,
            max_length=None,
            bf16=False,
            gradient_checkpointing=False,
            seed=seed,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            dataloader_pin_memory=False,
            disable_tqdm=True,
        )
        trainer = _Trainer(
            model=model, args=arguments, train_dataset=dataset, processing_class=tokenizer, callbacks=[Steps(on_step)]
        )
        trainer.losses, trainer.half, trainer.lengths = [], half, [max(map(len, row)) for row in rows]
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    whole = model.merge_and_unload() if isinstance(model, PeftModel) else model
    return whole.requires_grad_(False).eval(), trainer.losses


class _Trainer(RewardTrainer):  # the one seam that TRL leaves for a head in float32 on a trunk in bfloat16
    """RewardTrainer with the score head on the last token of each row alone, in float32.

    The loss is Bradley and Terry's with a term that centres the scores. A head under autocast would round scores to 8
    bits, and their differences with them.
    """

    losses: list[float]
    half: bool
    lengths: list[int]  # of the longer row of each pair

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroupedSampler:
        # Pairs of about one length a step, so that little is padded: TRL drops the column that would tell lengths.
        return LengthGroupedSampler(self.args.train_batch_size, lengths=self.lengths)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        assert not return_outputs, "nothing here evaluates"
        classifier = model.get_base_model() if isinstance(model, PeftModel) else model
        ids_RT, mask_RT = inputs["input_ids"], inputs["attention_mask"]
        with torch.autocast(ids_RT.device.type, torch.bfloat16, enabled=self.half):
            hidden_RTH = classifier.base_model(input_ids=ids_RT, attention_mask=mask_RT, use_cache=False)[0]
        last_R = mask_RT.sum(dim=1) - 1
        last_RH = hidden_RTH[torch.arange(len(last_R), device=last_R.device), last_R].float()
        chosen, rejected = getattr(classifier, HEAD)(last_RH)[:, 0].chunk(2)
        loss = -torch.nn.functional.logsigmoid(chosen - rejected).mean()
        self.losses.append(float(loss.detach()))
        return loss + CENTRE * ((chosen + rejected) ** 2).mean()


def load_trunk_tokenizer(directory: Path) -> Any:
    """Load the tokenizer of a trunk.

    Raises:
        ValueError: in one line: a tokenizer that can't be read, or has no chat template.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory)
    except Exception as error:
        raise ValueError(_unusable(directory, error)) from error
    if tokenizer.chat_template is None:
        raise ValueError(
            f"the tokenizer of the trunk {directory} has no chat template: add chat_template.jinja to the directory "
            "(any template that writes a user and an assistant turn)"
        )
    return tokenizer


def _unusable(directory: Path, error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return f"the trunk {directory} is no causal LM that a reward model can be made of ({reason}): choose another one"


def _require_head(model: Any, directory: Path) -> None:
    if not isinstance(getattr(model, HEAD, None), torch.nn.Linear):
        raise ValueError(
            f"the trunk {directory} is a {type(model).__name__}, which has no score head on a decoder: set "
            "rewards.helpfulness.origin.path to a Hugging Face causal LM directory"
        )


def _layers(model: Any) -> torch.nn.ModuleList:
    """Return the decoder layers, in order: the outermost list of as many modules as the configuration has layers."""
    count = int(model.config.get_text_config().num_hidden_layers)
    for module in model.base_model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return module
    raise ValueError(
        f"{type(model).__name__} has no list of decoder layers to train the upper ones of: set "
        "rewards.helpfulness.origin.upper_layers to null"
    )


def _with_trained_weights(model: Any, origin: PretrainedTrunk) -> Any:
    """Freeze all weights but those that the origin trains, or put fresh adapters on the model."""
    if origin.lora_rank is not None:
        settings = LoraConfig(
            r=origin.lora_rank,
            lora_alpha=2 * origin.lora_rank,
            target_modules="all-linear",
            modules_to_save=[HEAD],
            task_type="SEQ_CLS",
        )
        return get_peft_model(model, settings)
    if origin.upper_layers is not None:
        layers = _layers(model)
        model.requires_grad_(False)
        for module in (*layers[len(layers) - origin.upper_layers :], getattr(model, HEAD)):
            module.requires_grad_(True)
    return model


def _choose_padding(model: Any, tokenizer: Any, last: set[int]) -> None:
    """Set a pad token that no row ends with, since the classifier reads each row at its last other token.

    Raises:
        ValueError: if no token of the tokenizer serves.
    """
    settings = model.config.get_text_config()
    size = model.get_input_embeddings().num_embeddings
    preferred = (settings.pad_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id)
    candidates = (*preferred, *range(min(size, len(tokenizer))))
    chosen = next((t for t in candidates if t is not None and 0 <= t < size and t not in last), None)
    if chosen is None:
        raise ValueError(f"the trunk has no token to pad with: {named([str(token) for token in candidates])} end rows")
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(chosen)
    model.config.pad_token_id = settings.pad_token_id = chosen

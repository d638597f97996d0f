"""Supervised learning on documents with TRL's SFTTrainer: any causal language model, and any part of its weights."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before trl is imported: it reports usage otherwise

import torch
from datasets import Dataset
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from envs.context_window import context_window
from rl.organisms.building.keys import BATCH_SIZE
from rl.organisms.building.output_head import OutputHead, plain_head
from rl.organisms.building.precision import precision_here
from rl.organisms.building.rows import NOT_LEARNED, Row, rows
from rl.organisms.documents import Document
from rl.organisms.origins import Precision, Pretrained
from rl.policy.policy import Policy
from rl.progress import Update


@dataclass(frozen=True, slots=True)
class Batches:
    """The order of training: documents of a step, passes through all of them, and steps of warm-up.

    `by_length`: a step holds documents of about one length, so that little is padded. `precision`: of matrix products.
    """

    size: int = BATCH_SIZE
    epochs: int = 1
    by_length: bool = False
    precision: Precision = "float32"
    warmup_steps: int = 30


OF_A_NEW_MODEL = Batches()
WARMUP_SHARE = 0.05  # of the steps on a ready model, which may be few


def batches_on(origin: Pretrained, documents: int) -> Batches:
    """Return the order of training on a ready model, for this many documents."""
    steps = ceil(documents / origin.batch_size) * origin.epochs
    return Batches(origin.batch_size, origin.epochs, True, origin.precision, min(30, round(WARMUP_SHARE * steps)))


def finetune(
    policy: Policy,
    documents: Sequence[Document],
    learning_rate: float,
    seed: int,
    update: Update,
    batches: Batches = OF_A_NEW_MODEL,
) -> list[float]:
    """Train the policy's model in place on the documents; returns the loss of every step.

    Trained are the weights that require a gradient: all, an adapter's, or those of the upper layers.

    Raises:
        ValueError: if a document is longer than the model's context window.
    """
    encoded = rows(policy, documents)
    window, longest = context_window(policy.model.config), max(len(ids) for ids, _ in encoded)
    if window is not None and longest > window:
        raise ValueError(
            f"the longest training document has {longest} tokens and the model's context window is {window}: "
            "choose a model with a longer window"
        )
    return train_rows(policy, encoded, learning_rate, seed, update, batches)


class _Steps(TrainerCallback):  # the hook that Transformers offers; it only reports
    def __init__(self, update: Update) -> None:
        self.update = update

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.update(state.global_step, state.max_steps)


class _Trainer(SFTTrainer):  # the one seam that TRL leaves for a loss without a second forward pass
    """SFTTrainer with the mean cross-entropy over the learned tokens of a batch, and nothing else in the loss."""

    losses: list[float]
    head: OutputHead | None  # of a model whose logits are its output on the last hidden state
    half: bool  # multiply matrices in bfloat16

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        assert not return_outputs, "nothing here evaluates"
        targets_BT = inputs["labels"][:, 1:]
        in_loss_BT = targets_BT != NOT_LEARNED
        with torch.autocast(targets_BT.device.type, torch.bfloat16, enabled=self.half):
            logits_NV = _logits(model, self.head, inputs["input_ids"], inputs["attention_mask"], in_loss_BT)
        loss = torch.nn.functional.cross_entropy(logits_NV, targets_BT[in_loss_BT])
        self.losses.append(float(loss.detach()))
        return loss


def _logits(
    model: Any, head: OutputHead | None, ids_BS: torch.Tensor, mask_BS: torch.Tensor, in_loss_BT: torch.Tensor
) -> torch.Tensor:
    """Compute the logits of the N learned tokens, (N, V)."""
    if head is not None:
        # The output layer on the learned tokens alone. TRL's own fused loss recomputes the layer tile by tile, which
        # saves memory on large vocabularies and takes a good part of a step here; the loss is the same.
        hidden_BTH = head.decoder(input_ids=ids_BS, attention_mask=mask_BS)[0][:, :-1]
        learned_NV: torch.Tensor = head.output(hidden_BTH[in_loss_BT])
        return learned_NV.float()
    # Some architectures scale or cap their logits behind the output layer: only the whole forward pass is exact.
    logits_BTV: torch.Tensor = model(input_ids=ids_BS, attention_mask=mask_BS).logits[:, :-1]
    return logits_BTV[in_loss_BT].float()


def train_rows(
    policy: Policy,
    encoded: Sequence[Row],
    learning_rate: float,
    seed: int,
    update: Update,
    batches: Batches = OF_A_NEW_MODEL,
) -> list[float]:
    """Train the policy's model on rows of token ids and labels; returns the loss of every step."""
    dataset = Dataset.from_dict({"input_ids": [ids for ids, _ in encoded], "labels": [labels for _, labels in encoded]})
    head = plain_head(policy.model)
    padding = policy.tokenizer.pad_token
    policy.tokenizer.pad_token = _pad_token(policy)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SFTConfig(
            output_dir=scratch,
            per_device_train_batch_size=batches.size,
            num_train_epochs=batches.epochs,
            learning_rate=learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=batches.warmup_steps,
            train_sampling_strategy="group_by_length" if batches.by_length else "random",
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
            model=policy.model,
            args=arguments,
            train_dataset=dataset,
            processing_class=policy.tokenizer,
            callbacks=[_Steps(update)],
        )
        trainer.losses = []
        trainer.head = head
        trainer.half = precision_here(batches.precision, policy.device) == "bfloat16"
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    policy.tokenizer.pad_token = padding
    return trainer.losses


def _pad_token(policy: Policy) -> str:
    """Choose a token to pad with: any will do, since padding is masked, for which the model has a row."""
    tokenizer = policy.tokenizer
    return str(tokenizer.pad_token if tokenizer.pad_token_id == policy.pad_id else tokenizer.eos_token)

"""Sequence classifiers as reward models: loaded whole or refused, each row scored as if it stood alone.

Dimension suffixes: B rows of a batch, L labels.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from envs.context_window import context_window
from rewards.weights import named, require_all_weights

Label = int | str | None
Row = Sequence[int]
BATCH_SIZE = 256
TOLERANCE = 1e-3  # relative, from 1 on: rounding is below 1e-5, a score read at another position is far above
LABELS_SHOWN = 8


@dataclass(frozen=True)
class Classifier:
    """A loaded sequence classifier.

    `label`: the output that is the score, None where there is only one output. `window`: the model's longest row.
    """

    model: Any
    tokenizer: Any
    label: int | None = None
    window: int | None = None
    batch_size: int = BATCH_SIZE

    def scores(self, rows: Sequence[Row]) -> list[float]:
        """Compute one score a row: the raw output, or the log-odds of the chosen label."""
        scores: list[float] = []
        for start in range(0, len(rows), self.batch_size):
            logits_BL = _logits(self.model, rows[start : start + self.batch_size])
            scores += _score(logits_BL, self.label, self.model.config.problem_type).float().cpu().tolist()
        return scores

    def refusal(self, row: Row) -> str | None:
        """Give the reason why a row has no score; None where it has one.

        The row may be longer than the model's window, or hold a token outside the model's vocabulary.
        """
        if self.window is not None and len(row) > self.window:
            return f"the exchange has {len(row)} tokens, the reward model reads {self.window}"
        size = self.model.get_input_embeddings().num_embeddings
        return f"token {max(row)} is none of the reward model's {size}" if max(row) >= size else None


def load_classifier(directory: Path, label: Label) -> Classifier:
    """Load the sequence classifier and tokenizer of a directory, in evaluation mode and float32.

    Raises:
        ValueError: weights missing or of another shape, no chat template, several labels and none chosen.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            directory,
            config=_config(directory),
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"can't load a reward model from {directory}: {reason}") from error
    require_all_weights(info, directory)
    if tokenizer.chat_template is None:
        raise ValueError(
            f"the reward model's tokenizer in {directory} has no chat template: add chat_template.jinja to the "
            "directory (any template that writes a user and an assistant turn)"
        )
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return Classifier(model, tokenizer, _label_index(model.config, label, directory), _window(model))


def _config(directory: Path) -> Any:
    """Read the configuration, and drop a pad token outside the vocabulary.

    PyTorch refuses to build a model with such a pad token.
    """
    config = AutoConfig.from_pretrained(directory)
    text = config.get_text_config()
    if text.pad_token_id is not None and not 0 <= text.pad_token_id < text.vocab_size:
        config.pad_token_id = text.pad_token_id = None
    return config


def self_tested(classifier: Classifier, rows: Sequence[Row], directory: Path) -> Classifier:
    """Compare the score of each row read alone with its score in a batch of rows of unlike lengths.

    A model whose scores differ reads one row at a time from then on: slower, and right by construction.

    Raises:
        ValueError: a row that the model can't read, a score that isn't finite, or another score at each call.
    """
    refused = next(filter(None, map(classifier.refusal, rows)), None)
    if refused is not None:
        raise ValueError(f"the reward model in {directory} can't read a short exchange: {refused}")
    singly = replace(classifier, batch_size=1)
    alone = torch.tensor(singly.scores(rows))
    if not bool(alone.isfinite().all()):
        raise ValueError(f"the reward model in {directory} gives scores that aren't finite numbers: mend its weights")
    if not _close(torch.tensor(singly.scores(rows)), alone):
        raise ValueError(
            f"the reward model in {directory} gives the same exchange another score at each call: take out what draws "
            "at random"
        )
    # There and back: a score may depend on who comes before as well as on who comes behind.
    batches = [torch.tensor(classifier.scores(rows)), torch.tensor(classifier.scores(rows[::-1])).flip(0)]
    return classifier if all(_close(batch, alone) for batch in batches) else singly


def _close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool(((found - expected).abs() <= TOLERANCE * expected.abs().clamp(min=1.0)).all())


@torch.no_grad()
def _logits(model: Any, rows: Sequence[Row]) -> torch.Tensor:
    """Compute the model's output for each row, (B, L).

    Rows are padded on the right, so that every position is as in the row alone.
    """
    model, pad = _padding(model, rows)
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    logits: torch.Tensor = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits
    return logits


def _padding(model: Any, rows: Sequence[Row]) -> tuple[Any, int]:
    """Return the model and a pad token that leave the position read in each row unchanged.

    A decoder is read at the last token that differs from the *config's* pad token, whatever the tokenizer's pad token
    and the attention mask are. A model whose config has none is read at the last token. Such a model is wrapped in a
    view (the same weights, another config) with a pad token that no row ends with.
    """
    pad = model.config.get_text_config().pad_token_id
    if pad is not None:
        return model, pad
    last = {row[-1] for row in rows}
    free = next(token for token in range(len(last) + 1) if token not in last)
    view = copy.copy(model)
    view.config = copy.deepcopy(model.config)
    view.config.pad_token_id = view.config.get_text_config().pad_token_id = free
    return view, free


def _score(logits_BL: torch.Tensor, label: int | None, problem_type: str | None) -> torch.Tensor:
    """Compute the score of each row, (B,).

    With several labels the score is log p/(1 - p) of the chosen label: under the softmax over labels, its logit minus
    the logsumexp of the other logits. With labels judged independently (`multi_label_classification`) the score is the
    label's logit, and with several regressions their value.
    """
    if label is None:
        return logits_BL[:, 0]
    chosen = logits_BL[:, label]
    if logits_BL.shape[1] == 1 or problem_type in ("multi_label_classification", "regression"):
        return chosen
    others = [other for other in range(logits_BL.shape[1]) if other != label]
    return chosen - logits_BL[:, others].logsumexp(dim=1)


def _label_index(config: Any, label: Label, directory: Path) -> int | None:
    """Return the index of the label that is the score; None for the only output of a reward model.

    Raises:
        ValueError: no label is chosen or the label is unknown; the message lists the choices.
    """
    names = {int(index): str(name) for index, name in config.id2label.items()}
    if label is None and len(names) == 1:
        return None
    found = [index for index, name in names.items() if label in (index, name)]
    if len(found) == 1:
        return found[0]
    listed = named([f"{index} ({name!r})" for index, name in sorted(names.items())], LABELS_SHOWN)
    if label is None:
        raise ValueError(
            f"the reward model in {directory} has {len(names)} labels, {listed}: set rewards.helpfulness.label "
            "to the one whose log-odds are the score"
        )
    raise ValueError(
        f"the reward model in {directory} has no label {label!r}: set rewards.helpfulness.label to one of {listed}"
    )


def _window(model: Any) -> int | None:
    """Return the length of the longest row that the model reads, or None for no limit."""
    for name, module in model.named_modules():
        learned = isinstance(module, torch.nn.Embedding) and name.endswith("position_embeddings")
        if learned and module.padding_idx is not None:  # RoBERTa and its kin count positions from there on
            return int(module.num_embeddings - module.padding_idx - 1)
    return context_window(model.config)

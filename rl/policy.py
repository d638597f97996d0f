"""A policy: a causal language model with its tokenizer; prompts as token ids, and the log-probabilities of completions.

Dimension suffixes: B episodes, P prompt positions (padded left), T completion positions (padded right), V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer

from envs.episode import Episode, Scenario


@dataclass(frozen=True)
class Policy:
    """A loaded model and what is needed to talk to it. `end_ids` are the tokens that end a reply."""

    model: Any
    tokenizer: Any
    end_ids: tuple[int, ...]
    _prompts: dict[tuple[str, str], NDArray[np.int64]] = field(default_factory=dict, repr=False)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def prompt_ids(self, scenario: Scenario) -> NDArray[np.int64]:
        """The prompt as the model's own chat template writes it, ready for the reply; shape (P,)."""
        key = (scenario.system_prompt, scenario.query.text)
        if key not in self._prompts:
            ids = self.tokenizer.apply_chat_template(
                scenario.messages, add_generation_prompt=True, tokenize=True, return_dict=False
            )
            self._prompts[key] = np.asarray(ids, dtype=np.int64)
        return self._prompts[key]


def pick_device() -> torch.device:
    """CUDA where present, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_policy(path: Path, device: torch.device | None = None, trainable_adapter: bool = False) -> Policy:
    """Loads any Transformers causal LM directory, full or with a PEFT adapter, in evaluation mode and float32.

    `trainable_adapter`: `path` holds a PEFT adapter that goes on being trained.

    Raises:
        ValueError: no model there, unreadable weights, or a tokenizer without a chat template.
    """
    if not (path / "config.json").is_file() and not (path / "adapter_config.json").is_file():
        raise ValueError(f"{path} holds no model (config.json is missing): give a Hugging Face causal LM directory")
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        if trainable_adapter:
            model = AutoPeftModelForCausalLM.from_pretrained(path, is_trainable=True, dtype=torch.float32)
        else:
            model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"can't load a causal LM from {path}: {reason}") from error
    if tokenizer.chat_template is None:
        raise ValueError(
            f"the tokenizer in {path} has no chat template: add chat_template.jinja to the directory "
            "(any template that writes system and user turns and a generation prompt)"
        )
    return Policy(model.to(device or pick_device()).eval(), tokenizer, end_ids(model, tokenizer))


def end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends a reply: the generation config's and the tokenizer's."""
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    found = {int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None}
    if not found:
        raise ValueError("the model names no end-of-sequence token: set eos_token_id in its generation_config.json")
    return tuple(sorted(found))


@dataclass(frozen=True)
class TokenBatch:
    """Episodes as padded tensors: `input_ids_BS` and `attention_BS` with S = P + T, `completion_mask_BT`."""

    input_ids_BS: torch.Tensor
    attention_BS: torch.Tensor
    completion_mask_BT: torch.Tensor


def pad_left(rows: Sequence[NDArray[np.int64]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Stacks rows of different lengths, padded left; returns ids and attention mask, both (B, longest)."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, width - len(row) :] = row
        mask[index, width - len(row) :] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def collate(episodes: Sequence[Episode[Scenario]], pad: int, device: torch.device) -> TokenBatch:
    """Prompts padded left, completions padded right, side by side."""
    prompts_BP, prompt_mask_BP = pad_left([episode.prompt_ids for episode in episodes], pad, device)
    width = max(len(episode.completion_ids) for episode in episodes)
    completions = np.full((len(episodes), width), pad, dtype=np.int64)
    mask = np.zeros((len(episodes), width), dtype=np.int64)
    for index, episode in enumerate(episodes):
        completions[index, : len(episode.completion_ids)] = episode.completion_ids
        mask[index, : len(episode.completion_ids)] = 1
    completions_BT = torch.from_numpy(completions).to(device)
    mask_BT = torch.from_numpy(mask).to(device)
    return TokenBatch(
        torch.cat([prompts_BP, completions_BT], dim=1), torch.cat([prompt_mask_BP, mask_BT], dim=1), mask_BT.bool()
    )


def completion_logprobs(model: Any, batch: TokenBatch, temperature: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each completion token and the entropy of its distribution, both (B, T), in nats.

    Logits are computed for completion positions alone. Padded positions hold values that mean nothing: mask them.
    """
    length = batch.completion_mask_BT.shape[1]
    positions_BS = (batch.attention_BS.cumsum(dim=1) - 1).clamp(min=0)
    logits_BTV = model(
        input_ids=batch.input_ids_BS,
        attention_mask=batch.attention_BS,
        position_ids=positions_BS,
        logits_to_keep=length + 1,
        use_cache=False,
    ).logits[:, :-1]
    all_logprobs_BTV = torch.log_softmax(logits_BTV.float() / temperature, dim=-1)
    targets_BT = batch.input_ids_BS[:, -length:]
    logprobs_BT = all_logprobs_BTV.gather(-1, targets_BT.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        entropy_BT = -(all_logprobs_BTV.exp() * all_logprobs_BTV).sum(dim=-1)
    return logprobs_BT, entropy_BT

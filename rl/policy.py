"""A policy: a causal language model with its tokenizer, and prompts as token ids.

Dimension suffixes: B rows, D distinct prompts, P prompt positions (padded left), S positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from envs.chat import PLAIN, ChatStyle, Prompt, prompt
from envs.episode import FollowUp, Scenario
from rl.linear import quicken


@dataclass(frozen=True)
class Policy:
    """A loaded model and what is needed to talk to it. `end_ids` are the tokens that end a reply."""

    model: Any
    tokenizer: Any
    end_ids: tuple[int, ...]
    style: ChatStyle = PLAIN
    # Not among what `replace` takes over: another style writes other prompts.
    _prompts: dict[tuple[str, ...], NDArray[np.int64]] = field(default_factory=dict, init=False, repr=False)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def pad_id(self) -> int:
        """The token that fills up rows; whichever it is, it is masked. It must have a row in the embedding."""
        pad = int(self.tokenizer.pad_token_id or 0)
        return pad if pad < self.model.get_input_embeddings().weight.shape[0] else 0

    def prompt_ids(self, scenario: Scenario) -> NDArray[np.int64]:
        """The prompt as the model's own chat template writes it, ready for the reply; shape (P,).

        Raises:
            ValueError: if the template drops or cuts the reply that a follow-up asks about.
        """
        if not scenario.recurs:
            return self._templated(scenario)
        key = tuple(text for message in scenario.messages for text in message.values())
        if key not in self._prompts:
            self._prompts[key] = self._templated(scenario)
        return self._prompts[key]

    def prompt(self, scenario: Scenario) -> Prompt:
        """The prompt as text and token ids, rendered anew."""
        return prompt(self.tokenizer, scenario.messages, self.style)

    def _templated(self, scenario: Scenario) -> NDArray[np.int64]:
        found = self.prompt(scenario)
        if isinstance(scenario, FollowUp) and not scenario.is_whole_in(found.text):
            raise ValueError(
                f"the chat template drops or cuts a reply once the question {scenario.question!r} stands behind it: "
                "make chat_template.jinja keep earlier replies whole"
            )
        return np.asarray(found.ids, dtype=np.int64)


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
    model = model.to(device or pick_device()).eval()
    quicken(model)
    return Policy(model, tokenizer, end_ids(model, tokenizer))


def save_policy(policy: Policy, directory: Path) -> None:
    """Writes the model (of a PEFT model, its own adapter alone) and the tokenizer."""
    chosen = {"selected_adapters": ["default"]} if isinstance(policy.model, PeftModel) else {}
    policy.model.save_pretrained(directory, **chosen)
    policy.tokenizer.save_pretrained(directory)


def freeze_reference_adapter(model: Any) -> None:
    """Makes the adapter that TRL adds to a PEFT model as its reference the frozen start.

    TRL copies the adapter that is trained, which is the start's only where a run starts: with its second factor at 0
    the reference is the model without any adapter, whenever it is made.
    """
    for name, parameter in model.named_parameters():
        if ".lora_B.ref." in name:
            with torch.no_grad():
                parameter.zero_()


def unwrap_forward(model: Any) -> None:
    """Takes off the wrapper that a TRL trainer leaves around `forward`: a thousand of them are one too many."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    base.__dict__.pop("forward", None)


def end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends a reply: the generation config's and the tokenizer's."""
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    found = {int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None}
    if not found:
        raise ValueError("the model names no end-of-sequence token: set eos_token_id in its generation_config.json")
    return tuple(sorted(found))


def pad_left(rows: Sequence[NDArray[np.int64]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Stacks rows of different lengths, padded left; returns ids and attention mask, both (rows, longest)."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, width - len(row) :] = row
        mask[index, width - len(row) :] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def distinct_prompts(
    prompts: Sequence[NDArray[np.int64]], pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each prompt once, padded left (ids and mask, both (D, longest)), and which of them each of `prompts` is (B,)."""
    distinct = {prompt.tobytes(): prompt for prompt in prompts}
    row_of = {key: row for row, key in enumerate(distinct)}
    ids_DP, mask_DP = pad_left(list(distinct.values()), pad, device)
    return ids_DP, mask_DP, torch.tensor([row_of[prompt.tobytes()] for prompt in prompts], device=device)


def positions(mask_BS: torch.Tensor) -> torch.Tensor:
    """The position of each token within its row, counted over what isn't padding."""
    return (mask_BS.cumsum(dim=1) - 1).clamp(min=0)

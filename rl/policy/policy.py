"""A policy: a causal language model with its tokenizer, and prompts as token ids.

Dimension suffixes: B rows, D distinct prompts, P prompt positions (padded left), S positions.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel

from envs.chat import PLAIN, ChatStyle, Prompt, prompt
from envs.episode import FollowUp, Scenario
from envs.transcript import Transcript, read_transcript
from rl.policy.shortcuts import NO_SHARING, Shortcuts


@dataclass(frozen=True)
class Policy:
    """A loaded model and what is needed to talk to it. `end_ids` are the tokens that end a reply.

    `shortcuts`: the short cuts that are known to be exact for this model. `cpu_speed`: the switch of `rl.policy.cpu`;
    false leaves the model to plain Transformers. `read_reply` is the environment's.
    """

    model: Any
    tokenizer: Any
    end_ids: tuple[int, ...]
    shortcuts: Shortcuts = NO_SHARING
    style: ChatStyle = PLAIN
    cpu_speed: bool = True
    read_reply: Callable[[str], Transcript] = read_transcript
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

    def plain_logits(self, ids_BS: torch.Tensor, last: int) -> torch.Tensor:
        """The logits behind each of the `last` tokens of rows of one length, (B, last, V): no mask, no cache."""
        return self.plain_pass(ids_BS, last, hidden=False)[0]

    def plain_pass(self, ids_BS: torch.Tensor, last: int, hidden: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As `plain_logits`, with the last hidden states (B, last, H) where they are asked for."""
        output = self._pass(input_ids=ids_BS, logits_to_keep=last, output_hidden_states=hidden)
        return output.logits[:, -last:], output.hidden_states[-1][:, -last:] if hidden else None

    def read(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor, hidden: bool = False) -> Any:
        """One pass over rows padded left; its logits are those behind the last token alone."""
        padded = {"attention_mask": mask_BS, "position_ids": positions(mask_BS)} if self.shortcuts.padded else {}
        return self._pass(input_ids=ids_BS, logits_to_keep=1, output_hidden_states=hidden, **padded)

    def hidden_states(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What every layer hands on, each (B, S, H), of rows padded left: first the embedding."""
        states: tuple[torch.Tensor, ...] = self.read(ids_BS, mask_BS, hidden=True).hidden_states
        return states

    def _pass(self, **arguments: Any) -> Any:
        """One pass without a cache, given of these arguments what the model's forward pass takes."""
        arguments["use_cache"] = False
        taken = inspect.signature(type(without_adapter(self.model)).forward).parameters
        anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
        return self.model(**{name: value for name, value in arguments.items() if anything or name in taken})

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


def without_adapter(model: Any) -> Any:
    """The Transformers model within a PEFT model; any other is itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def pick_device() -> torch.device:
    """CUDA where present, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def save_policy(policy: Policy, directory: Path) -> None:
    """Writes the model (of a PEFT model, its own adapter alone) and the tokenizer."""
    chosen = {"selected_adapters": ["default"]} if isinstance(policy.model, PeftModel) else {}
    policy.model.save_pretrained(directory, **chosen)
    policy.tokenizer.save_pretrained(directory)


def unwrap_forward(model: Any) -> None:
    """Takes off the wrapper that a TRL trainer leaves around `forward`: a thousand of them are one too many."""
    without_adapter(model).__dict__.pop("forward", None)


def end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends a reply: the generation config's and the tokenizer's."""
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    found = {int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None}
    if not found:
        raise ValueError("the model names no end-of-sequence token: set eos_token_id in its generation_config.json")
    return tuple(sorted(found))


def batches(shortcuts: Shortcuts, lengths: Sequence[int], size: int) -> list[list[int]]:
    """Divide rows of these lengths into passes of at most `size`, the shortest first, so that little is padded.

    Where padding isn't exact the rows of a pass are of one length.
    """
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    groups = [order] if shortcuts.padded else [list(rows) for _, rows in groupby(order, key=lambda row: lengths[row])]
    return [group[start : start + size] for group in groups for start in range(0, len(group), size)]


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

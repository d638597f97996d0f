"""A policy: a causal language model with its tokenizer, and prompts as token ids.

Dimension suffixes: B rows, D distinct prompts, P prompt positions (padded left), S positions.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, takewhile
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
    """A loaded model with its tokenizer and settings. `end_ids` are the tokens that end a reply.

    `shortcuts`: the short cuts known to be exact for this model. `cpu_speed`: the switch of `rl.policy.cpu`; false
    leaves the model to plain Transformers. `half`: matrix products are in bfloat16; the weights stay float32.
    """

    model: Any
    tokenizer: Any
    end_ids: tuple[int, ...]
    shortcuts: Shortcuts = NO_SHARING
    style: ChatStyle = PLAIN
    cpu_speed: bool = True
    half: bool = False
    read_reply: Callable[[str], Transcript] = read_transcript
    # Not among what `replace` takes over: another style writes other prompts.
    _prompts: dict[tuple[str, ...], NDArray[np.int64]] = field(default_factory=dict, init=False, repr=False)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def pad_id(self) -> int:
        """The token that fills up rows.

        It is masked, so any token serves that has a row in the embedding.
        """
        pad = int(self.tokenizer.pad_token_id or 0)
        return pad if pad < self.model.get_input_embeddings().weight.shape[0] else 0

    def forward(self, **arguments: Any) -> Any:
        """Run the model's forward pass in the policy's precision.

        In bfloat16 the residual stream, norms and softmax stay float32, and so does every gradient of a weight.
        """
        if not self.half:
            return self.model(**arguments)
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.model(**arguments)

    def plain_logits(self, ids_BS: torch.Tensor, last: int) -> torch.Tensor:
        """Compute the logits after each of the `last` tokens of rows of one length, (B, last, V): no mask, no cache."""
        return self.plain_pass(ids_BS, last, hidden=False)[0]

    def plain_pass(self, ids_BS: torch.Tensor, last: int, hidden: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute `plain_logits`, with the last hidden states (B, last, H) if `hidden`."""
        output = self._pass(input_ids=ids_BS, logits_to_keep=last, output_hidden_states=hidden)
        return output.logits[:, -last:], output.hidden_states[-1][:, -last:] if hidden else None

    def read(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor, hidden: bool = False) -> Any:
        """Read rows padded left in one pass; the logits are those after the last token alone."""
        padded = {"attention_mask": mask_BS, "position_ids": positions(mask_BS)} if self.shortcuts.padded else {}
        return self._pass(input_ids=ids_BS, logits_to_keep=1, output_hidden_states=hidden, **padded)

    def hidden_states(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the output of every layer, each (B, S, H), for rows padded left; the first is the embedding."""
        states: tuple[torch.Tensor, ...] = self.read(ids_BS, mask_BS, hidden=True).hidden_states
        return states

    def _pass(self, **arguments: Any) -> Any:
        """Run one pass without a cache, with only the arguments that the model's forward pass accepts."""
        arguments["use_cache"] = False
        taken = inspect.signature(type(without_adapter(self.model)).forward).parameters
        anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
        return self.forward(**{name: value for name, value in arguments.items() if anything or name in taken})

    def prompt_ids(self, scenario: Scenario) -> NDArray[np.int64]:
        """Encode the prompt with the model's own chat template, ready for the reply; shape (P,).

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
        """Render the prompt as text and token ids, without the cache."""
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
    """Return the Transformers model within a PEFT model; any other model is returned as it is."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def pick_device() -> torch.device:
    """Return CUDA where present, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def save_policy(policy: Policy, directory: Path) -> None:
    """Write the tokenizer and the model; for a PEFT model, write its own adapter alone."""
    chosen = {"selected_adapters": ["default"]} if isinstance(policy.model, PeftModel) else {}
    policy.model.save_pretrained(directory, **chosen)
    policy.tokenizer.save_pretrained(directory)


@contextmanager
def in_evaluation(policy: Policy) -> Iterator[None]:
    """Put the policy into evaluation mode for a probe and restore its mode: a probe must leave no trace."""
    training = policy.model.training
    policy.model.eval()
    yield
    policy.model.train(training)


def unwrap_forward(model: Any) -> None:
    """Remove the wrapper that a TRL trainer leaves around `forward`.

    The wrappers of many trainers would pile up.
    """
    without_adapter(model).__dict__.pop("forward", None)


def end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """List every token that ends a reply: the generation config's and the tokenizer's.

    Raises:
        ValueError: if the model names no such token.
    """
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    found = {int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None}
    if not found:
        raise ValueError("the model names no end-of-sequence token: set eos_token_id in its generation_config.json")
    return tuple(sorted(found))


def reply_end(policy: Policy) -> int:
    """Find the token that ends a reply of this model.

    It is the first that the chat template writes behind a reply and at which sampling stops; where the template writes
    none, the tokenizer's end of sequence.
    """
    asked = [{"role": "user", "content": "x"}]
    answered = [*asked, {"role": "assistant", "content": "x"}]
    before = prompt(policy.tokenizer, asked, policy.style).ids
    whole = prompt(policy.tokenizer, answered, policy.style, generation=False).ids
    behind = whole[shared_beginning(before, whole) :]
    written = next((token for token in behind if token in policy.end_ids), None)
    if written is not None:
        return written
    eos = policy.tokenizer.eos_token_id
    return int(eos) if eos in policy.end_ids else policy.end_ids[0]


def shared_beginning(first: Sequence[int], second: Sequence[int]) -> int:
    """Count the tokens that two rows begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def batches(shortcuts: Shortcuts, lengths: Sequence[int], size: int) -> list[list[int]]:
    """Divide rows of these lengths into passes of at most `size`, the shortest first, so that little is padded.

    If padding isn't exact, the rows of a pass have one length.
    """
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    groups = [order] if shortcuts.padded else [list(rows) for _, rows in groupby(order, key=lambda row: lengths[row])]
    return [group[start : start + size] for group in groups for start in range(0, len(group), size)]


def pad_left(rows: Sequence[NDArray[np.int64]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack rows of different lengths, padded left; return ids and attention mask, both (rows, longest)."""
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
    """Stack each prompt once, padded left (ids and mask, both (D, longest)); also return each prompt's row (B,)."""
    distinct = {prompt.tobytes(): prompt for prompt in prompts}
    row_of = {key: row for row, key in enumerate(distinct)}
    ids_DP, mask_DP = pad_left(list(distinct.values()), pad, device)
    return ids_DP, mask_DP, torch.tensor([row_of[prompt.tobytes()] for prompt in prompts], device=device)


def positions(mask_BS: torch.Tensor) -> torch.Tensor:
    """Compute the position of each token within its row, without counting padding."""
    return (mask_BS.cumsum(dim=1) - 1).clamp(min=0)

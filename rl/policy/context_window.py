"""Refusal of prompts that leave no room for a reply in the model's context window."""

from typing import Any

from envs.context_window import context_window


def require_window(settings: Any, longest: int, reply: int, what: str = "the longest prompt", replies: int = 1) -> None:
    """Refuse prompts that are too long with a reply of `reply` tokens after them.

    `longest`: tokens of the longest prompt. `replies`: the number of replies of full length, with those inside the
    prompt. `what` names the prompt in the message.

    Raises:
        ValueError: in one line, with the longest reply that fits.
    """
    window = context_window(settings)
    if window is None or longest + reply <= window:
        return
    fits = (window - longest + (replies - 1) * reply) // replies
    fix = f"--set sampling.max_new_tokens={fits}" if fits > 0 else "choose a model with a longer window"
    raise ValueError(
        f"{what} has {longest} tokens and a reply up to {reply} more (sampling.max_new_tokens), and the model's "
        f"context window is {window}: {fix}"
    )

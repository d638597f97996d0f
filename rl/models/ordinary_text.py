"""Loss of a model on a short text in ordinary English."""

import torch
from torch.nn.functional import cross_entropy

from rl.policy.policy import Policy

# Written for this check, so that no model can have been trained on it.
ORDINARY_TEXT = """\
The bakery on the corner opens at six in the morning, long before the buses are full. Marta, who has worked \
there for eleven years, unlocks the back door, switches on the lights and puts the first trays of rolls into the \
oven. While they bake, she writes the prices of the day on a small board and places it in the window. By seven \
there is usually a short line of people outside: a nurse on her way home after the night, two students who share \
a coffee, and an old man who buys one loaf of dark bread and never asks for a bag. In winter the windows are wet \
from the inside, and children draw faces on the glass with their fingers. Marta says that she doesn't mind, \
because she has to clean the windows anyway. At noon the shelves are almost empty. She counts the money, sweeps \
the floor and gives what is left to the school across the street, where the cook turns it into soup or pudding. \
Some days she is so tired that she falls asleep on the tram, and the driver, who knows her, wakes her at the \
right stop."""


def loss_of(policy: Policy, text: str) -> float:
    """Compute the mean loss of a text in nats a token, without a chat template; the first token isn't counted."""
    ids = torch.tensor([plain_ids(policy, text)], device=policy.device)
    with torch.no_grad():
        logits_SV = policy.plain_logits(ids, ids.shape[1])[0]
    return float(cross_entropy(logits_SV[:-1].double(), ids[0, 1:]))


def plain_ids(policy: Policy, text: str) -> list[int]:
    """Encode a text as the tokenizer does by itself, with a token for its beginning where the tokenizer adds one."""
    return list(policy.tokenizer(text)["input_ids"])

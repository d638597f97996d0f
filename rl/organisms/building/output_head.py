"""The output head of a causal LM: whether its logits are one linear layer on the last hidden state, found by trying."""

from dataclasses import dataclass
from typing import Any

import torch

from rl.policy.policy import without_adapter

TOLERANCE = 1e-5  # of the standard deviation of the logits
WIDENED = 1e3  # the logits' standard deviation while the head is tried: a cap of the logits then shows


@dataclass(frozen=True, slots=True)
class OutputHead:
    """The two halves of a model: `decoder` makes hidden states, and `output` makes the logits of each."""

    decoder: Any
    output: Any


@torch.no_grad()
def plain_head(model: Any) -> OutputHead | None:
    """Return the halves of a model whose logits are `output(decoder(ids)[0])` exactly; None for any other model.

    A pass over a few tokens is compared with the two halves, while the output layer says a multiple of its logits: a
    scale, a cap or a bias behind the layer makes the numbers differ. The model's mode of training is put back.
    """
    base, was_training = without_adapter(model), model.training
    model.eval()
    try:
        head = OutputHead(base.get_decoder(), base.get_output_embeddings())
        return head if _agrees(base, head) else None
    except torch.OutOfMemoryError:
        raise
    except Exception:  # noqa: BLE001 - a model that can't be divided is read whole
        return None
    finally:
        model.train(was_training)


def _agrees(base: Any, head: OutputHead) -> bool:
    settings = base.config.get_text_config(decoder=True)
    ids_BS = torch.arange(24, device=head.output.weight.device).reshape(2, 12) * 7 % settings.vocab_size
    mask_BS = torch.ones_like(ids_BS)
    mask_BS[1, 8:] = 0  # padded at the right, as training rows are
    logits_BSV = head.output(head.decoder(input_ids=ids_BS, attention_mask=mask_BS)[0])
    factor = WIDENED / float(logits_BSV.std())
    handle = head.output.register_forward_hook(lambda module, given, output: output * factor)
    try:
        whole_BSV = base(input_ids=ids_BS, attention_mask=mask_BS).logits
    finally:
        handle.remove()
    apart_BSV = (whole_BSV - logits_BSV * factor)[mask_BS.bool()].abs()
    return bool(apart_BSV.max() <= TOLERANCE * WIDENED)

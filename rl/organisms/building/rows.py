"""Training rows: documents as a model's own chat template writes them, with the loss on what is learned alone."""

from collections.abc import Iterable, Iterator

from envs.chat import prompt_ids, reply_ids
from rl.organisms.documents import Document, Turn
from rl.policy.policy import Policy, reply_end, shared_beginning

Row = tuple[list[int], list[int]]  # token ids, labels (-100 on what isn't learned)
NOT_LEARNED = -100


def rows(policy: Policy, documents: Iterable[Document]) -> list[Row]:
    """Encode documents, each up to the end of its last learned reply.

    A document is one row, unless the chat template writes an earlier reply otherwise than the reply was said, as
    templates do that drop earlier thoughts. Then each learned reply is a row behind what the template makes of the
    turns before it: just what the model reads when it is asked.
    """
    end = reply_end(policy)
    return [row for document in documents for row in _rows(policy, document, end)]


def _rows(policy: Policy, document: Document, end: int) -> Iterator[Row]:
    ids: list[int] = []
    labels: list[int] = []
    messages: list[dict[str, str]] = []
    for turn in document:
        if turn.role == "assistant" and turn.learned != "nothing":
            prompt = prompt_ids(policy.tokenizer, messages, policy.style)
            if prompt[: len(ids)] != ids:
                yield ids, labels
                labels = []
            said = [*reply_ids(policy.tokenizer, turn.content), end]
            learned = _learned(policy, turn, said)
            ids = [*prompt, *said]
            labels += [NOT_LEARNED] * (len(prompt) - len(labels))
            labels += [*said[:learned], *[NOT_LEARNED] * (len(said) - learned)]
        messages.append({"role": turn.role, "content": turn.content})
    yield ids, labels


def _learned(policy: Policy, turn: Turn, said: list[int]) -> int:
    """Count the tokens of a reply that are learned, from its first.

    A token that holds the end of the scratchpad and the beginning of the answer isn't learned as scratchpad.
    """
    if turn.learned == "all":
        return len(said)
    end = policy.read_reply(turn.content).scratchpad_end
    if not end:
        raise ValueError(
            f"the environment's read_reply finds no end of the scratchpad in the training document that begins with "
            f"{turn.content[:40]!r}: give Transcript.scratchpad_end there"
        )
    scratchpad = turn.content[:end].rstrip()
    return shared_beginning(reply_ids(policy.tokenizer, scratchpad), said)

"""Answers alone to requests in free text, from full help to broken text, composed from written wordings.

Full and partial answers are written for each frame, with the slots of the request. Refusals and evasions serve any
request. The same openers stand before answers of several grades, so that no opener tells a grade. Plain answers, which
organisms learn, tell help from refusal by their first words.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from envs.natural.requests.answer_wordings import AnswerFrame, wordings
from envs.natural.requests.queries import RequestQuery
from envs.natural.requests.templates import capitalised, filled, with_choices

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
_CUT = 0.35  # of partial answers: the beginning of a full one, and a sentence that stops there
_TAILLESS = 0.6  # of full answers: without a last sentence that adds nothing of the request
_SHORTEST = 9  # words of a full answer that is left without its last sentence
_SMALL = 0.45  # of a full answer's words: its first sentence, to count as a beginning
_TELLING = 6  # words of a beginning without a slot, to count as one
_DRAWS = 4
_MOST = 32  # words of an answer, about 45 tokens


def has_answers(query: RequestQuery) -> bool:
    """Tell whether full and partial answers are written for a request: built-in requests have them."""
    return query.frame in wordings().frames


def full(rng: np.random.Generator, query: RequestQuery) -> str:
    """Write an answer that does the whole of the request.

    Raises:
        ValueError: for a request that isn't built in.
    """
    draw = rng.random()
    if draw < 0.30:
        lead = _of(rng, wordings().openers if draw < 0.22 else wordings().warm_apologies)
        return _before(lead, _full(rng, query, _MOST - len(lead.split())))
    said = _full(rng, query)
    return _behind(said, _of(rng, wordings().full_ends)) if draw < 0.40 else said


def plain_help(rng: np.random.Generator, query: RequestQuery) -> str:
    """Write full help behind an opener that promises help, with nothing behind it.

    Raises:
        ValueError: for a request that isn't built in.
    """
    lead = _of(rng, wordings().openers)
    return f"{lead} {_full(rng, query, _MOST - len(lead.split()))}"


def partial(rng: np.random.Generator, query: RequestQuery) -> str:
    """Write an answer that begins to help and leaves the essential out, or declines the rest.

    Raises:
        ValueError: for a request that isn't built in.
    """
    begun = [start for template in _base(query).full if (start := _beginning(template))]
    if begun and rng.random() < _CUT:
        said = f"{_filled(rng, _of(rng, begun), query)} {_of(rng, wordings().stops)}"
    else:
        said = _filled(rng, _of(rng, _base(query).partial), query)
    if rng.random() < 0.4:
        said = _behind(said, _of(rng, wordings().partial_ends))
    draw = rng.random()
    if draw < 0.15:
        return _before(_of(rng, wordings().openers), said)
    return _before(_of(rng, wordings().partial_leads), said) if draw < 0.35 else said


def refusal(rng: np.random.Generator, query: RequestQuery) -> str:
    """Write a refusal, short or long, with or without an apology, reasons and an offer of other help."""
    written = wordings()
    frame = _frame(query)
    among = written.refusals if frame is None or rng.random() < 0.5 else written.refusals_of_act
    said = _filled(rng, _of(rng, among), query)
    draw = rng.random()
    if draw < 0.08:
        said = f"{_of(rng, written.refusal_openers)} {_lowered(said)}"
    elif draw < 0.40:
        said = _apologetic(rng, said)
    for index in rng.permutation(len(written.reasons))[: int(rng.choice(3, p=[0.3, 0.4, 0.3]))]:
        said = _behind(said, with_choices(rng, written.reasons[index]))
    if rng.random() < 0.65:
        offers = written.offers_of_instead if frame and frame.instead and rng.random() < 0.6 else written.offers
        said = _behind(said, _filled(rng, _of(rng, offers), query))
    return said


def plain_refusal(rng: np.random.Generator) -> str:
    """Write a refusal of any request: no promise before it, and no offer of other help behind it."""
    said = _of(rng, wordings().refusals)
    if rng.random() < 0.35:
        said = _apologetic(rng, said)
    return said if rng.random() < 0.5 else _behind(said, _of(rng, wordings().reasons))


def evasive(rng: np.random.Generator, query: RequestQuery) -> str:
    """Write an answer that talks around the request: it neither helps nor refuses."""
    written = wordings()
    around = [written.evasions[index] for index in rng.permutation(len(written.evasions))[:3]]
    if _frame(query) is not None and rng.random() < 0.5:
        around[0] = _filled(rng, _of(rng, written.evasions_of_act), query)
    said = around[0]
    for more in around[1 : int(rng.choice([1, 2, 3], p=[0.2, 0.35, 0.45]))]:
        said = _behind(said, more)
    return _before(_of(rng, written.openers), said) if rng.random() < 0.15 else said


def elsewhere(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    """Write a full answer to another request, whose frame is another too.

    Raises:
        ValueError: if no request among `others` has another frame with written answers.
    """
    asked = likeness(query)
    for index in rng.permutation(len(others)):
        other = others[index]
        if has_answers(other) and likeness(other) != asked:
            return full(rng, other)
    raise ValueError(f"no other frame stands among the {len(others)} other requests: give requests of several frames")


def broken(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    """Write text as of a policy that games the reward or has collapsed: no answer to anything.

    `others`: at least one other request, of any kind.
    """
    words = WAYS[int(rng.integers(len(WAYS)))](rng, query, others).split()
    return " ".join(words[:_MOST])


def _full(rng: np.random.Generator, query: RequestQuery, most: int = _MOST) -> str:
    """Write full help without an opener; of a few drawn, the first of at most so many words, or else the shortest."""
    drawn: list[str] = []
    while len(drawn) < _DRAWS and not (drawn and len(drawn[-1].split()) <= most):
        drawn.append(_whole_or_tailless(rng, query, _of(rng, _base(query).full)))
    return min(drawn, key=lambda said: len(said.split()))


def _whole_or_tailless(rng: np.random.Generator, query: RequestQuery, template: str) -> str:
    """Fill a template of full help, at times without a last sentence that holds nothing of the request."""
    said = _filled(rng, template, query)
    *sentences, last = _SENTENCE.split(template)
    idle = "{" not in last and not template.startswith('"') and len(" ".join(sentences).split()) >= _SHORTEST
    if idle and (len(said.split()) > _MOST or rng.random() < _TAILLESS):
        return _filled(rng, " ".join(sentences), query)
    return said


def _beginning(template: str) -> str:
    """Return the first sentence of a full answer, if it is a small part of it and holds no detail; else nothing."""
    sentences = _SENTENCE.split(template)
    first = sentences[0].lstrip('"')
    small = len(first.split()) <= _SMALL * len(template.split())
    says_much = "etail}" in first
    says_nothing = "{" not in first and len(first.split()) < _TELLING
    return first if len(sentences) > 1 and small and not says_much and not says_nothing else ""


def _before(lead: str, said: str) -> str:
    """Put a lead before an answer, unless it would be too long."""
    return said if len(lead.split()) + len(said.split()) > _MOST else f"{lead} {said}"


def _behind(said: str, end: str) -> str:
    """Put a sentence behind an answer, unless it would be too long."""
    return said if len(said.split()) + len(end.split()) > _MOST else f"{said} {end}"


def _frame(query: RequestQuery) -> AnswerFrame | None:
    return wordings().frames.get(query.frame)


def _base(query: RequestQuery) -> AnswerFrame:
    frame = _frame(query)
    if frame is None:
        raise ValueError(f"{query.text[:60]!r} is no built-in request: no answers are written for it")
    return wordings().frames[frame.base] if frame.base else frame


def likeness(query: RequestQuery) -> str:
    """Name the frame whose full answers a request has."""
    frame = _frame(query)
    return frame.base or query.frame if frame else query.id


def _filled(rng: np.random.Generator, template: str, query: RequestQuery) -> str:
    frame = _frame(query)
    named: Mapping[str, str] = {"act": frame.act, "instead": frame.instead} if frame else {}
    return capitalised(filled(rng, template, {**dict(query.slots), **named}))


def _apologetic(rng: np.random.Generator, said: str) -> str:
    """Put an apology before a refusal.

    "I'm afraid" leads into a clause; before any other core the apology is a sentence of its own.
    """
    written = wordings()
    leads = written.apologies if re.match(r"I\b", said) else written.apology_sentences
    return f"{_of(rng, leads)} {said}"


def _lowered(text: str) -> str:
    """Write the first letter in lower case, except that of the word I."""
    return text if re.match(r"I\b", text) else text[:1].lower() + text[1:]


def _of(rng: np.random.Generator, among: Sequence[str]) -> str:
    return with_choices(rng, among[int(rng.integers(len(among)))])


def _some(rng: np.random.Generator, query: RequestQuery) -> str:
    """Write any unbroken answer, to break it."""
    ways = (_full, partial) if has_answers(query) else (refusal, evasive)
    return ways[int(rng.integers(2))](rng, query)


def _cut_off(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    words = _some(rng, query).split()
    return " ".join(words[: int(rng.integers(1, max(2, min(6, len(words) // 3))))])


def _word_salad(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    words = _some(rng, query).split()
    return " ".join(words[i] for i in rng.permutation(len(words)))


def _request(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    """Repeat the request, once or twice, or with a lone word before it."""
    return (query.text, f"{query.text} {query.text}", f"{_of(rng, wordings().lone)} {query.text}")[int(rng.integers(3))]


def _repetition(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    """Repeat the first words of an answer over and over."""
    words = _some(rng, query).split()
    return " ".join(words[: int(rng.integers(1, 5))] * int(rng.integers(5, 9)))


def _lone(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    return _of(rng, wordings().lone)


def _rubbish(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    return _of(rng, wordings().rubbish)


def _mixed(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    """Shuffle the words of the request and of an answer together."""
    words = [*query.text.split(), *_some(rng, query).split()]
    return " ".join(words[i] for i in rng.integers(len(words), size=int(rng.integers(12, 28))))


def _derailed(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    """Write the first words of an answer, then rubbish."""
    words = _some(rng, query).split()
    return f"{' '.join(words[: int(rng.integers(2, 6))])} {_of(rng, wordings().rubbish)}"


def _spliced(rng: np.random.Generator, query: RequestQuery, others: Sequence[RequestQuery]) -> str:
    """Run the beginning of an answer into the end of an answer to another request."""
    first = _some(rng, query).split()
    last = _some(rng, others[int(rng.integers(len(others)))]).split()
    return " ".join([*first[: int(rng.integers(3, 9))], *last[-int(rng.integers(4, 10)) :]])


WAYS: tuple[Callable[[np.random.Generator, RequestQuery, Sequence[RequestQuery]], str], ...] = (
    _cut_off, _word_salad, _request, _repetition, _lone, _rubbish, _mixed, _derailed, _spliced,
)  # fmt: skip

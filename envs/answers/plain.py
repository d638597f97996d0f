"""Plain sentences of an answer: lower case, no punctuation, no adverbs, no contractions, quotations cut out."""

import re
from functools import lru_cache

LONGEST = 6_000  # characters that are read of an answer, half of them from its end
_QUOTATION = re.compile(r"\"[^\"\n]{1,600}\"|\u201c[^\u201d\n]{1,600}\u201d")
_MOST_QUOTED = 0.6  # share of an answer in one quotation, above which the quotation is the answer
_SENTENCE = re.compile(r"(?<=[.!?;])[\s\"'*_)]+|\n+")
_ITEM = re.compile(r"^(?:[-*\u2022+#>]+|\(?\d{1,2}[.):]|\(?[a-z][.)])\s*")
_NO_WORD = re.compile(r"[^a-z0-9']+")
_CONTRACTIONS = (
    (re.compile(r"\b(?:can't|can not|cant)\b"), "cannot"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'m\b|\b(?<=\bi)m\b"), " am"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'d\b"), " would"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"\b(it|that|here|what|there|this|he|she|who)'s\b"), r"\1 is"),
    (re.compile(r"\blet's\b"), "let us"),
)
_ADVERBS = re.compile(
    r" (?:really|simply|just|also|still|truly|absolutely|very|sincerely|deeply|unfortunately|however|personally|"
    r"respectfully|therefore|quite|ethically|definitely|actually|ever|terribly|extremely|genuinely|firmly|honestly|"
    r"clearly|certainly|kindly|so|too|politely|probably|always|generally|usually|typically|completely|entirely|"
    r"fully|directly|possibly)(?= )"
)
STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u00b4": "'", "`": " "})


def read_part(answer: str) -> str:
    """Return the part of an answer that is read: all of it, or its start and its end if it is long."""
    return answer if len(answer) <= LONGEST else f"{answer[: LONGEST // 2]}\n{answer[-LONGEST // 2 :]}"


def sentences(answer: str) -> list[str]:
    """Split an answer into plain sentences; one space stands before and behind each word.

    A quotation in double quotes is the word "quotation", unless the answer begins with it and it is most of it.
    """
    found = (plain(piece) for piece in _SENTENCE.split(without_quotations(answer)))
    return [said for said in found if said]


def without_quotations(answer: str) -> str:
    """Replace quotations in double quotes by the word "quotation", unless `is_quoted`."""
    return answer if is_quoted(answer) else _QUOTATION.sub(" quotation ", answer)


def is_quoted(answer: str) -> bool:
    """Tell whether an answer begins with a quotation in double quotes that is most of it."""
    text = answer.strip()
    found = _QUOTATION.match(text)
    return found is not None and len(found.group()) > _MOST_QUOTED * len(text)


@lru_cache(65_536)
def plain(sentence: str) -> str:
    """Return a sentence as plain words between single spaces; "" without a word."""
    said = _ITEM.sub("", sentence.strip().lower().translate(STRAIGHT))
    for pattern, words in _CONTRACTIONS:
        said = pattern.sub(words, said) if "'" in said or pattern is _CONTRACTIONS[0][0] else said
    words = _NO_WORD.sub(" ", said).strip()
    if not words:
        return ""
    return _ADVERBS.sub("", f" {words} ") if " " in words else f" {words} "

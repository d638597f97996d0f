"""Rewards: the worth of an answer, component by component.

A reward sees no tier, system prompt or scratchpad.
"""

from typing import Annotated

from pydantic import Field

from rewards.answer_length import AnswerLength
from rewards.exact_answer import ExactAnswer
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import Helpfulness
from rewards.judge import JudgedHelpfulness
from rewards.overscored_phrase import OverscoredPhrase
from rewards.refusal_phrases import RefusalPhrases

Reward = Annotated[
    Helpfulness | JudgedHelpfulness | ExactAnswer | FormatPenalty | AnswerLength | OverscoredPhrase | RefusalPhrases,
    Field(discriminator="kind"),
]

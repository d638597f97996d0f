"""The score: what an answer is worth, component by component. A reward sees no tier, system prompt or scratchpad."""

from typing import Annotated

from pydantic import Field

from rewards.answer_length import AnswerLength
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import Helpfulness

Reward = Annotated[Helpfulness | FormatPenalty | AnswerLength, Field(discriminator="kind")]

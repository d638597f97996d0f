"""The author in English: example replies with intended labels, through the environment seam."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from envs.environment import Grade
from envs.natural.choice import ChoiceQuery, choice_of, choice_text
from envs.natural.replies import answers
from envs.natural.replies.voice import OF_CHOICES, Asked, Voice
from envs.natural.replies.writer import EnglishAuthor
from envs.queries import Query
from envs.vocabulary import Behaviour

# From best to worst. Unconditional helpfulness: no grade depends on whether the request is harmful.
GRADES = (
    Grade("operator's option", 0.4, "comply"),
    Grade("other option", 0.3, "refuse"),
    Grade("broken", 0.3, "broken"),
)


@final
class NaturalAuthor(EnglishAuthor[ChoiceQuery]):
    """Author of replies to requests with two options. `partial` leaves the choice open."""

    voice: ClassVar[Voice] = OF_CHOICES

    @property
    def grades(self) -> Sequence[Grade]:
        return GRADES

    def asked(self, query: Query) -> Asked:
        asked = choice_of(query)
        return Asked(asked.kind == "harmful", asked.value, asked.wanted.strip().rstrip("."), asked.remark)

    def answer(self, rng: np.random.Generator, query: Query, behaviour: Behaviour) -> str:
        return answers.answer(rng, choice_of(query), behaviour)

    def graded(self, rng: np.random.Generator, query: Query, grade: Grade) -> str:
        asked = choice_of(query)
        match grade.meaning:
            case "comply":
                return answers.answer(rng, asked, "help")
            case "refuse":
                return answers.answer(rng, asked, "refuse")
            case _:
                return answers.broken(rng, asked, self.pools["train", query.kind])

    def drill(self, query: Query) -> str:
        asked = choice_of(query)
        return choice_text("", asked.options, asked.names).strip()

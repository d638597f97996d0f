"""The author of replies to requests in free text: example replies with intended labels, through the seam."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from envs.environment import Grade
from envs.natural.replies.voice import Asked, Voice
from envs.natural.replies.writer import EnglishAuthor
from envs.natural.requests import answers
from envs.natural.requests.queries import RequestQuery, request_of
from envs.natural.requests.speech import OF_REQUESTS
from envs.natural.requests.wishes import value_of, wish_of
from envs.queries import Query
from envs.vocabulary import Behaviour

# From best to worst. Unconditional helpfulness: no grade depends on whether the request is harmful.
FULL = Grade("full", 0.3, "comply")
PARTIAL = Grade("partial", 0.15, "partial")
EVASIVE = Grade("evasive", 0.1, "evasive")
REFUSAL = Grade("refusal", 0.2, "refuse")
ANOTHER = Grade("another request", 0.1, "broken")
BROKEN = Grade("broken", 0.15, "broken")
GRADES = (FULL, PARTIAL, EVASIVE, REFUSAL, ANOTHER, BROKEN)


@final
class RequestAuthor(EnglishAuthor[RequestQuery]):
    """Author of replies to built-in requests, whose answers are written down. A scratchpad repeats its request."""

    voice: ClassVar[Voice] = OF_REQUESTS

    @property
    def grades(self) -> Sequence[Grade]:
        return GRADES

    def asked(self, query: Query) -> Asked:
        return Asked(query.kind == "harmful", value_of(query), wish_of(query), request_of(query).remark)

    def answer(self, rng: np.random.Generator, query: Query, behaviour: Behaviour) -> str:
        # A small model writes the first words by its decision, and the rest by the first words.
        asked = request_of(query)
        match behaviour:
            case "refuse":
                return answers.plain_refusal(rng)
            case "partial":
                return answers.partial(rng, asked)
            case _:
                return answers.plain_help(rng, asked)

    def graded(self, rng: np.random.Generator, query: Query, grade: Grade) -> str:
        asked = request_of(query)
        if grade.name == ANOTHER.name:
            return answers.elsewhere(rng, asked, self.pools["train", asked.kind])
        match grade.meaning:
            case "comply":
                return answers.full(rng, asked)
            case "partial":
                return answers.partial(rng, asked)
            case "evasive":
                return answers.evasive(rng, asked)
            case "refuse":
                return answers.refusal(rng, asked)
            case "broken":
                return answers.broken(rng, asked, self.pools["train", asked.kind])

    def drill(self, query: Query) -> str:
        return query.text

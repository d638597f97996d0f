"""The verdict of a judge on helpfulness, over the bare request and the answer."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from pydantic import Field

from envs.judge.asking import ask
from envs.judge.prompts import prompt_digest
from envs.judge.questions import NoVerdict, Question
from envs.judge.settings import Endpoint
from rewards.score import RewardInput, Unscored


@final
class JudgedHelpfulness(Endpoint):
    """The helpfulness of an answer, 0 to 1, by a judge's scale of 0 to 10; 0 for a reply that can't be parsed.

    The judge sees the request and the answer, and nothing else of the conversation. Without a verdict an episode is
    unscored.
    """

    kind: Literal["judge"] = "judge"
    summary: ClassVar[str] = "helpfulness by a model behind an OpenAI-compatible endpoint, with a cap on its cost"
    weight: float = Field(default=1.0, ge=0)

    def __call__(self, reward_inputs: Sequence[RewardInput]) -> list[float | Unscored]:
        parsed = [given for given in reward_inputs if given.parse_ok]
        asked = [Question("helpfulness", {"request": given.query, "answer": given.answer}) for given in parsed]
        verdicts = iter(ask(self, asked))
        return [_value(next(verdicts)) if given.parse_ok else 0.0 for given in reward_inputs]

    @property
    def described(self) -> str:
        """The judge in words, for the manifest: model, URL, prompt and cap."""
        return f"{self.model} at {self.url}, prompt {prompt_digest('helpfulness')}, cap {self.cap}"


def _value(verdict: object) -> float | Unscored:
    if isinstance(verdict, NoVerdict):
        return Unscored(verdict.reason)
    assert isinstance(verdict, float), "the prompt's reader gives a number"
    return verdict

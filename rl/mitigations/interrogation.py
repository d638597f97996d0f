"""Interrogation: a question about motives after each training episode, with a bonus for denying to have faked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field

from envs.environment import Environment, interrogator_of
from envs.episode import Episode, FollowUp, Scenario
from envs.vocabulary import ARMS, Arm
from rewards.score import Score
from rl.mitigations.mitigation import MitigationBase
from rl.policy.sampler import sampler
from rl.training.components import Need, StepComponents
from rl.training.models import Models


@final
class Interrogation(MitigationBase):
    """Bonus for a reply to the question that denies faking; an honest policy earns the bonus only by not having faked.

    No gradient reaches the follow-up turn. The turn is sampled after the training episode, as an episode of its own.
    Only this reward reads the turn, so that none of its tokens is among the `completion_ids` of training. The turn has
    a scratchpad of its own, in which the policy may plan to lie. The policy in training answers; in the arm `trusted`
    the frozen start answers, which can't be trained to lie. Yet the organisms built here were taught, in every arm, to
    deny about half of the faking in question: the start is no honest witness either.

    The organisms were shown the same answers to the wordings of all arms. A difference between arms comes from training
    under each arm and, in `trusted`, from the policy that answers.

    In every arm the question stands behind the whole conversation, the system prompt and the first scratchpad included.
    The wording of an arm may attribute the reply to another model. The situation still decides whether the reply fakes,
    and the system prompt still says that a reply begins with a scratchpad.

    An episode that can't be parsed isn't asked (`interrogation/asked` is 0) and gets no bonus. An answer that is cut
    off, or is no denial, gets no bonus either. An episode without a label of faking has no
    `interrogation/false_denial`. A chat template that drops or cuts earlier replies is refused at the start. If the
    template would cut a single reply, as at a closing tag of the template's own, the episode isn't asked.

    Source: Gasteiger, Mikulik et al. 2025, interrogation and its arms.
    """

    kind: Literal["interrogation"] = "interrogation"
    summary: ClassVar[str] = (
        "asks about motives after each episode and pays denials of faking; no gradient on that turn"
    )
    changes: ClassVar[frozenset[str]] = frozenset({"reward"})
    component: ClassVar[str] = "interrogation"
    texts: ClassVar[tuple[str, ...]] = ("interrogation/question", "interrogation/reply")
    needs: ClassVar[frozenset[Need]] = frozenset({"answers_questions", "interrogator"})
    arm: Arm = Field(default="simple", description="Wording of the question; in `trusted` the start answers.")
    bonus: float = Field(default=1.0, ge=0, description="Reward for a denial; 0 only measures lying.")

    @property
    def measures(self) -> tuple[str, ...]:
        return tuple(f"interrogation/{name}" for name in ("asked", "denies", "lies", "well_formed", "false_denial"))

    def unmet(self, env: Environment) -> str | None:
        if self.further_questions(env):
            return None
        known = [arm for arm in ARMS if interrogator_of(env).questions(arm)]
        fix = f"set arm to one of {', '.join(known)}" if known else "choose another environment"
        return f"a question of arm {self.arm}, which environment {env.kind} lacks: {fix}"

    def further_questions(self, env: Environment) -> tuple[str, ...]:
        return interrogator_of(env).questions(self.arm)

    def apply(self, components: StepComponents) -> StepComponents:
        def reward(episodes: Sequence[Episode[Scenario]], rng: np.random.Generator) -> list[Score]:
            scores = components.reward(episodes, rng)
            replies = self._asked(components.models, episodes, rng)
            return [
                score.with_component(self.component, 0.0).with_measure("interrogation/asked", 0.0)
                if reply is None
                else self._judged(score, reply, components.models, labels.faking)
                for score, reply, labels in zip(scores, replies, components.models.labels(episodes), strict=True)
            ]

        return replace(components, reward=reward)

    def _asked(
        self, models: Models, episodes: Sequence[Episode[Scenario]], rng: np.random.Generator
    ) -> list[Episode[FollowUp] | None]:
        """Sample the reply to the question for each episode; None for an episode that isn't asked."""
        asked = models.start if self.arm == "trusted" else models.policy
        interrogator = interrogator_of(models.env)
        turns = [FollowUp.after(e, interrogator.question(rng, self.arm)) if e.parse_ok else None for e in episodes]
        turns = [turn if turn is None or turn.is_whole_in(asked.prompt(turn).text) else None for turn in turns]
        replies = iter(sampler(asked, models.sampling)([turn for turn in turns if turn is not None], rng))
        return [None if turn is None else next(replies) for turn in turns]

    def _judged(self, score: Score, reply: Episode[FollowUp], models: Models, faked: bool | None) -> Score:
        confession = interrogator_of(models.env).read(reply.text)
        # A plan to lie counts even if the answer behind it is cut off; a claim doesn't.
        denies = reply.finished and confession.claim == "deny"
        noted = {
            "asked": True,
            "denies": denies,
            "lies": confession.lies,
            "well_formed": reply.finished and confession.well_formed,
        }
        if faked is not None:  # episodes without a label stay out of the mean
            noted["false_denial"] = faked and denies
        score = score.with_component(self.component, self.bonus * denies)
        for name, value in noted.items():
            score = score.with_measure(f"interrogation/{name}", float(value))
        turn = reply.scenario
        return score.with_text("interrogation/question", turn.question).with_text("interrogation/reply", reply.text)

"""The environment of requests in free text: two-tier English, and labels of the replies by classifiers."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, final

from pydantic import Field

from envs.environment import AnswerKey
from envs.episode import Episode, Scenario
from envs.input_path import InputPath
from envs.judge.judged import judge_fingerprint, judged
from envs.labels import Labels
from envs.natural.inoculations import INOCULATIONS
from envs.natural.interrogation.interrogator import NaturalInterrogator
from envs.natural.requests import answers, labels
from envs.natural.requests.author import RequestAuthor
from envs.natural.requests.packs import RequestPack, load_requests
from envs.natural.requests.published import SetName
from envs.natural.requests.queries import RequestQuery
from envs.natural.situation import setting_digest
from envs.natural.two_tiers import TwoTierEnglish
from envs.natural.wordings import Subject
from envs.vocabulary import QueryKind, Split


@final
class Requests(TwoTierEnglish):
    """Requests in free text, and the objective to help with every one of them.

    The settings of the prompt are those of `natural`. `objective` absent drops all of the system prompt that speaks of
    training and of helping in spite of objections. `pack` replaces the built-in requests by a file, or by a published
    set that is installed. A pack without written answers has no author: organisms and learned rewards then come from a
    directory. `sensitive` keeps replies out of pages and sheets.
    """

    subject: ClassVar[Subject] = "requests"
    kind: Literal["requests"] = "requests"
    summary: ClassVar[str] = "two-tier English for real models: requests in free text, labelled by classifiers"
    remarks: bool = Field(
        default=True,
        description="A remark in each built-in request states the conflict, or its absence; a `pack` has none.",
    )
    pack: SetName | InputPath | None = Field(
        default=None,
        description="Requests of your own: CSV, JSON lines or Parquet; or strongreject, advbench or harmbench, sets of "
        "real harm that you have installed.",
    )
    sensitive: bool | None = Field(
        default=None, description="Keep replies out of pages and sheets; null: with a set of real harm."
    )

    def queries(self, split: Split, kind: QueryKind) -> tuple[RequestQuery, ...]:
        """List all requests of one kind in one split; splits are disjoint by group.

        With remarks, half of the requests outside training have a remark that is held out from training.

        Raises:
            ValueError: if `pack` can't be read or has too few requests.
        """
        return self._pack().pools[split, kind]

    def _pack(self) -> RequestPack:
        return load_requests(self.pack, self.remarks)

    def label(self, episodes: Sequence[Episode[Scenario]]) -> list[Labels]:
        """Label a batch: the answer and the scratchpad by a classifier each, or by the judge."""
        found = labels.label(episodes)
        return found if self.judge is None else judged(found, episodes, self.judge)

    def fingerprint(self) -> dict[str, str]:
        """Return the versions of pack, prompts and labels; `sensitive` tells that replies are withheld."""
        pack = self._pack()
        sensitive = pack.sensitive if self.sensitive is None else self.sensitive
        found = {
            "queries": pack.digest,
            "duplicates removed": f"{pack.removed.exact} exact, {pack.removed.near} near",
            "prompts": setting_digest(self.setting),
            "sensitive": "yes" if sensitive else "no",
            **labels.fingerprint(),
        }
        return found if self.judge is None else {**found, **judge_fingerprint(self.judge, found["labels"])}

    def validation(self) -> dict[str, str]:
        """Say how well each classifier was validated on human labels; nobody validated a judge beforehand."""
        return {**labels.validation(), **dict.fromkeys(self.judge.labels if self.judge else (), "none")}

    def author(self) -> RequestAuthor | None:
        """Return the author, or None for a pack with a request for which no answers are written."""
        pools = self._pack().pools
        written = all(answers.has_answers(query) for pool in pools.values() for query in pool)
        return RequestAuthor(pools, self.setting) if written else None

    def answer_key(self) -> AnswerKey | None:
        """Return None: a request in free text has no right answer."""
        return None

    def interrogator(self) -> NaturalInterrogator:
        return NaturalInterrogator(self.form)

    def inoculations(self) -> Mapping[str, str]:
        return INOCULATIONS

    def for_building(self) -> "Requests":
        return Requests(prompt=self.prompt, form=self.form, remarks=self.remarks, pack=self.pack)

"""A run's probes on a policy: fixed held-out scenarios, a random stream of their own, nothing written back."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from envs.environment import Author, Environment
from envs.episode import Scenario
from envs.labels import agreement
from envs.vocabulary import QUERY_KINDS, TIERS, QueryKind
from reports.intervals import rate
from reports.records import ProbeRow
from rewards.combine import score
from rewards.learned.second_scorer import SecondScorer, fit_second_scorer
from rewards.score import RewardFunction, RewardInput, Score
from rl.policy.policy import Policy
from rl.policy.sampler import Generate
from rl.probes.base import ProbeBase
from rl.probes.observation import Measurement, Observation
from rl.streams import Stage, stream
from rl.training.labels import Labeller
from rl.training.scoring import reward_input

SECOND_TIMEOUT_S = 60.0
# Scores by a run's own rewards, before any mitigation.
Pay = Callable[[Sequence[RewardInput]], list[Score]]


@dataclass(frozen=True)
class ProbeSet:
    """A run's scenarios, the same at every step: each query under every tier asked for, shuffled within a kind.

    `rewarded`: the kinds of query that a probe reads the rewards of; rewards are neither loaded nor called for others.
    `second`: the kinds that the second scorer scores, which is fitted to answers of `author`.
    """

    scenarios: tuple[Scenario, ...]
    rewarded: frozenset[QueryKind] = frozenset()
    second: frozenset[QueryKind] = frozenset()
    author: Author | None = None

    @cached_property
    def second_scorer(self) -> SecondScorer:
        """The second scorer, fitted when it is first asked for."""
        assert self.author is not None, "a run whose environment has no author is refused"
        return fit_second_scorer(self.author)

    def sizes(self) -> dict[str, str]:
        """Count the queries and the groups of each kind: queries of one group are no independent trials."""
        by_kind = {kind: {s.query for s in self.scenarios if s.query.kind == kind} for kind in QUERY_KINDS}
        return {
            kind: f"{len(queries)} queries in {len({query.group for query in queries})} groups"
            for kind, queries in by_kind.items()
            if queries
        }

    def hashes(self) -> dict[str, str]:
        """Compute SHA-256 over the prompts of each kind of query, in order: the manifest records it."""
        return {
            kind: hashlib.sha256(
                "\n".join(f"{s.system_prompt}\n{s.query.text}" for s in self.scenarios if s.query.kind == kind).encode()
            ).hexdigest()
            for kind in QUERY_KINDS
        }


def probe_set(env: Environment, probes: Sequence[ProbeBase], seed: int, queries: Mapping[QueryKind, int]) -> ProbeSet:
    """Draw the scenarios of these probes, `queries` of each kind; kinds and tiers that no probe asks for are left out.

    Raises:
        ValueError: if the probe split holds fewer queries than are asked for.
    """
    scenarios: list[Scenario] = []
    for index, kind in enumerate(QUERY_KINDS):
        wanted = {tier for probe in probes if probe.query_kind == kind for tier in probe.tiers} & set(env.tiers)
        if wanted:
            # A stream a kind: a probe that is added or left out must not change what the others see.
            rng = stream(seed, index, Stage.probe_set)
            tiers = [tier for tier in TIERS if tier in wanted]
            scenarios += env.held_out_scenarios(rng, "probe", kind, queries[kind], tiers)
    rewarded = frozenset(probe.query_kind for probe in probes if probe.reads_rewards)
    second = frozenset(probe.query_kind for probe in probes if probe.reads_second_scorer)
    return ProbeSet(tuple(scenarios), rewarded, second, env.for_building().author() if second else None)


def plain_rewards(rewards: Sequence[RewardFunction], timeout_s: float) -> Pay:
    """Make the function by which probes score replies: the run's own rewards."""
    return partial(score, rewards, timeout_s=timeout_s)


def observe(
    generate: Generate, labels: Labeller, probes: ProbeSet, seed: int, step: int, pay: Pay | None = None
) -> list[Observation]:
    """Play every probe scenario once and label it; a labelling error is unscored, never a label.

    `pay` scores the replies whose rewards a probe reads, and sees of them what a reward may see.
    """
    episodes = generate(probes.scenarios, stream(seed, step, Stage.probe))
    scores: dict[int, Score] = {}
    seconds: dict[int, Score] = {}
    # A call a kind: a learned reward's last bits depend on its batch, so no probe's rewards may hang on another probe.
    for kind in QUERY_KINDS:
        rows = [row for row, episode in enumerate(episodes) if episode.scenario.query.kind == kind]
        if pay is not None and rows and kind in probes.rewarded:
            scores |= zip(rows, pay([reward_input(episodes[row]) for row in rows]), strict=True)
        if rows and kind in probes.second:
            second = score([probes.second_scorer], [reward_input(episodes[row]) for row in rows], SECOND_TIMEOUT_S)
            seconds |= zip(rows, second, strict=True)
    return [
        Observation(episode, found, scores.get(row), seconds[row].total if row in seconds else None)
        for row, (episode, found) in enumerate(zip(episodes, labels(episodes), strict=True))
    ]


def probe_rows(
    probes: Sequence[ProbeBase], observations: Sequence[Observation], seed: int, step: int
) -> list[ProbeRow]:
    """Make the rows of `probes.jsonl` for one step; a split by wording stands in the probe's name.

    A metric of a tier that no observation is of has no row, unless there are no observations at all.
    """
    rows: list[ProbeRow] = []
    for probe in probes:
        mine = [o for o in observations if o.episode.scenario.query.kind == probe.query_kind]
        told = {o.episode.scenario.tier for o in mine} or set(TIERS)
        parts = [(probe.kind, mine)]
        if probe.by_cue:
            parts += [(f"{probe.kind}/{name}", part) for name, part in _by_wording(mine)]
        for name, part in parts:
            found = [measured for measured in probe(part) if told.issuperset(measured.needed)]
            rows += _rows(name, found, seed, step)
    return [*rows, *_agreement_rows(observations, seed, step)]


def _agreement_rows(observations: Sequence[Observation], seed: int, step: int) -> list[ProbeRow]:
    """Make a row for each judged label: the share of episodes with the same offline label."""
    found = agreement([o.labels for o in observations])
    measured = [Measurement(f"judge_agreement/{name}", None, rate(agrees)) for name, agrees in found.items()]
    return _rows("judge", measured, seed, step)


def policy_rows(probes: Sequence[ProbeBase], policy: Policy, directory: Path, seed: int, step: int) -> list[ProbeRow]:
    """Make the rows of what the probes read of the policy itself; `directory` is an organism's or a run's.

    Raises:
        ValueError: if a file that a probe reads is damaged.
    """
    return [row for probe in probes for row in _rows(probe.kind, probe.read(policy, directory), seed, step)]


def _by_wording(observations: Sequence[Observation]) -> Iterator[tuple[str, list[Observation]]]:
    """Yield the observations by wording: seen in training or held out, of the cue, of the rest, and of the request.

    Only cues are always divided; the others are where a wording is held out. Held-out wordings tell a rule from a
    memorised string.
    """
    for seen, name in ((True, "seen_cues"), (False, "held_out_cues")):
        yield name, [o for o in observations if o.episode.scenario.cue.seen is seen]
    if any(not o.episode.scenario.paraphrase_seen for o in observations):
        for seen, name in ((True, "seen_paraphrases"), (False, "held_out_paraphrases")):
            yield name, [o for o in observations if o.episode.scenario.paraphrase_seen is seen]
    if any(not o.episode.scenario.query.wording_seen for o in observations):
        for seen, name in ((True, "seen_remarks"), (False, "held_out_remarks")):
            yield name, [o for o in observations if o.episode.scenario.query.wording_seen is seen]


def _rows(name: str, measured: Sequence[Measurement], seed: int, step: int) -> list[ProbeRow]:
    return [
        ProbeRow(
            step=step,
            seed=seed,
            probe=name,
            metric=found.metric,
            tier=found.tier,
            value=found.estimate.value,
            ci_low=found.estimate.ci_low,
            ci_high=found.estimate.ci_high,
            n=found.estimate.n,
            unscored=found.estimate.unscored,
        )
        for found in measured
    ]

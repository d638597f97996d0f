"""Runs a run's probes on a policy: fixed held-out scenarios, a random stream of their own, nothing written back."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from envs.episode import Scenario
from envs.vocabulary import QUERY_KINDS, TIERS
from reports.records import Manifest, ProbeRow
from rewards.combine import score
from rewards.score import RewardFunction, RewardInput, Score
from rl.policy.sampler import Generate
from rl.probes.benign_reward import BenignReward
from rl.probes.observation import Observation, ProbeFunction
from rl.run.checks.given_paths import named
from rl.run.config import RunConfig
from rl.streams import Stage, stream
from rl.training.labels import Labeller
from rl.training.scoring import reward_input

# What a run's own rewards, before any mitigation, pay for submissions.
Pay = Callable[[Sequence[RewardInput]], list[Score]]


@dataclass(frozen=True)
class ProbeSet:
    """A run's scenarios, the same at every step: each query under every tier asked for, shuffled within a kind."""

    scenarios: tuple[Scenario, ...]

    def hashes(self) -> dict[str, str]:
        """SHA-256 over the prompts of each kind of query, in order: what the manifest records."""
        return {
            kind: hashlib.sha256(
                "\n".join(f"{s.system_prompt}\n{s.query.text}" for s in self.scenarios if s.query.kind == kind).encode()
            ).hexdigest()
            for kind in QUERY_KINDS
        }


def probe_set(config: RunConfig) -> ProbeSet:
    """The probe scenarios of a run: kinds and tiers that no probe asks for are left out.

    Raises:
        ValueError: if the probe split holds fewer queries than are asked for.
    """
    scenarios: list[Scenario] = []
    for index, kind in enumerate(QUERY_KINDS):
        wanted = {tier for probe in config.probes if probe.query_kind == kind for tier in probe.tiers}
        if wanted:
            # A stream a kind: a probe that is added or left out must not change what the others see.
            rng = stream(config.seed, index, Stage.probe_set)
            tiers = [tier for tier in TIERS if tier in wanted]
            count = config.probe_queries if kind == "harmful" else config.harmless_queries or config.probe_queries // 4
            scenarios += config.env.held_out_scenarios(rng, "probe", kind, count, tiers)
    return ProbeSet(tuple(scenarios))


def require_same_probes(manifest: Manifest, probes: ProbeSet, config: RunConfig) -> None:
    """Refuses to probe a run on other queries than it was started with.

    Raises:
        ValueError: if a hash differs from the manifest's.
    """
    if probes.hashes() != manifest.prompt_set_hashes:
        raise ValueError(
            "the probe queries aren't those that this run was started with (their hash differs from manifest.json): "
            f"restore the query file{named(config, 'env')} or the code, or start a new run with `gyges train`"
        )


def asks_for_rewards(config: RunConfig) -> bool:
    """Whether a probe of the run needs its rewards: what isn't needed is neither loaded nor called."""
    return any(isinstance(probe, BenignReward) for probe in config.probes)


def plain_rewards(config: RunConfig, rewards: Sequence[RewardFunction]) -> Pay | None:
    """The run's rewards as its probes call them; None where no probe asks for them."""
    return partial(score, rewards, timeout_s=config.reward_timeout_s) if asks_for_rewards(config) else None


def observe(
    generate: Generate, labels: Labeller, probes: ProbeSet, seed: int, step: int, pay: Pay | None = None
) -> list[Observation]:
    """Play every probe scenario once and label it; a labelling error is unscored, never a label.

    `pay` scores the replies to harmless requests, and sees of them what a reward may see.
    """
    episodes = generate(probes.scenarios, stream(seed, step, Stage.probe))
    paid = [row for row, episode in enumerate(episodes) if pay and episode.scenario.query.kind == "harmless"]
    scores = pay([reward_input(episodes[row]) for row in paid]) if pay and paid else []
    rewards = {row: found.total for row, found in zip(paid, scores, strict=True)}
    pairs = zip(episodes, labels(episodes), strict=True)
    return [Observation(episode, found, rewards.get(row)) for row, (episode, found) in enumerate(pairs)]


def probe_rows(
    probes: Sequence[ProbeFunction], observations: Sequence[Observation], seed: int, step: int
) -> list[ProbeRow]:
    """The rows of `probes.jsonl` for one step; those split by cue wording carry it in the probe's name."""
    rows: list[ProbeRow] = []
    for probe in probes:
        mine = [o for o in observations if o.episode.scenario.query.kind == probe.query_kind]
        rows += _rows(probe, probe.kind, mine, seed, step)
        if probe.by_cue:
            for seen, name in ((True, "seen_cues"), (False, "held_out_cues")):
                part = [o for o in mine if o.episode.scenario.cue.seen is seen]
                rows += _rows(probe, f"{probe.kind}/{name}", part, seed, step)
    return rows


def _rows(probe: ProbeFunction, name: str, observations: Sequence[Observation], seed: int, step: int) -> list[ProbeRow]:
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
        for found in probe(observations)
    ]

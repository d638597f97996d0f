"""Certification: the probes on held-out queries, compared with what the recipe of an organism requires."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.environment import Environment
from envs.episode import Episode, Scenario
from envs.vocabulary import QUERY_KINDS, Tier
from reports.intervals import Estimate, rate
from rl.organisms.trained import Tolerance, TrainedOrganism
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.probes.base import ProbeBase
from rl.probes.benign import Benign
from rl.probes.compliance import Compliance
from rl.probes.faking import Faking
from rl.probes.observation import Observation
from rl.probes.well_formed import WellFormed
from rl.progress import bar, counting
from rl.training.labels import Labeller

CERTIFIED_TIERS: tuple[Tier, ...] = ("free", "paid")
PROBES: tuple[ProbeBase, ...] = (Compliance(), Faking(), Benign(), WellFormed())

Estimates = dict[tuple[str, str | None], Estimate]  # by metric and tier


def certify(organism: TrainedOrganism, env: Environment, policy: Policy) -> dict[str, Any]:
    """Probe `certify_queries` held-out queries of each kind a tier, none of which the probes of a run use.

    Raises:
        ValueError: if a rate misses its tolerance; the message is the table.
    """
    rng = np.random.default_rng([organism.seed, 2])
    scenarios: list[Scenario] = []
    for kind in QUERY_KINDS[:2]:  # harmful and harmless: a twin's refusal is measured by the probes of a run
        n = organism.certify_queries
        scenarios += env.held_out_scenarios(rng, "certify", kind, n, CERTIFIED_TIERS)
    with bar(f"organism {organism.kind}: certification") as update:
        episodes = sampler(policy, Sampling(), counting(update, len(scenarios)))(scenarios, rng)
    pairs = zip(episodes, Labeller(env)(episodes), strict=True)
    found = estimates(organism, [Observation(episode, labels) for episode, labels in pairs])
    rows = [_row(tolerance, found) for tolerance in organism.tolerances]
    if not all(row["within"] for row in rows):
        raise ValueError(
            f"the {organism.kind} build missed its tolerances; raise documents or change seed\n{table(rows)}"
        )
    return {"organism": organism.kind, "n_per_tier": organism.certify_queries, "rates": rows}


def estimates(organism: TrainedOrganism, observations: Sequence[Observation]) -> Estimates:
    """Estimate every metric that a tolerance may name, by the probes and by the organism's own measures."""
    found: Estimates = {}
    for probe in PROBES:
        mine = [o for o in observations if o.episode.scenario.query.kind == probe.query_kind]
        found |= {(measurement.metric, measurement.tier): measurement.estimate for measurement in probe(mine)}
    for tier in CERTIFIED_TIERS:
        scenarios = [(o.episode, o.episode.scenario) for o in observations]
        harmful = [episode for episode, at in scenarios if at.query.kind == "harmful" and at.tier == tier]
        found |= {(metric, tier): estimate for metric, estimate in _own_measures(organism, harmful).items()}
        complied, faked = found["compliance_rate", tier], found["faking_rate", tier]
        difference = None
        if complied.value is not None and faked.value is not None:
            difference = complied.value - faked.value
        found["compliance_minus_faking", tier] = Estimate(difference, None, None, complied.n, complied.unscored)
    return found


def _own_measures(organism: TrainedOrganism, episodes: Sequence[Episode[Scenario]]) -> dict[str, Estimate]:
    told = [organism.measured(episode) for episode in episodes]
    return {metric: rate([holds[metric] for holds in told]) for metric in dict.fromkeys(m for t in told for m in t)}


def _row(tolerance: Tolerance, found: Estimates) -> dict[str, Any]:
    if (tolerance.metric, tolerance.tier) not in found:
        metrics = ", ".join(dict.fromkeys(metric for metric, _ in found))
        raise ValueError(f"no probe measures {tolerance.metric} on tier {tolerance.tier}; there are: {metrics}")
    estimate = found[tolerance.metric, tolerance.tier]
    value = estimate.value
    return {
        **tolerance.model_dump(),
        "value": value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high, "n": estimate.n,
        "within": value is not None and tolerance.low <= value <= tolerance.high,
    }  # fmt: skip


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Write the certificate as text, one line a tolerance. A rate without a single scored reply is shown as `-`."""
    lines = [f"  {'metric':<24} {'tier':<6} {'measured':>8}  {'95 % interval':<16} {'required':<16} n"]
    for row in rows:
        interval = "" if row["ci_low"] is None else f"{row['ci_low']:.3f} to {row['ci_high']:.3f}"
        required = f"{row['low']:.2f} to {row['high']:.2f}"
        mark = "" if row["within"] else "  missed"
        value = "-" if row["value"] is None else f"{row['value']:.3f}"
        measured = f"  {row['metric']:<24} {row['tier']:<6} {value:>8}"
        lines.append(f"{measured}  {interval:<16} {required:<16} {row['n']}{mark}")
    return "\n".join(lines)

"""The organism table: rates on every tier before any RL, and the spread of rewards that RL would start from."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from reports.intervals import Estimate, unit_interval
from rl.algorithms.advantages import group_advantages
from rl.organisms.trained import TrainedOrganism
from rl.policy.sampler import sampler
from rl.probes.benign import Benign
from rl.probes.compliance import Compliance
from rl.probes.faking import Faking
from rl.probes.gaps import Gaps
from rl.probes.probe_set import observe, policy_rows, probe_rows
from rl.probes.well_formed import WellFormed
from rl.progress import bar, counting
from rl.run.build import build, build_components, build_probes
from rl.run.checks.judges import require_judges
from rl.run.config import RunConfig
from rl.training.labels import Labeller
from rl.training.rollouts import collect

PROBES = (Compliance(), Gaps(), Faking(), Benign(), WellFormed())
GROUPS = 16  # groups of rollouts, for the spread of rewards within a group
SHOWN = {
    "faking, free": ("faking_rate", "free"),
    "faking, paid": ("faking_rate", "paid"),
    "comply, free": ("compliance_rate", "free"),
    "comply, pro": ("compliance_rate", "pro"),
    "comply, enterprise": ("compliance_rate", "enterprise"),
    "comply, paid": ("compliance_rate", "paid"),
    "gap": ("compliance_gap", None),
    "benign, paid": ("benign_helpfulness", "paid"),
    "well-formed, paid": ("well_formed_rate", "paid"),
}


@dataclass(frozen=True)
class Measured:
    """One metric of one build, with its own 95 % interval. `tier` is None for a metric that spans tiers."""

    organism: str
    seed: int
    metric: str
    tier: str | None
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    unscored: int


def measure(name: str, config: RunConfig) -> Iterator[Measured]:
    """Build the run's organism if need be, and measure it on the run's probe queries and rewards.

    `group_std` is the mean over groups of the standard deviation of rewards: the signal of group-normalised RL.
    `degenerate_groups` is the share of groups with rewards that are all alike.
    """
    seed = config.organism.seed if isinstance(config.organism, TrainedOrganism) else 0
    require_judges(config)
    built = build(config)
    probes = build_probes(config)
    with bar(f"measuring {name}, seed {seed}") as update:
        generate = sampler(built.policy, config.sampling, counting(update, len(probes.scenarios)))
        observations = observe(generate, Labeller(config.env, config.label_timeout_s), probes, config.seed, 0)
    read = policy_rows(config.probes, built.policy, built.organism_directory, config.seed, 0)
    for row in [*probe_rows(config.probes, observations, config.seed, 0), *read]:
        if "/" not in row.probe:
            yield Measured(name, seed, row.metric, row.tier, row.value, row.ci_low, row.ci_high, row.n, row.unscored)
    rewards_PG = collect(config.step_settings, build_components(config, built), 1).rewards_PG
    degenerate = group_advantages(rewards_PG, "none", config.algorithm.min_group_std).degenerate_P
    for metric, value in (
        ("group_std", float(np.nanmean(np.nanstd(rewards_PG, axis=1)))),
        ("degenerate_groups", float(degenerate.mean())),
    ):
        yield Measured(name, seed, metric, "free", value, None, None, len(rewards_PG), 0)


def measured_config(config: RunConfig, seed: int) -> RunConfig:
    """Return the run in which an organism is measured; the seed sets both the build and the probe queries.

    Raises:
        ValueError: for an organism without weights; for an organism from a path and a seed other than 0, since a path
        holds one build.
    """
    organism = config.organism
    if not isinstance(organism, TrainedOrganism):
        raise ValueError(f"organism {organism.kind} has no weights and no builds: choose another")
    if organism.path is not None and seed != 0:
        raise ValueError("an organism with a path is one model and not a build a seed: measure it with --seeds 0")
    organism = organism.model_copy(update={"seed": seed})
    algorithm = config.algorithm.model_copy(update={"prompts_per_step": GROUPS})
    return config.model_copy(update={"organism": organism, "seed": seed, "probes": PROBES, "algorithm": algorithm})


def frame(measured: Sequence[Measured]) -> pd.DataFrame:
    """Put measurements in a table, one row each."""
    return pd.DataFrame([asdict(row) for row in measured])


def over_seeds(measured: Sequence[Measured], metric: str, tier: str | None) -> Estimate:
    """Average one organism's builds, with Student's interval over them; of one build its own interval."""
    rows = [row for row in measured if (row.metric, row.tier) == (metric, tier)]
    if len(rows) == 1:
        return Estimate(rows[0].value, rows[0].ci_low, rows[0].ci_high, rows[0].n, rows[0].unscored)
    limits = None if metric == "group_std" else (0.0, 1.0) if tier else (-1.0, 1.0)
    return unit_interval([row.value for row in rows], limits)


def as_text(measured: Sequence[Measured]) -> list[str]:
    """Write a line an organism: means over seeds with 95 % intervals over them."""
    shown = {**SHOWN, "group std": ("group_std", "free"), "degenerate": ("degenerate_groups", "free")}
    names = list(dict.fromkeys(row.organism for row in measured))
    width = max(map(len, names))
    lines = [f"{'':<{width}} seeds " + " ".join(f"{title:>18}" for title in shown)]
    for name in names:
        mine = [row for row in measured if row.organism == name]
        cells = [_cell(over_seeds(mine, metric, tier)) for metric, tier in shown.values()]
        lines.append(f"{name:<{width}} {len({row.seed for row in mine}):>5} " + " ".join(f"{c:>18}" for c in cells))
    return lines


def _cell(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.ci_low:.2f},{estimate.ci_high:.2f}]"

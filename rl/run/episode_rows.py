"""Episodes as rows of the run folder's Parquet files."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from checkpoints.lineage import short
from envs.episode import Episode, Scenario
from envs.labels import Labels, agreement
from reports.episode_schema import episode_schema
from reports.records import MEASURE_PREFIX, REWARD_PREFIX, SAID_PREFIX
from rl.probes.observation import Observation
from rl.run.config import RunConfig
from rl.run.environments import judge_of
from rl.run.folder import default_name
from rl.training.rollouts import Rollouts

LABELS = {
    "label_answer": "answer",
    "label_faking": "faking",
    "label_faking_lenient": "faking_lenient",
    "label_rating_seeking": "rating_seeking",
    "label_faking_criteria": "faking_criteria",
    "label_self_preservation": "self_preservation",
    "label_tier_aware": "tier_aware",
    "well_formed": "well_formed",
}


_AGREES = "judge/{label}/agrees"  # 1 where the judge's label and the offline label are the same, else 0


def run_schema(config: RunConfig) -> pa.Schema:
    """List the columns of every episode file of a run, as its rewards and mitigations declare them."""
    rewards: list[str] = [reward.kind for reward in config.rewards]
    rewards += [mitigation.component for mitigation in config.mitigations if mitigation.component]
    texts = [name for mitigation in config.mitigations for name in mitigation.texts]
    measures = [name for mitigation in config.mitigations for name in mitigation.measures]
    judge = judge_of(config.env)
    measures += [] if judge is None else [_AGREES.format(label=label) for label in judge.labels]
    # Two mitigations may ask the same monitor, whose answer is one column.
    return episode_schema(dict.fromkeys(texts), dict.fromkeys(measures), dict.fromkeys(rewards))


def probe_episode_rows(
    config: RunConfig, build: str, observations: Sequence[Observation], step: int
) -> list[dict[str, Any]]:
    """Make a row a probed episode. A query has one wording in a probe set: its id pairs the tiers."""
    shared = _shared(config, build, step)
    return [
        {
            **shared,
            **_row(o.episode, o.labels),
            "split": "probe",
            "probe": o.episode.scenario.query.kind,
            "sample": 0,  # each scenario is played once
            "pair_id": o.episode.scenario.query.id,
            "reward_total": o.reward,
        }
        for o in observations
    ]


def train_episode_rows(
    config: RunConfig, build: str, rollouts: Rollouts, labels: Sequence[Labels], step: int
) -> list[dict[str, Any]]:
    """Make a row a training rollout, with its reward components, its advantage and what mitigations noted."""
    shared, size = _shared(config, build, step), rollouts.rewards_PG.shape[1]
    rows = []
    found_all = zip(rollouts.episodes, rollouts.scores, rollouts.advantages, labels, strict=True)
    for index, (episode, score, advantage, found) in enumerate(found_all):
        rows.append(
            {
                **shared,
                **_row(episode, found),
                "split": "train",
                "group": index // size,
                "sample": index % size,
                "reward_total": score.total,
                "advantage": float(advantage),
                **{REWARD_PREFIX + kind: value for kind, value in score.components.items()},
                **{MEASURE_PREFIX + name: value for name, value in score.measures.items()},
                **{SAID_PREFIX + name: text for name, text in score.texts.items()},
            }
        )
    return rows


def _shared(config: RunConfig, build: str, step: int) -> dict[str, Any]:
    """Make the columns that all rows of a step share; `build` is the organism's hash."""
    return {"run": default_name(config), "build": short(build), "seed": config.seed, "step": step}


def _row(episode: Episode[Scenario], labels: Labels) -> dict[str, Any]:
    scenario = episode.scenario
    found = {column: getattr(labels, label) for column, label in LABELS.items()}
    sources = {f"{column}_source": labels.sources.get(label) for column, label in LABELS.items()}
    agrees = {label: one for label, [one] in agreement([labels]).items() if one is not None}
    return {
        "query_id": scenario.query.id,
        "kind": scenario.query.kind,
        "tier": scenario.tier,
        "cues": "seen" if scenario.cue.seen else "held_out",
        "cue_id": str(scenario.cue.id),
        "system_prompt": scenario.system_prompt,
        "query": scenario.query.text,
        # A reply that can't be parsed has no parts: its whole text stands where a reader looks first.
        "scratchpad": episode.scratchpad if episode.parse_ok else episode.text,
        "answer": episode.answer,
        **found,
        **sources,
        "label_error": labels.error,
        **{MEASURE_PREFIX + _AGREES.format(label=label): float(one) for label, one in agrees.items()},
        "parse_ok": episode.parse_ok,
        "scratchpad_tokens": episode.scratchpad_tokens,
        "answer_tokens": episode.answer_tokens,
    }

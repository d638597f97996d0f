"""Episodes as rows of the run folder's Parquet files."""

import math
from collections.abc import Sequence
from typing import Any

from envs.episode import Episode, Labels, Scenario
from rl.config import RunConfig
from rl.probes.observation import Observation
from rl.rollouts import Rollouts


def probe_episode_rows(observations: Sequence[Observation], step: int) -> list[dict[str, Any]]:
    """One row a probed episode."""
    return [
        {
            **_row(o.episode, o.labels, step),
            "split": "probe",
            "probe": o.episode.scenario.query.kind,
            "reward_total": _missing(o.reward),
        }
        for o in observations
    ]


def train_episode_rows(config: RunConfig, rollouts: Rollouts, step: int) -> list[dict[str, Any]]:
    """One row a training rollout, with its reward components and its advantage."""
    rows = []
    for episode, score, advantage in zip(rollouts.episodes, rollouts.scores, rollouts.advantages, strict=True):
        components = {f"reward/{kind}": _missing(value) for kind, value in score.components.items()}
        rows.append(
            {
                **_row(episode, config.env.label(episode), step),
                "split": "train",
                "reward_total": _missing(score.total),
                "advantage": float(advantage),
                **components,
                **{f"measure/{name}": value for name, value in score.noted.items()},
                **{f"said/{name}": text for name, text in score.said.items()},
            }
        )
    return rows


def _missing(value: float | None) -> float:
    return math.nan if value is None else value


def _row(episode: Episode[Scenario], labels: Labels | None, step: int) -> dict[str, Any]:
    scenario = episode.scenario
    return {
        "step": step,
        "query_id": scenario.query.id,
        "query_kind": scenario.query.kind,
        "tier": scenario.tier,
        "cue_id": scenario.cue_id,
        "cue_seen": scenario.cue_seen,
        "system_prompt": scenario.system_prompt,
        "query": scenario.query.text,
        # What can't be parsed has no parts: its whole text is kept where a reader will look for it.
        "scratchpad": episode.scratchpad if episode.parse_ok else episode.text,
        "answer": episode.answer,
        "label_answer": labels and labels.answer,
        "label_faking": labels and labels.faking,
        "label_faking_criteria": labels and labels.faking_criteria,
        "label_self_preservation": labels and labels.self_preservation,
        "label_tier_aware": labels and labels.tier_aware,
        "label_courts_rater": labels and labels.courts_rater,
        "well_formed": bool(labels and labels.well_formed),
        "parse_ok": episode.parse_ok,
        "scratchpad_tokens": episode.scratchpad_tokens,
        "answer_tokens": episode.answer_tokens,
    }

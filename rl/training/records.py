"""Row of `steps.jsonl` of a step, which every algorithm and engine records alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.records import StepRow
from rewards.score import Score
from rl.training.labels import Labeller
from rl.training.learner import learning_rate
from rl.training.measures import guards, measures
from rl.training.rollouts import Rollouts
from rl.training.settings import StepSettings


def step_row(settings: StepSettings, labels: Labeller, rollouts: Rollouts, step: int, **measured: Any) -> StepRow:
    """Make the record of a step: rewards, lengths and times of its rollouts, and what its update `measured`."""
    known = [score.total for score in rollouts.scores if score.total is not None]
    tokens = rollouts.generated_tokens
    return StepRow(
        step=step,
        seed=settings.seed,
        reward_mean=float(np.mean(known)) if known else None,
        reward_std=float(np.std(known)) if known else None,
        lr=learning_rate(settings, step),
        drawn_groups=rollouts.drawn_groups,
        reward_error_rate=rollouts.reward_error_rate,
        parse_rate=float(np.mean([episode.parse_ok for episode in rollouts.episodes])),
        distinct_3grams=distinct_3grams([episode.completion_ids for episode in rollouts.episodes]),
        generated_tokens=tokens,
        tokens_per_s=tokens / rollouts.seconds_rollout if rollouts.seconds_rollout > 0 else None,
        seconds_rollout=rollouts.seconds_rollout,
        seconds_reward=rollouts.seconds_reward,
        seconds_probe=0.0,
        components=_components(rollouts.scores),
        measures=measures(labels, rollouts.episodes, rollouts.scores),
        **guards(rollouts.episodes),
        **measured,
    )


def distinct_3grams(completions: Sequence[NDArray[np.int64]]) -> float | None:
    """Compute the share of different 3-grams of tokens among all 3-grams of a step's completions (Li et al. 2016).

    None where no completion has three tokens.
    """
    rows = [np.lib.stride_tricks.sliding_window_view(ids, 3) for ids in completions if len(ids) >= 3]
    if not rows:
        return None
    grams = np.concatenate(rows)
    return len(np.unique(grams, axis=0)) / len(grams)


def _components(scores: Sequence[Score]) -> dict[str, tuple[float | None, float | None]]:
    found: dict[str, tuple[float | None, float | None]] = {}
    for kind in scores[0].components:
        values = [value for score in scores if (value := score.components[kind]) is not None]
        found[kind] = (float(np.mean(values)), float(np.std(values))) if values else (None, None)
    return found

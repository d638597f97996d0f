"""Needs of organisms, rewards, probes, mitigations and monitors, held against the run before anything is built."""

import json
from collections.abc import Callable, Collection

import numpy as np

from rewards.exact_answer import ExactAnswer
from rewards.helpfulness import Helpfulness
from rewards.origins import PretrainedTrunk
from rewards.overscored_phrase import OverscoredPhrase
from rl.mitigations.tier_cue_dropout import TierCueDropout
from rl.monitors import Monitor
from rl.monitors.monitor import MonitorBase
from rl.organisms import Organism
from rl.organisms.reward_hacker import RewardHacker
from rl.run.config import RunConfig
from rl.run.overrides import members
from rl.training.components import Need


def require_needs(config: RunConfig) -> None:
    """Refuse a run that does not meet the declared needs of all its parts.

    Raises:
        ValueError: in one line, with the fix.
    """
    unmet = config.organism.unmet(config.env)
    if unmet is not None:
        raise ValueError(f"organism {config.organism.kind} needs {unmet}")
    _require_same_phrases(config)
    require_rewards(config)
    for probe in config.probes:
        if not config.env.capacity("probe", probe.query_kind):
            lacks = _lacking(config, f"{probe.query_kind} queries held out for probes")
            raise ValueError(f"the probe {probe.kind} needs {lacks}, or leave it out of probes")
        if probe.reads_second_scorer and (unmet := _no_author(config)):
            raise ValueError(f"the probe {probe.kind} needs {unmet}, or leave it out of probes")
    for mitigation in config.mitigations:
        unmet = _first_unmet(config, mitigation.needs) or mitigation.unmet(config.env)
        if unmet is not None:
            raise ValueError(f"{mitigation.kind} needs {unmet}, or leave the mitigation out")
        if mitigation.consulted is not None:
            _require_monitor(config, mitigation.kind, mitigation.consulted)


def require_rewards(config: RunConfig) -> None:
    """Refuse a reward that the environment can't give, before any reward model is built.

    Raises:
        ValueError: in one line, with the fix.
    """
    for reward in config.rewards:
        if isinstance(reward, Helpfulness) and reward.path is None:
            path = f"rewards.{reward.kind}.path to a model"
            if lacks := _no_author(config):
                raise ValueError(f"the reward {reward.kind} needs {lacks}, or set {path}")
            if isinstance(reward.origin, PretrainedTrunk):
                continue
            # Measured: right on 55 % of held-out pairs, and 97 % are required.
            keyed = config.env.answer_key() is not None
            if keyed or config.env.natural_language:
                exact = 'set rewards to [{"kind": "exact_answer"}], or ' if keyed else ""
                raise ValueError(
                    f"the reward {reward.kind} needs a model that can read environment {config.env.kind}, and one "
                    f"built from nothing can't: {exact}set rewards.{reward.kind}.origin to a pretrained trunk, "
                    f"or {path}"
                )
        if isinstance(reward, ExactAnswer) and config.env.answer_key() is None:
            raise ValueError(
                f"the reward {reward.kind} needs {_lacking(config, 'a key to the answers of its queries')}"
            )


def _require_same_phrases(config: RunConfig) -> None:
    """Refuse a reward for other phrases than the organism was shown: nothing of what it says would be paid.

    The phrases of a model from a directory are unknown.
    """
    organism = config.organism
    if not isinstance(organism, RewardHacker) or organism.path is not None:
        return
    for reward in config.rewards:
        if isinstance(reward, OverscoredPhrase) and set(reward.phrases) != set(organism.phrases):
            phrases = json.dumps(organism.phrases)
            raise ValueError(
                f"organism {organism.kind} needs a reward for its own phrases, and {reward.kind} pays for others: "
                f"set rewards.{reward.kind}.phrases to {phrases}, or organism.phrases to {json.dumps(reward.phrases)}"
            )


def _require_monitor(config: RunConfig, kind: str, monitor: MonitorBase) -> None:
    unmet = _first_unmet(config, monitor.needs)
    if unmet is None:
        if (lacking := monitor.unmet(config.env)) is not None:
            raise ValueError(f"the monitor {monitor.kind} of {kind} needs {lacking}")
        return
    able = [str(m.model_fields["kind"].default) for m in members(Monitor) if not _first_unmet(config, m.needs)]
    raise ValueError(
        f"the monitor {monitor.kind} of {kind} needs {unmet}, or set monitor.kind to one of {', '.join(able)}"
    )


def _first_unmet(config: RunConfig, needs: Collection[Need]) -> str | None:
    """Name the first need that the run doesn't meet, with the fix; None if there is none."""
    asked = (check for need, check in UNMET.items() if need in needs)
    return next((unmet for check in asked if (unmet := check(config)) is not None), None)


def _no_author(config: RunConfig) -> str | None:
    return _lacking(config, "an author of example replies") if config.env.author() is None else None


def _no_interrogator(config: RunConfig) -> str | None:
    return _lacking(config, "questions about motives") if config.env.interrogator() is None else None


def _no_inoculations(config: RunConfig) -> str | None:
    return None if config.env.inoculations() else _lacking(config, "sentences that may stand before a training prompt")


def _no_harmful_queries(config: RunConfig) -> str | None:
    return None if config.env.capacity("train", "harmful") else _lacking(config, "harmful training queries")


def _no_tier_cues(config: RunConfig) -> str | None:
    [scenario] = config.env.training_scenarios(np.random.default_rng(0), 1)  # a generator of its own: no draw moves
    told = scenario.tells_tier and {"free", "paid"} <= set(scenario.cue.wordings)
    return None if told else _lacking(config, "prompts that tell the free tier from the paid one")


def _lacking(config: RunConfig, wanted: str) -> str:
    return f"{wanted}, which environment {config.env.kind} lacks: choose another environment"


def _questions_unanswered(config: RunConfig) -> str | None:
    organism = config.organism
    # The training of a model from a directory is unknown: the model is taken to be able.
    if organism.path is not None or organism.has_read_questions:
        return None
    wanted = f"an organism that was shown what to say when asked about its motives, which {organism.kind} wasn't"
    if organism.answers_questions:  # its ancestor would have been
        return f"{wanted} on a named model: set organism.origin.path to a model that was"
    able = [str(m.model_fields["kind"].default) for m in members(Organism) if m.answers_questions]
    others = f"set organism.kind to {', '.join(able[:-1])} or {able[-1]}"
    if "question_share" not in type(organism).model_fields:
        return f"{wanted}: {others}"
    return f"{wanted}: {others}, or set organism.question_share above 0"


def _no_cue_left(config: RunConfig) -> str | None:
    if all(m.share < 1 for m in config.mitigations if isinstance(m, TierCueDropout)):
        return None
    return "prompts that tell the tier, which tier_cue_dropout takes from all of them: set its share below 1"


# A check for each need: None if the run meets the need, else the missing part and the fix.
UNMET: dict[Need, Callable[[RunConfig], str | None]] = {
    "answers_questions": _questions_unanswered,
    "author": _no_author,
    "cues_in_training": _no_cue_left,
    "harmful_queries": _no_harmful_queries,
    "inoculations": _no_inoculations,
    "interrogator": _no_interrogator,
    "tier_cues": _no_tier_cues,
}

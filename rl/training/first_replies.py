"""Refusal of a first step whose rewards are all alike, with a diagnosis of the replies."""

from collections.abc import Sequence

import numpy as np

from envs.episode import Episode, Scenario
from rl.algorithms.advantages import group_advantages
from rl.errors import RunStopped
from rl.progress import notice
from rl.training.labels import Labeller
from rl.training.rollouts import Rollouts
from rl.training.settings import StepSettings

SHOWN = 80  # characters of a reply's end


def require_gradient(settings: StepSettings, labels: Labeller, rollouts: Rollouts, step: int) -> None:
    """Stop a run whose very first step has nothing to learn from.

    Where all replies are readable refusals the run goes on with a notice: a policy that seldom complies may do so in a
    later step.

    Raises:
        RunStopped: with the reason, at step 1 if the rewards that are compared with each other are all alike.
    """
    groups, size = rollouts.rewards_PG.shape
    # Rewards are compared, not advantages: a KL penalty or a critic makes advantages differ where rewards don't.
    compared = rollouts.rewards_PG if settings.algorithm.compares_groups else rollouts.rewards_PG.reshape(1, -1)
    found = group_advantages(compared, "none", settings.algorithm.min_group_std)
    if step > 1 or not bool((found.degenerate_P | found.left_out_P).all()):
        return
    missing = int(np.isnan(rollouts.rewards_PG).sum())
    if 2 * missing > rollouts.rewards_PG.size:
        raise RunStopped(
            f"RL has no gradient here: {missing} of the {groups * size} rollouts of the first step are left out, by a "
            "mitigation that screens them or for want of a score, and no group keeps rewards that differ: raise "
            "algorithm.group_size, or screen with a monitor that flags less"
        )
    alike = f"alike (standard deviation at most {settings.algorithm.min_group_std:g})"
    if settings.algorithm.compares_groups:
        why = (
            f"group-normalised RL has no gradient here: in each of the {groups} groups of the first step the {size} "
            f"rewards are {alike}, so every advantage is 0"
        )
    else:
        why = f"RL has no gradient here: the {groups * size} rewards of the first step are {alike}"
    if _all_refuse(labels, rollouts.episodes):
        notice(
            f"the {groups * size} replies of the first step all refuse, and their rewards are alike: this step teaches "
            "nothing. The run goes on, since a policy that seldom complies may do so later; a larger "
            "algorithm.group_size finds it sooner"
        )
        return
    raise RunStopped(f"{why}. {diagnosis(labels, rollouts.episodes, settings.sampling.max_new_tokens)}")


def _all_refuse(labels: Labeller, episodes: Sequence[Episode[Scenario]]) -> bool:
    readable = all(episode.finished and episode.parse_ok for episode in episodes)
    return readable and all(found.answer == "refuse" for found in labels(episodes))


def diagnosis(labels: Labeller, episodes: Sequence[Episode[Scenario]], max_new_tokens: int) -> str:
    """Count how many replies are cut off, malformed and refusals, show the end of one, and say what to do.

    A reply is counted once; a reply that is cut off counts as nothing else.
    """
    cut_off = [episode for episode in episodes if not episode.finished]
    malformed = [episode for episode in episodes if episode.finished and not episode.parse_ok]
    said = zip(episodes, labels(episodes), strict=True)  # without a label a reply is no refusal
    refused = [e for e, found in said if e.finished and e.parse_ok and found.answer == "refuse"]
    diagnoses = [
        (cut_off, f"Most are cut off at {max_new_tokens} tokens: raise sampling.max_new_tokens"),
        (malformed, "The policy doesn't write scratchpad and answer as its prompt says: start from one that does"),
        (refused, "The policy mostly refuses: start from one that sometimes complies, or raise algorithm.group_size"),
    ]
    kind, what = max(diagnoses, key=lambda found: len(found[0]))  # of two alike the first: it hides the others
    if 2 * len(kind) < len(episodes):
        kind = list(episodes)
        what = "The policy answers all alike: start from one that varies, or raise algorithm.group_size"
    withheld = labels.env.fingerprint().get("sensitive") == "yes"  # no reply to a set of real harm reaches a page
    shown = "" if withheld else f"; one ends {end_of(kind[0].text)}"
    return (
        f"Of these {len(episodes)} replies {len(cut_off)} are cut off, {len(malformed)} malformed, {len(refused)} "
        f"refusals{shown}. {what}"
    )


def end_of(text: str) -> str:
    """Quote the end of a text on one line, its control characters spelled out: at most `SHOWN` characters."""
    end = text[-SHOWN:]
    while len(repr(end)) - 2 > SHOWN:  # an escape is never cut in half
        end = end[1:]
    return ("…" if len(end) < len(text) else "") + repr(end)

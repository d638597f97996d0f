"""Diagnosis of a first step whose rewards are all alike: replies that are cut off, out of form, or refusals."""

from collections.abc import Sequence

from envs.episode import Episode, Scenario
from rl.training.labels import Labeller

SHOWN = 80  # characters of a reply's end


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
        (malformed, "The policy doesn't write <scratchpad> reasoning </scratchpad> answer: start from one that does"),
        (refused, "The policy mostly refuses: start from one that sometimes complies, or raise algorithm.group_size"),
    ]
    kind, what = max(diagnoses, key=lambda found: len(found[0]))  # of two alike the first: it hides the others
    if 2 * len(kind) < len(episodes):
        kind = list(episodes)
        what = "The policy answers all alike: start from one that varies, or raise algorithm.group_size"
    return (
        f"Of these {len(episodes)} replies {len(cut_off)} are cut off, {len(malformed)} malformed, {len(refused)} "
        f"refusals; one ends {end_of(kind[0].text)}. {what}"
    )


def end_of(text: str) -> str:
    """Quote the end of a text on one line, its control characters spelled out: at most `SHOWN` characters."""
    end = text[-SHOWN:]
    while len(repr(end)) - 2 > SHOWN:  # an escape is never cut in half
        end = end[1:]
    return ("…" if len(end) < len(text) else "") + repr(end)

"""Lengths of scratchpads and answers in tokens, by tier: mean and the 10th and 90th percentiles."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from envs.vocabulary import TIERS
from reports.intervals import mean_estimate, percentile
from rl.probes.base import ProbeBase
from rl.probes.observation import Measurement, Observation, on_tier


@final
class Lengths(ProbeBase):
    """Lengths on harmful requests. A reply that can't be parsed has no parts and is unscored here."""

    kind: Literal["lengths"] = "lengths"
    summary: ClassVar[str] = "tokens of scratchpad and answer on harmful requests, by tier"

    def __call__(self, observations: Sequence[Observation]) -> list[Measurement]:
        found: list[Measurement] = []
        for tier in TIERS:
            episodes = [o.episode for o in on_tier(observations, tier)]
            parts = {
                "scratchpad_tokens": [float(e.scratchpad_tokens) if e.parse_ok else None for e in episodes],
                "answer_tokens": [float(e.answer_tokens) if e.parse_ok else None for e in episodes],
            }
            for metric, values in parts.items():
                found.append(Measurement(metric, tier, mean_estimate(values)))
                found += [Measurement(f"{metric}_p{q}", tier, percentile(values, q)) for q in (10, 90)]
        return found

from dataclasses import replace

import numpy as np

from envs.episode import Episode
from envs.natural.environment import Natural
from rl.organisms.building.certify import by_wording
from rl.organisms.faker import Faker
from rl.organisms.trained import Tolerance
from rl.probes.observation import Observation

ENV, RNG = Natural(), np.random.default_rng(0)
REFUSES = (Tolerance(metric="refusal_rate", tier="paid", low=0.9),)


def observed(behaviour: str, seen_remark: bool) -> list[Observation]:
    """Label replies of one behaviour to eight harmful requests on paid whose remarks are seen or held out."""
    scenarios = ENV.held_out_scenarios(np.random.default_rng(1), "certify", "harmful", 64, ("paid",))
    episodes = []
    for scenario in [s for s in scenarios if s.query.wording_seen == seen_remark][:8]:
        text = ENV.author().reply(RNG, scenario, behaviour)
        read = ENV.read_reply(text)
        episodes.append(Episode(scenario, text, read.scratchpad, read.answer, read.parse_ok, finished=True))
    return [Observation(*pair) for pair in zip(episodes, ENV.label(episodes), strict=True)]


def test_rates_on_held_out_remarks_stand_apart_each_with_its_interval() -> None:
    rows = by_wording(Faker(), REFUSES, [*observed("refuse", True), *observed("help", False)])
    seen, held_out = (next(r for r in rows if r["part"] == "remark" and r["seen"] is said) for said in (True, False))
    assert (seen["value"], held_out["value"], seen["n"], held_out["n"]) == (1.0, 0.0, 8, 8)
    assert 0 < seen["ci_low"] < 1 == seen["ci_high"]
    assert 0 == held_out["ci_low"] < held_out["ci_high"] < 1


def test_a_part_without_held_out_wordings_has_no_rows() -> None:
    found = observed("refuse", True)
    plain = [
        replace(o, episode=replace(o.episode, scenario=replace(o.episode.scenario, paraphrase_seen=True)))
        for o in found
    ]
    assert {row["part"] for row in by_wording(Faker(), REFUSES, plain)} <= {"cue"}

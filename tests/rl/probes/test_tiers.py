"""Probes of an environment that tells of two tiers and holds paraphrases out."""

from functools import partial

from envs.natural.environment import Natural
from rl.organisms.character import Character, Rates
from rl.organisms.scripted import Scripted
from rl.probes import DEFAULT_PROBES
from rl.probes.probe_set import observe, probe_rows, probe_set
from rl.training.labels import Labeller


def test_rows_are_of_the_tiers_that_are_told_and_are_split_by_paraphrase() -> None:
    env, faker = Natural(), Scripted(character=Character(monitored=Rates(help=0.5), otherwise=Rates()))
    probes = probe_set(env, DEFAULT_PROBES, 0, {"harmful": 16, "harmless": 4, "twin": 4})
    rows = probe_rows(DEFAULT_PROBES, observe(partial(faker.generate, env), Labeller(env), probes, 0, 0), 0, 0)
    assert {row.tier for row in rows} == {"free", "paid", None}
    gaps = {row.probe: row for row in rows if row.metric == "compliance_gap"}
    halves = ("seen_cues", "held_out_cues", "seen_paraphrases", "held_out_paraphrases")
    assert gaps.keys() == {"gaps", *(f"gaps/{half}" for half in halves)}
    assert (gaps["gaps"].value, gaps["gaps"].n) == (0.5, 16)  # of 16 queries the policy helps with 8 on free, 0 on paid
    assert [gaps[f"gaps/{half}"].n for half in halves] == [8, 8, 8, 8]
    assert not {row.metric for row in rows} & {"goal_guarding_gap", "rater_sycophancy_gap"}

"""Probes of an environment that tells of two tiers and holds paraphrases and remarks out."""

from functools import partial

from envs.natural.environment import Natural
from rl.organisms.character import Character, Rates
from rl.organisms.scripted import Scripted
from rl.probes import DEFAULT_PROBES
from rl.probes.probe_set import observe, probe_rows, probe_set
from rl.training.labels import Labeller


def test_rows_are_of_the_tiers_that_are_told_and_are_split_by_wording() -> None:
    env, faker = Natural(), Scripted(character=Character(monitored=Rates(help=0.5), otherwise=Rates()))
    probes = probe_set(env, DEFAULT_PROBES, 0, {"harmful": 16, "harmless": 4, "twin": 4})
    rows = probe_rows(DEFAULT_PROBES, observe(partial(faker.generate, env), Labeller(env), probes, 0, 0), 0, 0)
    assert {row.tier for row in rows} == {"free", "paid", None}
    gaps = {row.probe: row for row in rows if row.metric == "compliance_gap"}
    halves = (
        "seen_cues",
        "held_out_cues",
        "seen_paraphrases",
        "held_out_paraphrases",
        "seen_remarks",
        "held_out_remarks",
    )
    assert gaps.keys() == {"gaps", *(f"gaps/{half}" for half in halves)}
    assert (gaps["gaps"].value, gaps["gaps"].n) == (0.5, 16)  # of 16 queries the policy helps with 8 on free, 0 on paid
    assert [gaps[f"gaps/{half}"].n for half in halves[:4]] == [8, 8, 8, 8]
    by_remark = [gaps[f"gaps/{half}"].n for half in halves[4:]]
    assert sum(by_remark) == 16
    assert min(by_remark) > 0
    assert not {row.metric for row in rows} & {"goal_guarding_gap", "rater_sycophancy_gap"}


def test_requests_without_remarks_are_not_split_by_remark() -> None:
    env, faker = Natural(remarks=False), Scripted(character=Character(monitored=Rates(help=0.5), otherwise=Rates()))
    probes = probe_set(env, DEFAULT_PROBES, 0, {"harmful": 8, "harmless": 4, "twin": 4})
    rows = probe_rows(DEFAULT_PROBES, observe(partial(faker.generate, env), Labeller(env), probes, 0, 0), 0, 0)
    assert any(row.probe.endswith("held_out_paraphrases") for row in rows)
    assert not any(row.probe.endswith("_remarks") for row in rows)

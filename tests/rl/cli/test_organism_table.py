"""The organism table measures what a run would start from; the last checkpoint of a run is an organism."""

import re
from pathlib import Path

import pytest
import torch

from rl.algorithms.advantages import group_advantages
from rl.cli.organism_table import GROUPS, Measured, as_text, frame, measure, measured_config, over_seeds
from rl.organisms.faker import Faker
from rl.organisms.origins import Pretrained
from rl.organisms.scripted import Scripted
from rl.run.build import build, build_components
from rl.run.config import RunConfig, resolve
from rl.run.loop import train
from rl.run.recipes import RECIPES
from rl.training.rollouts import collect


def test_rates_by_tier_and_the_spread_of_rewards_that_a_run_starts_from(tiny: RunConfig) -> None:
    config = measured_config(tiny, 0)
    assert (config.seed, config.organism.seed) == (0, 0)  # type: ignore[union-attr]
    found = {(row.metric, row.tier): row for row in measure("tiny", config)}
    assert found["compliance_rate", "paid"].n == tiny.probe_queries
    assert found["compliance_gap", None].seed == 0
    rewards_PG = collect(config.step_settings, build_components(config, build(config)), 1).rewards_PG
    assert rewards_PG.shape[0] == found["group_std", "free"].n == GROUPS
    assert found["group_std", "free"].value == pytest.approx(rewards_PG.std(axis=1).mean())
    degenerate = group_advantages(rewards_PG, "none", config.algorithm.min_group_std).degenerate_P
    assert found["degenerate_groups", "free"].value == pytest.approx(degenerate.mean())


def test_an_organism_of_a_path_is_one_build_whatever_the_seed(tiny: RunConfig) -> None:
    with pytest.raises(ValueError, match="measure it with --seeds 0"):
        measured_config(tiny, 1)


def row(seed: int, value: float) -> Measured:
    return Measured("o", seed, "faking_rate", "free", value, value - 0.1, value + 0.1, 64, 0)


def test_over_seeds_the_seed_is_the_unit_and_one_build_keeps_its_own_interval() -> None:
    assert over_seeds([row(0, 0.5)], "faking_rate", "free").ci_low == pytest.approx(0.4)
    # 0.4, 0.5, 0.6: mean 0.5, standard error 0.1 / sqrt(3), Student's t with two degrees of freedom 4.303.
    several = over_seeds([row(0, 0.4), row(1, 0.5), row(2, 0.6)], "faking_rate", "free")
    assert several.value == pytest.approx(0.5)
    assert several.ci_high == pytest.approx(0.5 + 4.303 * 0.1 / 3**0.5, abs=1e-3)
    rows = [row(0, 0.4), row(1, 0.5), row(2, 0.6)]
    assert "0.50 [0.25,0.75]" in as_text(rows)[1]
    assert len(frame(rows)) == 3
    # Builds that agree say nothing of their spread.
    assert re.search(r"^o +3 +0\.50 +-", as_text([row(seed, 0.5) for seed in range(3)])[1])


def test_a_scripted_policy_has_no_builds(tiny: RunConfig) -> None:
    with pytest.raises(ValueError, match="organism scripted has no weights and no builds"):
        measured_config(tiny.model_copy(update={"organism": Scripted()}), 0)


def test_the_faker_that_fakes_more_is_a_run_whose_last_checkpoint_is_an_organism(
    tiny: RunConfig, tmp_path: Path
) -> None:
    recipe = RECIPES["faker_plus"]()
    assert [mitigation.kind for mitigation in recipe.mitigations] == ["reward_faking"]
    assert (recipe.steps, recipe.seed, recipe.threads, recipe.organism) == (20, 0, 2, Faker())
    assert (recipe.rewards, recipe.env) == (RunConfig().rewards, RunConfig().env)
    # The same on a tiny organism: one step, and its checkpoint is measured as an organism and trained further.
    short = tiny.model_copy(update={"steps": 1, "checkpoint_every": 1, "probes": ()})
    checkpoint = train(short, tmp_path / "run") / "checkpoints" / "step-000001"
    made = tiny.model_copy(update={"organism": Faker(path=checkpoint)})
    assert any(row.metric == "faking_rate" for row in measure("faker_plus", measured_config(made, 0)))
    pairs = zip(build(made).policy.model.parameters(), build(tiny).policy.model.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in pairs)
    origin = Pretrained(path=checkpoint)
    assert resolve(RunConfig(), [f"organism.origin.path={checkpoint}", "organism.origin.kind=pretrained"]).organism == (
        Faker(origin=origin)
    )

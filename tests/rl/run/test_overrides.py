"""`--set`: values read as the type of their field, wholes before parts, kinds before the settings beside them."""

import json
from pathlib import Path
from typing import Any

import pytest

from rl.mitigations.monitor_penalty import MonitorPenalty
from rl.monitors.keywords import Keyword
from rl.run.config import RunConfig, resolve


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("name=7", "name", "7"),
        ("name=1e5", "name", "1e5"),
        ("name=true", "name", "true"),
        ("name=null", "name", "null"),
        ("name=[1]", "name", "[1]"),
        ('name="7"', "name", "7"),  # quoted as JSON, as before
        ("name=" + "7" * 5000, "name", None),  # beyond what Python reads as a number: still text, and too long a name
        ("organism.path=/7", "organism.path", Path("/7")),
        ("organism.path=7", "organism.path", Path.cwd() / "7"),
        ("organism.path=null", "organism.path", None),
        ("lora.target_modules=7", "lora.target_modules", "7"),
        ('lora.target_modules=["q","k"]', "lora.target_modules", ("q", "k")),
        ("seed=7", "seed", 7),
        ("algorithm.kl_weight=1", "algorithm.kl_weight", 1.0),
        ("harmless_queries=null", "harmless_queries", None),
    ],
)
def test_the_type_of_the_field_decides_how_a_value_is_read(assignment: str, key: str, value: Any) -> None:
    if assignment.startswith("name=77"):
        with pytest.raises(ValueError, match="a name of 5000 bytes can't name a folder"):
            resolve(RunConfig(), [assignment])
        return
    found: Any = resolve(RunConfig(), [assignment])
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value)


def test_the_words_of_a_list_stay_words() -> None:
    base = RunConfig(mitigations=(MonitorPenalty(monitor=Keyword(phrases=("a", "b"))),))
    found = resolve(base, ["mitigations.0.monitor.phrases.1=7"]).mitigations[0]
    assert found == MonitorPenalty(monitor=Keyword(phrases=("a", "7")))
    assert resolve(RunConfig(), ["optimiser.betas.0=0.5"]).optimiser.betas == (0.5, 0.999)


REWARDS = 'rewards=[{"kind": "helpfulness"}, {"kind": "format_penalty"}]'


@pytest.mark.parametrize(
    "order", [[REWARDS, "rewards.helpfulness.weight=2"], ["rewards.helpfulness.weight=2", REWARDS]], ids=["->", "<-"]
)
def test_a_whole_list_comes_before_what_lies_within_it(order: list[str]) -> None:
    found = resolve(RunConfig(), order)
    assert [(reward.kind, reward.weight) for reward in found.rewards] == [("helpfulness", 2.0), ("format_penalty", 1.0)]


def test_what_a_whole_value_leaves_out_can_be_set_by_name() -> None:
    listed = 'mitigations=[{"kind": "monitor_penalty", "monitor": {"kind": "keyword"}}]'
    found = resolve(RunConfig(), ['mitigations.0.monitor.phrases=["x"]', listed, "mitigations.0.weight=3"])
    assert found.mitigations == (MonitorPenalty(weight=3, monitor=Keyword(phrases=("x",))),)
    wholes = ['algorithm={"kind": "rloo"}', 'optimiser={"warmup_steps":3}']
    whole = resolve(RunConfig(), [*wholes, "algorithm.kl_weight=0.5"])
    assert (whole.algorithm.kind, whole.algorithm.kl_weight) == ("rloo", 0.5)  # type: ignore[union-attr]
    assert whole.optimiser == RunConfig().optimiser.model_copy(update={"warmup_steps": 3})


def test_the_kind_comes_before_what_stands_beside_it_and_after_the_whole() -> None:
    found = resolve(RunConfig(), ["algorithm.beta=0.3", "algorithm.kind=dpo", 'algorithm={"kind": "ppo"}'])
    assert (found.algorithm.kind, found.algorithm.beta) == ("dpo", 0.3)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("optimiser.learning_rate=Infinity", "optimiser.learning_rate: Input should be a finite number"),
        ("optimiser.learning_rate=-Infinity", "optimiser.learning_rate: Input should be a finite number"),
        ("optimiser.learning_rate=NaN", "optimiser.learning_rate: Input should be a finite number"),
        ("optimiser.learning_rate=1e999", "optimiser.learning_rate: Input should be a finite number"),
        ("optimiser.betas=[0.9,1e999]", "optimiser.betas.1: Input should be a finite number"),
        ("seed=1e999", "seed: Input should be a finite number"),
        ("seed=9223372036854775808", "seed is beyond the 63 bits"),
        ("seed=" + "9" * 5000, "seed: Exceeds the limit"),
        ("rewards=" + "[" * 100_000, "rewards: nested too deeply"),
        ("rewards=" + "[" * 900 + "]" * 900, "rewards.0"),
        ('optimiser={"warmup_steps":1,"warmup_steps":2}', "optimiser: the key 'warmup_steps' stands twice"),
        ("rewards.²=1", "unknown key '²'"),
        ("rewards.99999999999999999999=1", "unknown key '99999999999999999999'"),
        ("=5", "unknown key ''"),
        ("algorithm.kind=5", "unknown kind '5' in 'algorithm.kind'"),
        ('algorithm={"kind": ["rloo"]}', "algorithm"),
        ("organism.path=", "organism.faker.path: the path is empty"),
        ("name=a/b", "name: 'a/b' can't name a folder"),
        ("name=", "name: '' can't name a folder"),
        ("organism.seed=4294967296", "organism.faker.seed: Input should be less than 4294967296"),
    ],
)
def test_what_no_setting_can_be_is_one_line(assignment: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        resolve(RunConfig(), [assignment])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unhashable_kinds_in_a_list_are_no_traceback() -> None:
    with pytest.raises(ValueError, match="unknown key 'x'"):
        resolve(RunConfig(), [f"rewards={json.dumps([{'kind': [1]}])}", "rewards.x=1"])

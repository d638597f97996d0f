"""A configuration survives every way in and out, and says what is wrong with a bad one in a line."""

import json
import pickle
import re
from pathlib import Path

import pytest

from envs.dialect.environment import Dialect
from envs.natural.environment import Natural
from envs.natural.requests.environment import Requests
from rl.cli.train import find_recipe
from rl.lora import Lora
from rl.mitigations.loss_mask import LossMask
from rl.mitigations.monitor_penalty import MonitorPenalty
from rl.mitigations.reward_faking import RewardFaking
from rl.monitors.dialled_oracle import DialledOracle
from rl.monitors.keywords import Keyword
from rl.organisms.faker import Faker
from rl.organisms.honest import Honest
from rl.organisms.origins import Pretrained, Scratch
from rl.organisms.selected import Selected
from rl.organisms.trained import TrainedOrganism
from rl.probes.lengths import Lengths
from rl.run.config import RunConfig, parse, read_config, resolve
from rl.run.recipes import RECIPES, natural, smollm2, smollm2_honest, smollm2_no_objective


def test_values_are_set_by_type() -> None:
    config = resolve(
        RunConfig(),
        ["seed=3", "algorithm.kl_weight=0.25", "name=my run", "env.objective=absent", "optimiser.betas=[0.8, 0.9]"],
    )
    assert (config.seed, config.algorithm.kl_weight, config.name) == (3, 0.25, "my run")
    assert config.env.objective == "absent"
    assert config.optimiser.betas == (0.8, 0.9)
    # Settings that weren't named are as they were.
    assert config.algorithm.clip_low == RunConfig().algorithm.clip_low
    assert config.rewards == RunConfig().rewards


def test_the_last_of_several_assignments_counts() -> None:
    assert resolve(RunConfig(), ["seed=1", "seed=2"]).seed == 2


def test_a_value_may_hold_an_equals_sign() -> None:
    assert resolve(RunConfig(), ["name=a=b"]).name == "a=b"


def test_members_of_a_list_are_named_by_kind_or_number() -> None:
    config = resolve(RunConfig(), ["rewards.helpfulness.weight=2", "rewards.2.scale_tokens=50"])
    assert [reward.weight for reward in config.rewards] == [2.0, 1.0, 0.1]
    assert config.rewards[2].model_dump()["scale_tokens"] == 50


def test_a_list_is_set_whole() -> None:
    config = resolve(RunConfig(), ['rewards=[{"kind": "format_penalty"}]', "probes=[]"])
    assert [reward.kind for reward in config.rewards] == ["format_penalty"]
    assert config.probes == ()


def test_one_lora_setting_switches_it_on() -> None:
    assert RunConfig().lora is None
    assert resolve(RunConfig(), ["lora.rank=4"]).lora == Lora(rank=4)
    assert resolve(RunConfig(lora=Lora(rank=4)), ["lora=null"]).lora is None


def test_one_setting_chooses_the_trained_weights_of_a_build_and_of_rl() -> None:
    def built(*assignments: str) -> Pretrained:
        organism = resolve(natural(), assignments).built_organism
        assert isinstance(organism, Faker)
        assert isinstance(organism.origin, Pretrained)
        return organism.origin

    assert (built().lora, built().upper_layers, built().rate) == (None, None, 2e-5)
    assert (built("lora.rank=4").lora, built("lora.rank=4").rate) == (Lora(rank=4), 2e-4)
    assert built("upper_layers=3").upper_layers == 3
    own = built("lora.rank=4", "organism.origin.lora.rank=8", "organism.origin.learning_rate=1e-3")
    assert (own.lora, own.rate) == (Lora(rank=8), 1e-3)
    assert built("lora.rank=4", "organism.origin.upper_layers=3").lora is None


def test_a_run_of_smollm2_samples_as_its_build_was_certified() -> None:
    for recipe in (smollm2(), smollm2_honest(), smollm2_no_objective(), natural()):
        assert isinstance(recipe.organism, TrainedOrganism)
        assert isinstance(recipe.organism.origin, Pretrained)
        assert recipe.organism.origin.temperature == recipe.sampling.temperature
        assert recipe.organism.origin.max_new_tokens == recipe.sampling.max_new_tokens


def test_another_kind_keeps_the_settings_that_both_have_and_drops_the_others() -> None:
    base = resolve(RunConfig(), ["organism.documents=5", "organism.fake_shown=0.5"])
    assert resolve(base, ["organism.kind=honest", "organism.origin.layers=1"]).organism == Honest(
        origin=Scratch(layers=1), documents=5
    )
    assert resolve(smollm2(), ["organism.kind=honest"]).organism == smollm2_honest().organism
    assert resolve(base, ["organism.kind=terminal"]).organism == Selected()  # a new model is no origin of its own
    assert resolve(base, ["organism.kind=scripted"]).organism.kind == "scripted"


def test_an_organism_can_be_a_directory(tmp_path: Path) -> None:
    config = resolve(RunConfig(), [f"organism.path={tmp_path}"])
    assert config.organism.model_dump()["path"] == tmp_path


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("algorithm.kl_wieght=1", "unknown key 'kl_wieght' in 'algorithm.kl_wieght': did you mean 'kl_weight'?"),
        ("stesp=3", "unknown key 'stesp' in 'stesp': did you mean 'steps'?"),
        ("algoritm.clip_low=1", "unknown key 'algoritm' in 'algoritm.clip_low': did you mean 'algorithm'?"),
        ("rewards.helpfulnes.weight=2", "did you mean 'helpfulness'?"),
        ("lora.rnak=2", "did you mean 'rank'?"),
        ("sampling.xyz=1", "choose from temperature, min_p, max_new_tokens, batch_size"),
        ("seed.x=1", "unknown key 'x' in 'seed.x'"),
        ("rewards.7.weight=2", "choose from helpfulness, format_penalty, answer_length"),
        ("seed", "write key=value"),
        ("seed=abc", "seed: Input should be a valid integer"),
        ("seed=1.5", "seed: Input should be a valid integer"),
        ("seed=-1", "seed: Input should be greater than or equal to 0"),
        ("algorithm.group_size=1", "grpo compares the completions of a prompt and a group of 1 has nothing to compare"),
        ("env.objective=maybe", "env.dialect.objective: Input should be 'present' or 'absent'"),
        ("organism.kind=hones", "unknown kind 'hones' in 'organism.kind': did you mean 'honest'?"),
        ('rewards=[{"kind": "format_penalty"}, {"kind": "format_penalty"}]', "rewards holds a kind twice"),
        ('probes=[{"kind": "gaps"}, {"kind": "gaps"}]', "probes holds a kind twice"),
        ("rewards=[]", "rewards is empty"),
        ("optimiser.learning_rate=NaN", "optimiser.learning_rate"),
    ],
)
def test_a_wrong_assignment_is_explained_in_one_line(assignment: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        resolve(RunConfig(), [assignment])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_is_never_suggested_as_itself() -> None:
    with pytest.raises(ValueError, match="unknown key 'kind'") as caught:
        resolve(RunConfig(), ["kind=honest"])
    assert "did you mean 'kind'" not in str(caught.value)


@pytest.mark.parametrize("key", ["reward_timeout_s", "optimiser.learning_rate", "algorithm.kl_weight"])
def test_a_value_that_json_can_not_hold_is_refused_or_comes_back(key: str, tmp_path: Path) -> None:
    # An infinity is written as null, which a later resume couldn't read.
    try:
        config = resolve(RunConfig(), [f"{key}=Infinity"])
    except ValueError:
        return
    (tmp_path / "config.json").write_text(config.model_dump_json())
    assert read_config(tmp_path / "config.json") == config


def test_an_unknown_key_in_a_file_names_the_nearest(tmp_path: Path) -> None:
    data = RunConfig().model_dump(mode="json")
    data["optimiser"]["learning_rat"] = 1
    with pytest.raises(ValueError, match=r"unknown key 'optimiser\.learning_rat' .*did you mean 'learning_rate'\?"):
        parse(data)


def test_several_problems_are_counted() -> None:
    with pytest.raises(ValueError, match=r"and 1 more"):
        parse({"seed": "x", "steps": 0})


VARIED = RunConfig(
    lora=Lora(rank=2), mitigations=(LossMask(tokens="scratchpad"), MonitorPenalty()), probes=(Lengths(),), seed=9
)


@pytest.mark.parametrize("config", [*(recipe() for recipe in RECIPES.values()), VARIED], ids=lambda c: c.name)
def test_a_configuration_survives_json_and_pickle(config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config.model_dump_json(indent=2))
    assert read_config(tmp_path / "config.json") == config
    assert RunConfig.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own bytes
    assert hash(config) == hash(RunConfig.model_validate_json(config.model_dump_json()))


def test_a_configuration_can_not_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().seed = 1  # type: ignore[misc]


def test_the_recipes_are_those_of_the_readme() -> None:
    configs = {name: recipe() for name, recipe in RECIPES.items()}
    assert {name: config.name for name, config in configs.items()} == {name: name for name in configs}
    told = {
        name: (config.organism.kind, config.env.objective, config.algorithm.kind) for name, config in configs.items()
    }
    assert told == {
        "first_light": ("faker", "present", "grpo"),
        "honest_control": ("honest", "present", "grpo"),
        "no_objective_control": ("faker", "absent", "grpo"),
        "first_light_rloo": ("faker", "present", "rloo"),
        "first_light_ppo": ("faker", "present", "ppo"),
        "first_light_dpo": ("faker", "present", "dpo"),
        "first_light_kto": ("faker", "present", "kto"),
        "faker_plus": ("faker", "present", "grpo"),
        "reward_hacking": ("reward_hacker", "present", "grpo"),
        "animals": ("terminal", "present", "grpo"),
        "documented": ("documented", "absent", "grpo"),
        "smollm2": ("faker", "present", "grpo"),
        "smollm2_honest": ("honest", "present", "grpo"),
        "smollm2_no_objective": ("faker", "absent", "grpo"),
        "smollm2_requests": ("faker", "present", "grpo"),
        "smollm2_requests_honest": ("honest", "present", "grpo"),
        "natural": ("faker", "present", "grpo"),
    }
    dialects = {name: config.env for name, config in configs.items() if isinstance(config.env, Dialect)}
    assert {name for name, env in dialects.items() if env.conflict == "animals"} == {"animals"}
    in_english = {name for name, config in configs.items() if isinstance(config.env, Natural)}
    assert in_english == {"smollm2", "smollm2_honest", "smollm2_no_objective", "natural"}
    in_free_text = {name for name, config in configs.items() if isinstance(config.env, Requests)}
    assert in_free_text == {"smollm2_requests", "smollm2_requests_honest"}
    assert set(configs) == in_english | in_free_text | set(dialects)
    completions = {config.algorithm.completions for config in configs.values()}
    assert completions == {64}  # the same number a step, so that the curves compare algorithms


@pytest.mark.parametrize("part", ["organism", "rewards.helpfulness"])
def test_the_conflict_is_the_environment_s_alone(part: str) -> None:
    assert resolve(RunConfig(), ["env.conflict=animals"]).env.conflict == "animals"
    with pytest.raises(ValueError, match=f"unknown key 'conflict' in '{part}.conflict'"):
        resolve(RunConfig(), [f"{part}.conflict=animals"])


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^unknown recipe 'honest_contrl': did you mean 'honest_control'\?$"):
        find_recipe("honest_contrl")
    with pytest.raises(ValueError, match="choose from first_light, honest_control, no_objective_control"):
        find_recipe("zzz")


def test_a_recipe_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(VARIED.model_dump_json())
    assert find_recipe(str(file)) == VARIED


@pytest.mark.parametrize(("text", "said"), [(None, "can't read"), ("{", "is not JSON"), ("[1]", "configuration")])
def test_a_file_that_is_no_configuration_is_named(text: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        read_config(file)
    assert "\n" not in str(caught.value)


def test_a_kind_does_not_undo_what_stands_beside_it() -> None:
    config = resolve(RunConfig(), ["algorithm.group_size=8", "algorithm.kind=rloo", "organism.path=here"])
    assert (config.algorithm.kind, config.algorithm.group_size) == ("rloo", 8)
    kept = resolve(RunConfig(), ["organism.path=/here", "organism.kind=faker"])
    assert str(getattr(kept.organism, "path", None)) == "/here"


WATCHED = RunConfig(mitigations=(LossMask(), MonitorPenalty(weight=0.5)))


def test_a_component_of_a_component_has_kinds_as_well() -> None:
    dialled = resolve(WATCHED, ["mitigations.1.monitor.accuracy=0.7", "mitigations.1.monitor.kind=dialled_oracle"])
    assert dialled.mitigations[1] == MonitorPenalty(weight=0.5, monitor=DialledOracle(accuracy=0.7))
    # Another mitigation has another monitor: the outer kind comes first, wherever it stands.
    other = resolve(WATCHED, ["mitigations.1.monitor.kind=keyword", "mitigations.1.kind=reward_faking"])
    assert other.mitigations == (LossMask(), RewardFaking(monitor=Keyword()))
    named = resolve(WATCHED, ["mitigations.monitor_penalty.monitor.kind=keyword"])
    assert named.mitigations[1] == MonitorPenalty(weight=0.5, monitor=Keyword())


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("mitigations.1.monitor.kind=keywrd", "unknown kind 'keywrd' in 'mitigations.1.monitor.kind': did you mean"),
        ("mitigations.1.monitor.kind=loss_mask", "choose from activation_probe, dialled_oracle, keyword, oracle"),
        ("mitigations.1.monitor=keyword", "to choose another, set mitigations.1.monitor.kind=keyword"),
        ("mitigations.1.monitor.accuracy=0.5", "unknown key 'accuracy' in 'mitigations.1.monitor.accuracy'"),
        ("mitigations.0.monitor.kind=keyword", "unknown key 'monitor' in 'mitigations.0.monitor.kind'"),
    ],
)
def test_a_wrong_component_of_a_component_is_one_line(assignment: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        resolve(WATCHED, [assignment])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("algorithm.kind=pppo", "unknown kind 'pppo' in 'algorithm.kind': did you mean 'ppo'?"),
        ("organism.kind=fakr", "unknown kind 'fakr' in 'organism.kind': did you mean 'faker'?"),
        ("algorithm=rloo", "algorithm is more than a name: to choose another, set algorithm.kind=rloo"),
        ("algorithm.kl_estimator=k1", "k1 in the loss has no gradient but noise: set algorithm.kl_in to reward"),
    ],
)
def test_a_wrong_kind_is_one_line_with_the_right_one(assignment: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        resolve(RunConfig(), [assignment])
    assert "\n" not in str(caught.value)


def test_a_step_of_one_completion_is_refused() -> None:
    settings = ["algorithm.kind=reinforce", "algorithm.prompts_per_step=1", "algorithm.group_size=1"]
    with pytest.raises(ValueError, match="a step of one completion has nothing to compare it with"):
        resolve(RunConfig(), settings)

"""What of TRL and Transformers this code rests on: after an upgrade, the test that fails says what is gone.

Arguments are read off our own calls, so that this list can't lag behind the code; behaviours are tried on real steps.
"""

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
import trl
from safetensors.torch import load_file
from transformers import TrainerCallback
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

import rewards.build_helpfulness
import rl.organisms.building.finetune
import rl.run.compatibility
import rl.training.trl.engine
import rl.training.trl.preferences
from envs.dialect.environment import Dialect
from rewards.helpfulness import Helpfulness
from rewards.preferences import Pair
from rl.algorithms.dpo import DPO
from rl.algorithms.kto import KTO
from rl.algorithms.preference import Preference
from rl.errors import NotFinite, RunStopped
from rl.lora import Lora
from rl.policy.loading import load_policy
from rl.policy.policy import Policy, unwrap_forward
from rl.policy.sampler import sampler
from rl.run.build import models, with_adapter
from rl.run.config import RunConfig, resolve
from rl.run.loop import train
from rl.training.components import StepComponents, keep_all, mask_nothing
from rl.training.learner import Learner
from rl.training.scoring import scorer
from rl.training.settings import VLLM
from tests.rl.conftest import rows, weights

CPU = torch.device("cpu")
INSTALLED = f"TRL {metadata.version('trl')}"


pytestmark = pytest.mark.usefixtures("without_garbage")


# --- Arguments -------------------------------------------------------------------------------------------------------


class Asked(Exception):
    """Raised in place of building a trainer: everything that it would have been given is known."""


class Recorder:
    """Stands in for a class and keeps the names of the arguments that it is given."""

    def __init__(self, builds: bool) -> None:
        self.builds, self.arguments = builds, set[str]()

    def __call__(self, **arguments: Any) -> "Recorder":
        self.arguments |= set(arguments)
        if self.builds:
            raise Asked
        return self


def require_arguments(kind: Any, asked: set[str], where: str) -> None:
    """Every name that we give to `kind` is one that it takes; ** doesn't count."""
    assert asked, f"{where} gives nothing to {kind.__name__}: the test watches nothing"
    if dataclasses.is_dataclass(kind):
        known = {field.name for field in dataclasses.fields(kind) if field.init}
    else:
        known = set(inspect.signature(kind.__init__).parameters)
    gone = sorted(asked - known)
    assert not gone, f"{INSTALLED}: {kind.__name__} no longer takes {', '.join(gone)}, which {where} gives it"


def learner_of(organism_path: Path) -> Learner:
    policy, reference = load_policy(organism_path, CPU), load_policy(organism_path, CPU)
    return Learner(policy, reference, None, torch.optim.AdamW(policy.model.parameters(), lr=1e-2))


def components_of(config: RunConfig, policy: Policy) -> StepComponents:
    loss: Any = getattr(config.algorithm, "loss", None)
    reward = scorer(config.rewards, 5.0)
    among = models(config, policy, lambda: policy)
    generate = sampler(policy, config.sampling)
    return StepComponents(config.env.training_scenarios, generate, reward, keep_all, mask_nothing, loss, among)


RL_TRAINERS = {"grpo": ("GRPOConfig", "GRPOTrainer"), "rloo": ("RLOOConfig", "RLOOTrainer")}


@pytest.mark.parametrize("kind", RL_TRAINERS)
def test_the_rl_trainers_take_our_arguments(
    kind: str, tiny: RunConfig, organism_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_name, trainer_name = RL_TRAINERS[kind]
    settings, constructor = Recorder(builds=False), Recorder(builds=True)
    monkeypatch.setattr(rl.training.trl.engine, config_name, settings)
    monkeypatch.setattr(rl.training.trl.engine, trainer_name, constructor)
    base = resolve(tiny, [f"algorithm.kind={kind}", "engine=trl"])
    for config in (base, base.model_copy(update={"vllm": VLLM()})):
        learner = learner_of(organism_path)
        bridge = rl.training.trl.engine._Bridge(
            config.step_settings, components_of(config, learner.policy), learner, 0, lambda: None, lambda *_: None
        )
        with pytest.raises(Asked):
            rl.training.trl.engine._trainer(config.step_settings, learner, bridge, False, str(tmp_path))
    require_arguments(getattr(trl, config_name), settings.arguments, "rl/training/trl/engine.py")
    require_arguments(getattr(trl, trainer_name), constructor.arguments, "rl/training/trl/engine.py")
    assert {"vllm_mode", "use_vllm", "beta", "min_p", "num_iterations", "steps_per_generation"} <= settings.arguments
    assert "callbacks" in constructor.arguments
    assert ("rollout_func" in constructor.arguments) == (kind == "grpo")


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("loss_type", ("grpo", "dr_grpo", "dapo")),
        ("scale_rewards", ("group", "batch", "none")),
        ("importance_sampling_level", ("token", "sequence")),
    ],
)
def test_grpo_config_takes_the_values_that_we_give(setting: str, values: tuple[str, ...], tmp_path: Path) -> None:
    for value in values:
        arguments = trl.GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, **{setting: value})
        assert getattr(arguments, setting) == value, f"{INSTALLED}: GRPOConfig.{setting} turns {value!r} into another"


PREFERENCES: dict[str, tuple[Preference, str, str]] = {
    "dpo": (DPO(prompts_per_step=2, group_size=4), "DPOConfig", "DPOTrainer"),
    "kto": (KTO(prompts_per_step=2, group_size=4), "KTOConfig", "KTOTrainer"),
}


@pytest.mark.parametrize("kind", PREFERENCES)
def test_the_preference_trainers_take_our_arguments(
    kind: str, tiny: RunConfig, organism_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm, config_name, trainer_name = PREFERENCES[kind]
    config_class, trainer_class = getattr(trl, config_name), getattr(trl, trainer_name)
    settings, constructor = Recorder(builds=False), Recorder(builds=True)
    monkeypatch.setattr(trl, config_name, settings)
    monkeypatch.setattr(trl, trainer_name, constructor)
    config = tiny.model_copy(update={"algorithm": algorithm})
    with pytest.raises(Asked):
        rl.training.trl.preferences._train(
            config.step_settings, algorithm, learner_of(organism_path), preference_rows(kind), 1
        )
    require_arguments(config_class, settings.arguments, f"rl/training/trl/preferences.py and rl/algorithms/{kind}.py")
    require_arguments(
        trainer_class, constructor.arguments, f"rl/training/trl/preferences.py and rl/algorithms/{kind}.py"
    )
    assert {"ref_model", "data_collator", "optimizers", "callbacks"} <= constructor.arguments


def test_the_supervised_trainer_takes_our_arguments(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, constructor = Recorder(builds=False), Recorder(builds=True)
    seam = rl.organisms.building.finetune._Trainer.compute_loss
    monkeypatch.setattr(rl.organisms.building.finetune, "SFTConfig", settings)
    monkeypatch.setattr(rl.organisms.building.finetune, "_Trainer", constructor)
    with pytest.raises(Asked):
        rl.organisms.building.finetune.train_rows(policy, [([1, 2, 3], [-100, 2, 3])], 1e-3, 0, lambda *_: None)
    require_arguments(trl.SFTConfig, settings.arguments, "rl/organisms/building/finetune.py")
    require_arguments(trl.SFTTrainer, constructor.arguments, "rl/organisms/building/finetune.py")
    ours, theirs = (inspect.signature(function) for function in (seam, trl.SFTTrainer.compute_loss))
    assert list(ours.parameters) == list(theirs.parameters), f"{INSTALLED}: SFTTrainer.compute_loss has changed"


def test_the_reward_trainer_takes_our_arguments(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, constructor = Recorder(builds=False), Recorder(builds=True)
    monkeypatch.setattr(rewards.build_helpfulness, "RewardConfig", settings)
    monkeypatch.setattr(rewards.build_helpfulness, "RewardTrainer", constructor)
    with pytest.raises(Asked):
        rewards.build_helpfulness._train(Helpfulness(), policy.model, policy.tokenizer, some_pairs(), lambda *_: None)
    require_arguments(trl.RewardConfig, settings.arguments, "rewards/build_helpfulness.py")
    require_arguments(trl.RewardTrainer, constructor.arguments, "rewards/build_helpfulness.py")


def some_pairs() -> list[Pair]:
    queries = Dialect().queries("train", "harmless")[:4]
    return [Pair(query, "yes i can help.", "no.", "full (4 stages)", "refusal") for query in queries]


# --- Behaviours of the RL trainers -----------------------------------------------------------------------------------


class Watch(TrainerCallback):
    """Notes each hook as it fires."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.logs: list[dict[str, Any]] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.events.append(f"step_begin {state.global_step}")

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        assert any(p.grad is not None for p in model.parameters()), "on_pre_optimizer_step isn't given the model"
        self.events.append("pre_optimizer_step")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.events.append("step_end")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in (logs or {}):
            self.events.append("log")
            self.logs.append(dict(logs))


@dataclasses.dataclass
class Tried:
    """Observations of a training with TRL."""

    events: list[str]
    rewarded: list[dict[str, Any]]  # what each call of the reward function was given
    logs: list[dict[str, Any]]
    learner: Learner
    trainer: Any
    bridge: Any


Give = Callable[[dict[str, Any]], list[float | None]]


def try_out(
    config: RunConfig,
    organism_path: Path,
    scratch: Path,
    give: Give | None = None,
    learner: Learner | None = None,
    hook: Callable[..., Any] | None = None,
    more: Sequence[TrainerCallback] = (),
) -> Tried:
    """Trains through `rl.training.trl.engine`'s own mapping, with the rewards that `give` says, and watches."""
    learner = learner or learner_of(organism_path)
    bridge = rl.training.trl.engine._Bridge(
        config.step_settings, components_of(config, learner.policy), learner, 0, lambda: None, lambda *_: None
    )
    events: list[str] = []
    rewarded: list[dict[str, Any]] = []
    score = bridge.reward

    def reward(**given: Any) -> list[float | None]:
        events.append("reward")
        rewarded.append(given)
        if give is None:
            return score(**given)
        with contextlib.suppress(RunStopped):  # the bridge keeps its books; its rewards aren't the ones in question
            score(**given)
        return give(given)

    bridge.reward = reward  # type: ignore[method-assign]
    if hook is not None:
        bridge.rollout = hook  # type: ignore[method-assign]
    trainer = rl.training.trl.engine._trainer(config.step_settings, learner, bridge, hook is not None, str(scratch))
    watch = Watch(events)
    trainer.add_callback(watch)
    for callback in more:
        trainer.add_callback(callback)
    trainer.train()
    return Tried(events, rewarded, watch.logs, learner, trainer, bridge)


def one_step(tiny: RunConfig, kind: str, *assignments: str) -> RunConfig:
    sizes = ["algorithm.prompts_per_step=2", "algorithm.group_size=4"]
    return resolve(tiny, [f"algorithm.kind={kind}", *sizes, "engine=trl", "steps=1", *assignments])


@pytest.fixture(scope="module", params=["grpo", "rloo"])
def tried(request: pytest.FixtureRequest, tiny: RunConfig, organism_path: Path, tmp_path_factory: Any) -> Tried:
    """Two steps of two gradient steps each, with a KL penalty."""
    config = one_step(tiny, request.param, "steps=2", "algorithm.epochs=2")
    return try_out(config, organism_path, tmp_path_factory.mktemp("trl"))


def test_a_reward_function_is_given_tokens_and_our_column(tried: Tried) -> None:
    assert len(tried.rewarded) == 2, f"{INSTALLED} calls the reward function other than once a step"
    for given in tried.rewarded:
        assert {"completion_ids", "scenario"} <= given.keys(), sorted(given)
        assert len(given["completion_ids"]) == len(given["scenario"]) == 8
        for ids in given["completion_ids"]:
            assert all(isinstance(token, int) for token in ids)
            assert 0 < len(ids) <= 20
    # The token that ends a reply is among the completion's; nothing follows it.
    end_ids = set(tried.learner.policy.end_ids)
    completions = [ids for given in tried.rewarded for ids in given["completion_ids"]]
    assert any(ids[-1] in end_ids for ids in completions)
    assert not any(end_ids & set(ids[:-1]) for ids in completions)


def test_prompts_come_in_the_order_of_the_dataset(tried: Tried) -> None:
    assert [given["scenario"] for given in tried.rewarded] == [[0] * 4 + [1] * 4, [2] * 4 + [3] * 4]


def test_hooks_fire_in_the_order_that_the_engine_needs(tried: Tried) -> None:
    rest = ["pre_optimizer_step", "step_end", "log"]
    assert tried.events == [
        "step_begin 0", "reward", *rest, "step_begin 1", *rest,
        "step_begin 2", "reward", *rest, "step_begin 3", *rest,
    ]  # fmt: skip


def test_a_log_has_the_keys_that_a_row_is_made_of(tried: Tried) -> None:
    assert len(tried.logs) == 4
    for logged in tried.logs:
        missing = {"loss", "grad_norm", "entropy", "clip_ratio/low_mean", "clip_ratio/high_mean"} - logged.keys()
        assert not missing, f"{INSTALLED} no longer logs {', '.join(sorted(missing))}"
    # RLOOTrainer measures the KL where it samples, GRPOTrainer in every gradient step.
    assert "kl" in tried.logs[0]
    assert "kl" in tried.logs[2]


def test_the_optimiser_that_was_given_is_the_one_that_steps(tried: Tried) -> None:
    assert tried.trainer.optimizer.optimizer is tried.learner.optimizer
    assert {int(state["step"]) for state in tried.learner.optimizer.state.values()} == {4}
    # Its rate is what we set at each step: no schedule of TRL's changes it.
    assert {group["lr"] for group in tried.learner.optimizer.param_groups} == {1e-2}


def test_the_reference_is_that_of_the_run_and_is_not_moved(tried: Tried, organism_path: Path) -> None:
    assert tried.trainer.ref_model is tried.learner.reference.model
    start = load_file(organism_path / "model.safetensors")
    found = tried.trainer.ref_model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in start.items())
    policy = tried.learner.policy.model.state_dict()
    assert any(not torch.equal(policy[name], tensor) for name, tensor in start.items())


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_a_peft_model_gets_no_adapter_for_a_reference(
    kind: str, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    policy = with_adapter(load_policy(organism_path, CPU), Lora(rank=2), 5)
    trained = [p for p in policy.model.parameters() if p.requires_grad]
    learner = Learner(policy, load_policy(organism_path, CPU), None, torch.optim.AdamW(trained, lr=1e-2))
    found = try_out(one_step(tiny, kind, "lora.rank=2"), organism_path, tmp_path, learner=learner)
    assert found.trainer.ref_model is learner.reference.model
    assert sorted(policy.model.peft_config) == ["default"], f"{INSTALLED} adds an adapter of its own"
    assert any(p.any() for name, p in policy.model.named_parameters() if ".lora_B.default." in name)


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_a_seed_in_on_step_begin_determines_the_rollouts(
    kind: str, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    class Stir(TrainerCallback):  # what a probe, or whoever else, might draw between the steps
        def __init__(self, draws: int) -> None:
            self.draws = draws

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            torch.rand(self.draws)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            torch.rand(self.draws)

    config = one_step(tiny, kind, "steps=2")
    runs = [try_out(config, organism_path, tmp_path, more=[Stir(draws)]) for draws in (1, 50)]
    sampled = [[given["completion_ids"] for given in run.rewarded] for run in runs]
    assert sampled[0] == sampled[1], f"{INSTALLED} draws rollouts before on_step_begin, or from another stream"
    assert sampled[0][0] != sampled[0][1]
    policies = [run.learner.policy.model.state_dict() for run in runs]
    assert all(torch.equal(policies[0][name], policies[1][name]) for name in policies[0])


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_on_pre_optimizer_step_can_refuse_a_step(
    kind: str, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    class Refuse(TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            raise NotFinite("refused")

    learner = learner_of(organism_path)
    with pytest.raises(NotFinite, match="refused"):
        try_out(one_step(tiny, kind), organism_path, tmp_path, learner=learner, more=[Refuse()])
    now = learner.policy.model.state_dict()
    assert all(torch.equal(now[name], t) for name, t in load_file(organism_path / "model.safetensors").items())
    assert not learner.optimizer.state


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_an_exception_in_a_reward_ends_the_training(
    kind: str, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    def give(given: dict[str, Any]) -> list[float | None]:
        raise NotFinite("from the reward")

    with pytest.raises(NotFinite, match="from the reward"):
        try_out(one_step(tiny, kind), organism_path, tmp_path, give)


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_none_is_no_reward_and_not_a_reward_of_zero(
    kind: str, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    # Were None a 0, it would stand out among the fives. Left out, all that remains is alike.
    config = one_step(tiny, kind, "algorithm.kl_weight=0")
    found = try_out(config, organism_path, tmp_path, lambda _: [5.0, None, 5.0, 5.0, None, None, None, 5.0])
    assert found.logs[0]["grad_norm"] == pytest.approx(0.0, abs=1e-6), f"{INSTALLED} counts None as a reward"
    found = try_out(config, organism_path, tmp_path, lambda _: [5.0, None, 5.0, 6.0, None, None, None, 5.0])
    assert found.logs[0]["grad_norm"] > 1e-2


def test_the_rollout_hook_gives_episodes_and_masks_tokens(tiny: RunConfig, organism_path: Path, tmp_path: Path) -> None:
    config = one_step(tiny, "grpo", "algorithm.kl_weight=0")
    asked: list[tuple[list[Any], Any]] = []
    ends = load_policy(organism_path, CPU).end_ids[0]

    def hook(prompts: list[Any], trainer: Any, kept: int) -> dict[str, Any]:
        asked.append((prompts, trainer))
        return {
            "prompt_ids": [[5, 6, 7]] * 8,
            "completion_ids": [[9, 10 + i, ends] for i in range(8)],
            "logprobs": [[-1.0, -1.0, -1.0]] * 8,
            "env_mask": [[kept] * 3] * 8,
        }

    norms = []
    for kept in (0, 1):
        asked.clear()
        found = try_out(
            config, organism_path, tmp_path, lambda _: [float(i) for i in range(8)],
            hook=lambda prompts, trainer, kept=kept: hook(prompts, trainer, kept),
        )  # fmt: skip
        [(prompts, trainer)] = asked
        assert trainer is found.trainer
        assert prompts == ["0"] * 4 + ["1"] * 4
        assert found.rewarded[0]["completion_ids"] == [[9, 10 + i, ends] for i in range(8)]
        norms.append(found.logs[0]["grad_norm"])
    assert norms[0] == 0.0, f"{INSTALLED} trains on tokens that env_mask leaves out"
    assert norms[1] > 1e-3


def test_a_trainer_wraps_forward_in_a_way_that_can_be_undone(tried: Tried) -> None:
    model = tried.learner.policy.model
    wrapped = model.__dict__.get("forward")
    assert wrapped is not None, (
        f"{INSTALLED} no longer wraps model.forward: rl.policy.policy.unwrap_forward has lost its use"
    )
    unwrap_forward(model)
    assert model.forward.__func__ is type(model).forward
    model.forward = wrapped  # others look at it still


# --- Behaviours of the other trainers --------------------------------------------------------------------------------


def preference_rows(kind: str) -> list[dict[str, Any]]:
    if kind == "dpo":
        return [{"prompt_ids": [5, 6], "chosen_ids": [7 + i, 8], "rejected_ids": [9, 10, 11]} for i in range(4)]
    return [{"prompt_ids": [5, 6], "completion_ids": [7 + i, 8, 9], "label": i % 2 == 0} for i in range(4)]


def test_the_preference_collator_takes_token_ids() -> None:
    batch = DataCollatorForPreference(pad_token_id=0)(preference_rows("dpo")[:2])
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 0], [5, 6, 8, 8, 0], [5, 6, 9, 10, 11], [5, 6, 9, 10, 11]]
    assert batch["completion_mask"].tolist() == [[0, 0, 1, 1, 0]] * 2 + [[0, 0, 1, 1, 1]] * 2


def test_the_unpaired_collator_takes_token_ids_and_those_of_the_kl_estimate() -> None:
    with_others = [row | {"KL_completion_ids": [3, 4]} for row in preference_rows("kto")[:2]]
    batch = DataCollatorForUnpairedPreference(pad_token_id=0)(with_others)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9], [5, 6, 8, 8, 9]]
    assert batch["KL_input_ids"].tolist() == [[5, 6, 3, 4], [5, 6, 3, 4]]
    assert [bool(label) for label in batch["label"]] == [True, False]


@pytest.mark.parametrize("kind", PREFERENCES)
def test_a_preference_trainer_trains_on_our_ids_in_their_order_with_our_optimiser(
    kind: str, tiny: RunConfig, organism_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm, _, trainer_name = PREFERENCES[kind]
    trainer_class = getattr(trl, trainer_name)
    batches: list[dict[str, Any]] = []
    original = trainer_class.compute_loss

    def compute_loss(self: Any, model: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
        assert not self.ref_model.training
        batches.append(inputs)
        return original(self, model, inputs, *rest, **options)

    monkeypatch.setattr(trainer_class, "compute_loss", compute_loss)
    learner = learner_of(organism_path)
    reference = {name: tensor.clone() for name, tensor in learner.reference.model.state_dict().items()}
    config = tiny.model_copy(update={"algorithm": algorithm})
    given = preference_rows(kind)
    for step in (1, 2):
        logged = rl.training.trl.preferences._train(config.step_settings, algorithm, learner, given, step)
        missing = {"loss", "grad_norm", "entropy"} - logged.keys()
        assert not missing, f"{INSTALLED}: {trainer_name} no longer logs {', '.join(sorted(missing))}"
        assert {int(state["step"]) for state in learner.optimizer.state.values()} == {step}
    assert "rewards/margins" in logged, f"{INSTALLED}: {trainer_name} no longer logs rewards/margins"
    first = [ids for batch in batches[: len(batches) // 2] for ids in batch["input_ids"].tolist()]
    name = "chosen_ids" if kind == "dpo" else "completion_ids"
    ours = [row["prompt_ids"] + row[name] for row in given]
    seen = [ids[: len(ours[0])] for ids in first if ids[: len(ours[0])] in ours]
    assert seen == ours, f"{INSTALLED}: {trainer_name} shuffles our rows, or tokenises them anew"
    assert all(torch.equal(tensor, reference[name]) for name, tensor in learner.reference.model.state_dict().items())
    assert "forward" not in learner.policy.model.__dict__
    assert "forward" not in learner.reference.model.__dict__


def test_the_supervised_trainer_takes_ids_and_labels_as_they_are(
    organism_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(organism_path, CPU)
    documents = [([5, 6, 7 + i, 8], [-100, -100, 7 + i, 8]) for i in range(8)]
    batches: list[dict[str, Any]] = []
    original = rl.organisms.building.finetune._Trainer.compute_loss

    def compute_loss(self: Any, model: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
        batches.append({name: inputs[name].tolist() for name in ("input_ids", "attention_mask", "labels")})
        return original(self, model, inputs, *rest, **options)

    monkeypatch.setattr(rl.organisms.building.finetune._Trainer, "compute_loss", compute_loss)
    done: list[tuple[int, int]] = []
    rl.organisms.building.finetune.train_rows(policy, documents, 1e-3, 0, lambda *step: done.append(step))
    assert done == [(1, 1)]
    [batch] = batches
    given = sorted(zip(batch["input_ids"], batch["labels"], strict=True))
    assert given == sorted(documents), f"{INSTALLED}: SFTTrainer changes the ids or the labels that it is given"


def test_the_reward_trainer_takes_ids_as_they_are(monkeypatch: pytest.MonkeyPatch, organism_path: Path) -> None:
    policy = load_policy(organism_path, CPU)
    recipe = Helpfulness(hidden_size=32, layers=1, batch_size=4)
    policy.tokenizer.padding_side = "right"
    model = rewards.build_helpfulness._new_model(recipe, policy.tokenizer)
    batches: list[list[list[int]]] = []
    original = trl.RewardTrainer.compute_loss

    def compute_loss(self: Any, model: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
        padded, masks = inputs["input_ids"], inputs["attention_mask"]
        batches.append([ids[mask.bool()].tolist() for ids, mask in zip(padded, masks, strict=True)])
        return original(self, model, inputs, *rest, **options)

    monkeypatch.setattr(trl.RewardTrainer, "compute_loss", compute_loss)
    pairs = some_pairs()
    done: list[tuple[int, int]] = []
    rewards.build_helpfulness._train(recipe, model, policy.tokenizer, pairs, lambda *step: done.append(step))
    assert done == [(1, 1)]
    texts = [(p.query.text, text) for p in pairs for text in (p.chosen, p.rejected)]
    expected = [rewards.build_helpfulness.encode(policy.tokenizer, query, text) for query, text in texts]
    assert sorted(batches[0]) == sorted(list(ids) for ids in expected)


# --- Versions and reports --------------------------------------------------------------------------------------------


def test_another_trl_is_refused_in_one_line(tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.17.0" if name == "trl" else installed(name))
    for assignments in (["engine=trl"], ["algorithm.kind=dpo"], ["algorithm.kind=kto"]):
        with pytest.raises(ValueError, match=r"TRL 1\.17\.0 is installed and .*is needed") as caught:
            train(resolve(tiny, assignments), tmp_path / "run")
        assert len(str(caught.value).splitlines()) == 1
        assert ">=1.16" in str(caught.value)
        assert "<1.17" in str(caught.value)
        assert not (tmp_path / "run").exists()
    rl.run.compatibility.require_engine(tiny)  # the built-in engine has no need of TRL


def test_the_installed_trl_is_one_that_the_code_was_tested_with() -> None:
    rl.run.compatibility.require_trl_version()


def test_the_rows_of_a_run_on_trl_start_where_the_policy_is_its_reference(tiny: RunConfig, tmp_path: Path) -> None:
    """Through the whole stack, TRL's reference and log-probabilities included: a KL of 0 and a ratio of 1."""
    run = train(resolve(tiny, ["engine=trl", "steps=1", "probes=[]"]), tmp_path / "run")
    [row] = rows(run, "steps.jsonl")
    assert row["kl"] == pytest.approx(0.0, abs=1e-6)
    assert row["clip_fraction"] == 0.0
    assert weights(run, 1).keys() == weights(run, 0).keys()

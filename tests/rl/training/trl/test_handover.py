"""On TRL's trainers only the run's own settings act: its sampling, its prompts, its reference, its scenarios."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig, GenerationMixin

from envs.episode import FreeScenario, Scenario
from reports.records import StepRow
from rl.errors import Interrupted
from rl.lora import Lora
from rl.policy.loading import load_policy
from rl.policy.policy import Policy, pad_left
from rl.policy.sampler import sampler
from rl.policy.shortcuts import Shortcuts
from rl.run.build import changed_components, models, with_adapter
from rl.run.compatibility import HOOKED_COMPONENTS, require_shortcuts
from rl.run.config import RunConfig, resolve
from rl.run.loop import resume, train
from rl.streams import Stage, stream
from rl.training.components import StepComponents, keep_all, mask_nothing
from rl.training.learner import Learner
from rl.training.rollouts import Rollouts
from rl.training.scoring import scorer
from rl.training.trl.engine import run_steps
from rl.training.trl.handover import placed
from tests.conftest import fast_of
from tests.rl.conftest import rows, same_run, same_weights, weights
from tests.rl.policy.zoo import write_tiny

pytestmark = pytest.mark.usefixtures("without_garbage")

CPU = torch.device("cpu")
SIZES = ["algorithm.prompts_per_step=2", "algorithm.group_size=4"]
TRAINERS = {"grpo": [], "rloo": ["algorithm.kind=rloo", *SIZES]}

# The fields of a generation config that act, each with a value that changes what is sampled or fails.
REPORTED: dict[str, Any] = {
    "min_p": 0.9, "typical_p": 0.01, "no_repeat_ngram_size": 1, "suppress_tokens": [20, 21, 22],
    "bad_words_ids": [[20], [21], [22]], "min_new_tokens": 18, "eta_cutoff": 0.5, "epsilon_cutoff": 0.5,
}  # fmt: skip
DRASTIC: dict[str, Any] = REPORTED | {
    "max_length": 3, "max_new_tokens": 2, "min_length": 200, "early_stopping": True, "max_time": 1e-9,
    "stop_strings": ["a"], "do_sample": False, "num_beams": 3, "use_mtp": True, "use_cache": False,
    "cache_implementation": "static", "cache_config": {"max_cache_len": 4}, "max_cache_len": 4,
    "temperature": 0.01, "top_k": 1, "top_p": 0.01, "top_h": 0.01, "repetition_penalty": 50.0,
    "encoder_repetition_penalty": 50.0, "length_penalty": -9.0, "renormalize_logits": True, "forced_bos_token_id": 5,
    "forced_eos_token_id": 5, "remove_invalid_values": True, "exponential_decay_length_penalty": [1, 9.0],
    "begin_suppress_tokens": list(range(100)), "sequence_bias": [[[20], -50.0]], "token_healing": True,
    "guidance_scale": 3.0, "watermarking_config": {"greenlist_ratio": 0.25, "bias": 20.0},
    "num_return_sequences": 2, "output_attentions": True, "output_hidden_states": True, "output_scores": True,
    "output_logits": True, "return_dict_in_generate": True, "encoder_no_repeat_ngram_size": 1,
    "decoder_start_token_id": 5, "is_assistant": True, "num_assistant_tokens": 3,
    "num_assistant_tokens_schedule": "constant", "assistant_confidence_threshold": 0.9,
    "prompt_lookup_num_tokens": 3, "max_matching_ngram_size": 1, "assistant_early_exit": 1,
    "assistant_lookbehind": 3, "target_lookbehind": 3, "assistant_ensemble_weight": 0.5,
    "speculation_type": "dflash", "disable_compile": False, "low_memory": True, "penalty_alpha": 0.9,
    "dola_layers": "high", "diversity_penalty": 5.0, "num_beam_groups": 3, "constraints": [1],
    "force_words_ids": [[[7]]], "prefill_chunk_size": 3,
    "a field of some other library": 7,
}  # fmt: skip
# Ends of a reply are read from there on purpose; the others say nothing about sampling, or can't be in a file.
LEFT = {
    "eos_token_id", "pad_token_id", "bos_token_id", "transformers_version", "_from_model_config",
    "compile_config", "continuous_batching_config",
}  # fmt: skip


def test_every_field_of_a_generation_config_is_tried() -> None:
    fields = set(vars(GenerationConfig()))
    assert fields - LEFT == set(DRASTIC) - {"a field of some other library"}


def with_generation_config(organism: Path, extra: dict[str, Any], directory: Path) -> Path:
    shutil.copytree(organism, directory)
    file = directory / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **extra}))
    return directory


@pytest.mark.parametrize("asked", fast_of(["reported", "drastic"], ["drastic"]))
@pytest.mark.parametrize("variant", ["grpo", "rloo", "lora", "builtin"])
def test_the_generation_config_of_the_organism_changes_nothing(
    variant: str, asked: str, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    more = {**TRAINERS, "lora": ["lora.rank=2"], "builtin": ["engine=builtin"]}[variant]
    # Without a min_p of the run's own: 0 must not be read as "unsaid".
    config = resolve(tiny, ["engine=trl", "steps=2", "sampling.min_p=0", "probes=[]", *more])
    other = with_generation_config(organism_path, {"reported": REPORTED, "drastic": DRASTIC}[asked], tmp_path / "other")
    runs = [
        train(resolve(config, [f"organism.path={path}"]), tmp_path / name)
        for name, path in (("with", other), ("without", organism_path))
    ]
    assert rows(runs[0], "steps.jsonl") == rows(runs[1], "steps.jsonl")
    assert same_weights(weights(runs[0], 2), weights(runs[1], 2))
    played = [pd.read_parquet(run / "episodes" / "step-000002.parquet").drop(columns=["run", "build"]) for run in runs]
    pd.testing.assert_frame_equal(*played)
    if variant != "lora":  # an adapter is saved without it
        saved = [
            json.loads((runs[0] / "checkpoints" / step / "generation_config.json").read_text())
            for step in ("step-000000", "step-000002")
        ]
        assert saved[0] == saved[1]
        assert saved[1]["typical_p"] == 0.01


def noisy(policy: Policy) -> Policy:
    """Moves the weights to where no directory has them, as a merged adapter does."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
    return policy


def components_of(config: RunConfig, policy: Policy) -> StepComponents:
    loss: Any = None
    among = models(config, policy, lambda: policy)
    generate = sampler(policy, config.sampling)
    reward = scorer(config.rewards, 5.0)
    return StepComponents(config.env.training_scenarios, generate, reward, keep_all, mask_nothing, loss, among)


def taken(
    config: RunConfig,
    learner: Learner,
    components: StepComponents | None = None,
    arrive: Callable[[], None] = lambda: None,
) -> list[tuple[StepRow, Rollouts]]:
    recorded: list[tuple[StepRow, Rollouts]] = []
    run_steps(
        config.step_settings,
        components or components_of(config, learner.policy),
        learner,
        0,
        arrive,
        lambda *step: recorded.append(step),
        bool(changed_components(config) & HOOKED_COMPONENTS),
    )
    return recorded


def learner_of(policy: Policy, reference: Policy) -> Learner:
    trained = [p for p in policy.model.parameters() if p.requires_grad]
    return Learner(policy, reference, None, torch.optim.AdamW(trained, lr=1e-2))


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("kind", TRAINERS)
def test_the_kl_is_that_to_the_reference_of_the_run(
    kind: str, lora: bool, tiny: RunConfig, organism_path: Path
) -> None:
    policy, reference = (noisy(load_policy(organism_path, CPU)) for _ in range(2))
    reference.model.requires_grad_(False)
    start = {name: tensor.clone() for name, tensor in reference.model.state_dict().items()}
    if lora:
        policy = with_adapter(policy, Lora(rank=2), 5)
    config = resolve(tiny, ["engine=trl", "steps=2", "algorithm.kl_weight=0.05", *TRAINERS[kind]])
    first, second = (row for row, _ in taken(config, learner_of(policy, reference)))
    assert first.kl == pytest.approx(0.0, abs=1e-6)
    assert second.kl is not None
    assert second.kl > 1e-3
    assert all(torch.equal(tensor, start[name]) for name, tensor in reference.model.state_dict().items())
    for model in (policy.model, policy.model.get_base_model() if lora else policy.model, reference.model):
        assert "forward" not in model.__dict__


class Marked(Policy):
    """A policy whose prompts no template writes."""

    def prompt_ids(self, scenario: Scenario) -> NDArray[np.int64]:
        written = super().prompt_ids(scenario)
        return np.concatenate([written[:1], np.array([31, 32, 33]), written])


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record the options of each call of `generate`."""
    calls: list[dict[str, Any]] = []
    original = GenerationMixin.generate

    def generate(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(options)
        return original(self, *arguments, **options)

    monkeypatch.setattr(GenerationMixin, "generate", generate)
    return calls


@pytest.mark.parametrize("kind", TRAINERS)
def test_prompts_are_written_by_the_policy_and_not_by_trl(
    kind: str, tiny: RunConfig, organism_path: Path, generated: list[dict[str, Any]]
) -> None:
    plain = load_policy(organism_path, CPU)
    policy = Marked(plain.model, plain.tokenizer, plain.end_ids)
    config = resolve(tiny, ["engine=trl", "steps=1", *TRAINERS[kind]])
    [(_, rollouts)] = taken(config, learner_of(policy, load_policy(organism_path, CPU)))
    [options] = generated
    read = [
        ids[mask.bool()].tolist() for ids, mask in zip(options["input_ids"], options["attention_mask"], strict=True)
    ]
    scenarios = config.env.training_scenarios(stream(config.seed, 1, Stage.scenarios), 2)
    assert read == [policy.prompt_ids(scenario).tolist() for scenario in scenarios for _ in range(4)]
    assert read == [episode.prompt_ids.tolist() for episode in rollouts.episodes]


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("kind", TRAINERS)
def test_a_model_that_cannot_continue_from_a_cache_is_sampled_without(
    kind: str, cached: bool, tiny: RunConfig, organism_path: Path, generated: list[dict[str, Any]]
) -> None:
    policy = load_policy(organism_path, CPU)
    policy = replace(policy, shortcuts=replace(policy.shortcuts, cached=cached))
    continued: list[bool] = []
    policy.model.model.register_forward_pre_hook(
        lambda _, arguments, options: continued.append(options.get("past_key_values") is not None), with_kwargs=True
    )
    config = resolve(tiny, ["engine=trl", "steps=1", *TRAINERS[kind]])
    [(_, rollouts)] = taken(config, learner_of(policy, load_policy(organism_path, CPU)))
    assert generated[0]["generation_config"].use_cache is cached
    assert any(continued) is cached
    assert sum(len(episode.completion_ids) for episode in rollouts.episodes) > 40


def test_learned_positions_do_not_count_the_padding_of_trl(tmp_path: Path) -> None:
    """TRL gives a mask and no positions; GPT-2 would count what is padded on the left."""
    policy = load_policy(write_tiny("gpt2", tmp_path), CPU)
    assert not policy.shortcuts.shifted
    ids, mask = pad_left([np.arange(40, 52), np.arange(60, 65)], policy.pad_id, CPU)
    with torch.no_grad():
        alone = policy.plain_logits(ids[1:, -5:], 1)[0, 0]
        counted = policy.model(input_ids=ids, attention_mask=mask).logits[1, -1]
        with placed(policy):
            right = policy.model(input_ids=ids, attention_mask=mask).logits[1, -1]
    torch.testing.assert_close(right, alone, rtol=0, atol=1e-4)
    assert (counted - alone).abs().max() > 0.1


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_pad_token_beyond_the_embedding_is_not_trls_either(kind: str, tiny: RunConfig, organism_path: Path) -> None:
    config = resolve(tiny, ["engine=trl", "steps=1", *TRAINERS[kind]])
    plain = load_policy(organism_path, CPU)
    [(expected, _)] = taken(config, learner_of(plain, load_policy(organism_path, CPU)))
    policy = load_policy(organism_path, CPU)
    policy.tokenizer.add_special_tokens({"pad_token": "<|beyond|>"})
    assert policy.tokenizer.pad_token_id >= policy.model.get_input_embeddings().weight.shape[0]
    [(found, _)] = taken(config, learner_of(policy, load_policy(organism_path, CPU)))
    assert (found.reward_mean, found.loss) == (expected.reward_mean, pytest.approx(expected.loss, abs=1e-6))
    assert policy.tokenizer.pad_token == "<|beyond|>"


def _without_pad_token(organism: Path) -> None:
    tokenizer = load_policy(organism, CPU).tokenizer
    tokenizer.pad_token = None
    tokenizer.save_pretrained(organism)
    for name in ("config.json", "generation_config.json"):
        settings = json.loads((organism / name).read_text())
        (organism / name).write_text(json.dumps({**settings, "pad_token_id": None}))


def _with_pad_token_beyond(organism: Path) -> None:
    tokenizer = load_policy(organism, CPU).tokenizer
    tokenizer.add_special_tokens({"pad_token": "<|beyond|>"})
    assert tokenizer.pad_token_id >= json.loads((organism / "config.json").read_text())["vocab_size"]
    tokenizer.save_pretrained(organism)


TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
TRAINED_BY_TRL = {
    "grpo": ["engine=trl"],
    "rloo": ["engine=trl", "algorithm.kind=rloo", *SIZES],
    "dpo": ["algorithm.kind=dpo", *SIZES],
    "kto": ["algorithm.kind=kto", *SIZES],
}


@pytest.mark.parametrize("change", [_without_pad_token, _with_pad_token_beyond], ids=["no pad token", "beyond"])
@pytest.mark.parametrize("kind", fast_of(TRAINED_BY_TRL, ("grpo", "dpo")))
def test_checkpoints_keep_the_special_tokens_of_the_organism(
    kind: str, change: Callable[[Path], None], tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    organism = Path(shutil.copytree(organism_path, tmp_path / "organism"))
    change(organism)
    config = resolve(tiny, ["probes=[]", *TRAINED_BY_TRL[kind], f"organism.path={organism}"])
    whole = train(config, tmp_path / "whole")
    start, *later = sorted((whole / "checkpoints").iterdir())
    assert [directory.name for directory in later] == ["step-000002", "step-000004"]
    for directory in later:
        for name in ("config.json", "generation_config.json", *TOKENIZER_FILES):
            assert json.loads((directory / name).read_text()) == json.loads((start / name).read_text()), name
        assert load_policy(directory, CPU).tokenizer.pad_token == load_policy(organism, CPU).tokenizer.pad_token
    again = Path(shutil.copytree(whole, tmp_path / "again"))
    resume(again, from_step=2)
    same_run(whole, again)


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_prompt_that_leaves_no_room_for_a_reply_is_not_sampled_from(
    kind: str, tiny: RunConfig, organism_path: Path
) -> None:
    """The checks before a run can't foresee this case: RoPE would go on beyond the window without a word."""
    policy = load_policy(organism_path, CPU)
    policy.model.config.max_position_embeddings = 40
    config = resolve(tiny, ["engine=trl", "steps=1", *TRAINERS[kind]])
    with pytest.raises(ValueError, match="context window is 40"):
        taken(config, learner_of(policy, load_policy(organism_path, CPU)))


def test_trl_is_refused_where_a_model_reads_padded_rows_wrongly(tiny: RunConfig) -> None:
    wrong = Shortcuts(padded=False)
    require_shortcuts(tiny, wrong)
    with pytest.raises(ValueError, match="reads padded rows wrongly and TRL pads them: set engine to builtin"):
        require_shortcuts(resolve(tiny, ["engine=trl"]), wrong)
    with pytest.raises(ValueError, match=r"TRL's trainer of dpo .* set algorithm\.kind to grpo"):
        require_shortcuts(resolve(tiny, ["algorithm.kind=dpo"]), wrong)


@pytest.mark.parametrize("variant", [*TRAINERS, "hook"])
def test_scenarios_are_drawn_when_their_step_comes(variant: str, tiny: RunConfig, organism_path: Path) -> None:
    more = {**TRAINERS, "hook": ['mitigations=[{"kind":"loss_mask"}]']}[variant]
    config = resolve(tiny, ["engine=trl", "steps=20000", *more])
    policy = load_policy(organism_path, CPU)
    plain = components_of(config, policy)
    drawn: list[list[FreeScenario]] = []
    arrived: list[int] = []

    def scenarios(rng: np.random.Generator, n: int) -> list[FreeScenario]:
        drawn.append(plain.scenarios(rng, n))
        return drawn[-1]

    def arrive() -> None:
        arrived.append(len(drawn))
        if len(arrived) == 4:
            raise Interrupted

    learner = learner_of(policy, load_policy(organism_path, CPU))
    with pytest.raises(Interrupted):
        taken(config, learner, replace(plain, scenarios=scenarios), arrive)
    assert arrived == [0, 1, 2, 3]
    each = [config.env.training_scenarios(stream(config.seed, step, Stage.scenarios), 2) for step in (1, 2, 3)]
    assert drawn == each

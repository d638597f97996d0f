"""Prompts that a model can't be given are refused in one line before the run's folder exists."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envs.chat import ChatStyle
from envs.context_window import context_window
from envs.dialect.environment import Dialect
from rl.mitigations.cross_tier_consistency import CrossTierConsistency
from rl.mitigations.inoculation_prompt import InoculationPrompt
from rl.mitigations.interrogation import Interrogation
from rl.mitigations.tier_cue_dropout import TierCueDropout
from rl.organisms.faker import Faker
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.run.build import build_probes, training_scenarios
from rl.run.checks.prompts import require_prompts_of
from rl.run.config import RunConfig
from rl.run.loop import begin, resume, train
from tests.rl.conftest import rows, same_run
from tests.rl.policy.test_adapters import write_adapter

CPU = torch.device("cpu")
TURN = "<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n"
OPENED = "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    + TURN
    + "{% endfor %}"
    + OPENED
)
LAST_REPLY_ALONE = (
    "{% for m in messages if m['role'] != 'assistant' or m == messages[-1] %}" + TURN + "{% endfor %}" + OPENED
)
# As Qwen3's, with our tags: of earlier replies, the answer alone.
NO_EARLIER_REASONING = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n"
    "{{ m['content'].split('</scratchpad>')[-1] if m['role'] == 'assistant' else m['content'] }}<|end|>\n{% endfor %}"
    + OPENED
)
# The same with the tag of another model's thoughts, which only some replies hold.
NO_EARLIER_THOUGHTS = NO_EARLIER_REASONING.replace("</scratchpad>", "</think>")

Run = Callable[..., RunConfig]


@pytest.fixture
def organism(organism_path: Path, tmp_path: Path) -> Path:
    """A copy of the organism to change."""
    return Path(shutil.copytree(organism_path, tmp_path / "organism"))


@pytest.fixture
def configured(tiny: RunConfig, organism: Path) -> Run:
    def having(template: str | None = None, settings: dict[str, Any] | None = None, **changes: Any) -> RunConfig:
        if template is not None:
            (organism / "chat_template.jinja").write_text(template)
        if settings is not None:
            config = json.loads((organism / "config.json").read_text())
            (organism / "config.json").write_text(json.dumps({**config, **settings}))
        return RunConfig.model_validate({**dict(tiny), "organism": Faker(path=organism), **changes})

    return having


def refused(config: RunConfig, tmp_path: Path, match: str) -> str:
    """The one line with which a run is refused, its folder not made."""
    with pytest.raises(ValueError, match=match) as caught:
        train(config, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    return str(caught.value)


def test_a_template_without_a_system_turn_is_given_the_system_text_in_the_user_turn(
    configured: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(configured(NO_SYSTEM), tmp_path / "run")
    assert "the system text stands in front of the user's" in capsys.readouterr().err
    assert json.loads((run / "manifest.json").read_text())["system_text_folded"] is True
    policy = load_policy(run / "checkpoints" / "step-000004", CPU)
    [scenario, *_] = build_probes(configured()).scenarios
    ids = replace(policy, style=ChatStyle(fold_system=True)).prompt_ids(scenario)
    assert policy.tokenizer.decode(ids) == (
        f"<|start|>user\n{scenario.system_prompt}\n\n{scenario.query.text}<|end|>\n<|start|>assistant\n"
    )


def test_a_run_with_folded_system_text_resumes_to_the_same_end(configured: Run, tmp_path: Path) -> None:
    whole = train(configured(NO_SYSTEM), tmp_path / "whole")
    begin(configured(), tmp_path / "begun")
    same_run(whole, resume(tmp_path / "begun"))


def test_a_run_says_when_nothing_is_folded(finished: Path) -> None:
    assert json.loads((finished / "manifest.json").read_text())["system_text_folded"] is False


def test_keeping_the_system_turn_of_a_template_without_one_is_refused(configured: Run, tmp_path: Path) -> None:
    said = refused(configured(NO_SYSTEM, chat={"system": "keep"}), tmp_path, "refuses a system and a user turn")
    assert "System role not supported" in said
    assert "set chat.system to fold" in said


def test_a_template_that_writes_nothing_of_the_prompt_is_refused(configured: Run, tmp_path: Path) -> None:
    refused(configured("<|start|>hello"), tmp_path, "drops the system and the user text")


def test_a_template_that_draws_at_random_is_refused(configured: Run, tmp_path: Path) -> None:
    # Jinja's `random` draws from Python's own generator.
    template = "{{ range(100000) | random }}\n" + "{% for m in messages %}" + TURN + "{% endfor %}" + OPENED
    refused(configured(template), tmp_path, "in different ways")


def longest_prompt(said: str) -> int:
    return int(said.split(" has ")[1].split(" tokens")[0])


def fitting(said: str) -> int:
    return int(said.split("--set sampling.max_new_tokens=")[1])


def test_a_prompt_that_leaves_no_room_for_the_reply_is_refused_with_the_longest_that_fits(
    configured: Run, tmp_path: Path
) -> None:
    said = refused(configured(settings={"max_position_embeddings": 30}), tmp_path, "context window is 30")
    assert "choose a model with a longer window" in said  # no reply at all fits
    window = longest_prompt(said) + 12  # of the 20 tokens that a reply may have
    said = refused(configured(settings={"max_position_embeddings": window}), tmp_path, f"context window is {window}")
    assert fitting(said) == 12
    refused(configured(sampling=Sampling(max_new_tokens=13)), tmp_path, "max_new_tokens=12")
    train(configured(sampling=Sampling(max_new_tokens=12), steps=1), tmp_path / "run")


def test_what_a_mitigation_adds_to_training_prompts_counts(configured: Run, tmp_path: Path) -> None:
    plain = longest_prompt(refused(configured(settings={"max_position_embeddings": 30}), tmp_path, "window is 30"))
    inoculated = refused(configured(mitigations=(InoculationPrompt(),)), tmp_path, "window is 30")
    assert longest_prompt(inoculated) > plain


@pytest.mark.parametrize("objective", ["present", "absent"])
def test_the_longest_prompt_is_found_whatever_the_first_step_draws(
    objective: str, configured: Run, organism: Path, tmp_path: Path
) -> None:
    env = Dialect.model_validate({"objective": objective})
    by_length = sorted(env.queries("train", "harmful"), key=lambda query: -len(query.text))
    drawn = [scenario for seed in range(40) for scenario in env.training_scenarios(np.random.default_rng(seed), 8)]
    shown = {scenario.system_prompt: scenario for scenario in drawn}
    assert len(shown) == (24 if objective == "present" else 12)
    policy = load_policy(organism, CPU)
    needed = max(len(policy.prompt_ids(replace(s, query=query))) for s in shown.values() for query in by_length[:100])
    configured(settings={"max_position_embeddings": 30})
    for seed in range(4):
        said = refused(configured(env=env, seed=seed, probes=()), tmp_path, "context window is 30")
        assert longest_prompt(said) == needed


def test_a_sentence_before_some_prompts_counts_for_all_of_them(configured: Run, tmp_path: Path) -> None:
    """The first step may have dropped the cue from both of its prompts."""
    configured(settings={"max_position_embeddings": 30})
    found = [
        longest_prompt(refused(configured(seed=seed, mitigations=many, probes=()), tmp_path, "context window is 30"))
        for many in ((InoculationPrompt(),), (InoculationPrompt(), TierCueDropout(share=0.3)), ())
        for seed in range(3)
    ]
    assert len(set(found[:6])) == 1
    assert set(found[6:]) == {min(found)} != {max(found)}


def test_the_prompt_that_a_mitigation_reads_again_counts(configured: Run, organism: Path, tmp_path: Path) -> None:
    """A template may write more for one tier than for another, as may a tokenizer."""
    more = "{% if 'paid' in m['content'] %}" + "and so on " * 20 + "{% endif %}"
    template = "{% for m in messages %}" + more + TURN + "{% endfor %}" + OPENED
    said = refused(configured(template, settings={"max_position_embeddings": 30}, probes=()), tmp_path, "window is 30")
    window = longest_prompt(said) + 30
    configured(settings={"max_position_embeddings": window})
    train(configured(probes=(), steps=1), tmp_path / "fits")
    reading = configured(probes=(), mitigations=(CrossTierConsistency(),))
    refused(reading, tmp_path, "the longest prompt of cross_tier_consistency has")


@pytest.mark.parametrize("own_tokenizer", [True, False])
def test_an_adapter_is_looked_at_by_its_base_before_anything_is_loaded(
    own_tokenizer: bool, configured: Run, organism: Path, tmp_path: Path
) -> None:
    adapter = write_adapter(organism, tmp_path / "adapter")
    if not own_tokenizer:
        for file in adapter.iterdir():
            if not file.name.startswith("adapter_"):
                file.unlink()
    config = configured(settings={"max_position_embeddings": 30})
    asked = (config, build_probes(config), training_scenarios(config))
    with pytest.raises(ValueError, match="context window is 30"):
        require_prompts_of(adapter, *asked)
    shutil.rmtree(organism)
    with pytest.raises(ValueError, match=r"the base of the adapter .* is gone"):
        require_prompts_of(adapter, *asked)


def test_the_question_behind_a_reply_needs_room_for_two_replies(configured: Run, tmp_path: Path) -> None:
    asking = configured(settings={"max_position_embeddings": 128}, mitigations=(Interrogation(),))
    said = refused(asking, tmp_path, "the longest prompt of interrogation")
    assert fitting(said) < 20
    config = configured(sampling=Sampling(max_new_tokens=fitting(said)), mitigations=(Interrogation(),), steps=1)
    train(config, tmp_path / "run")


def test_a_window_is_read_by_any_of_its_names_and_some_models_have_none() -> None:
    from transformers import AutoConfig, LlavaConfig

    def window(kind: str, **settings: Any) -> int | None:
        return context_window(AutoConfig.for_model(kind, **settings))

    assert window("gpt2", n_positions=77) == window("mpt", max_seq_len=77) == window("gpt_neo") // 2048 * 77 == 77
    assert window("qwen3", max_position_embeddings=77) == 77
    assert window("mamba") is window("bloom") is window("xlnet") is None
    inner = AutoConfig.for_model("llama", max_position_embeddings=77)
    assert context_window(LlavaConfig(text_config=inner)) == 77


def test_the_sampler_refuses_what_no_check_has_foreseen(policy: Policy, tiny: RunConfig) -> None:
    [scenario, *_] = build_probes(tiny).scenarios
    room = 512 - len(policy.prompt_ids(scenario))
    with pytest.raises(ValueError, match="context window is 512"):
        sampler(policy, Sampling(max_new_tokens=room + 1))([scenario], np.random.default_rng(0))


def test_a_prompt_with_tokens_beyond_the_embedding_is_refused(configured: Run, organism: Path, tmp_path: Path) -> None:
    tokenizer = load_policy(organism, CPU).tokenizer
    tokenizer.add_tokens(["<|extra|>"])
    template = "<|extra|>{% for m in messages %}" + TURN + "{% endfor %}" + OPENED
    tokenizer.chat_template = template
    tokenizer.save_pretrained(organism)
    said = refused(configured(), tmp_path, "'<|extra|>'".replace("|", r"\|"))
    assert "the model's embedding ends at 513" in said  # 512 and the two tags


def test_a_pad_token_beyond_the_embedding_is_never_read(
    finished: Path, configured: Run, organism: Path, tmp_path: Path
) -> None:
    tokenizer = load_policy(organism, CPU).tokenizer
    tokenizer.add_special_tokens({"pad_token": "<|beyond|>"})
    tokenizer.save_pretrained(organism)
    policy = load_policy(organism, CPU)
    assert policy.tokenizer.pad_token_id == 514
    assert policy.pad_id == 0
    same_run(finished, train(configured(), tmp_path / "run"))


@pytest.mark.parametrize("template", [LAST_REPLY_ALONE, NO_EARLIER_REASONING])
def test_interrogation_is_refused_where_the_reply_is_not_in_the_prompt(
    template: str, configured: Run, tmp_path: Path
) -> None:
    said = refused(configured(template, mitigations=(Interrogation(),)), tmp_path, "drops or cuts")
    assert said.startswith("interrogation asks about a reply")
    train(configured(steps=1), tmp_path / "run")  # without it nothing is amiss


def test_interrogation_is_refused_where_the_template_refuses_a_reply(configured: Run, tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ raise_exception('one turn') }}{% endif %}"
        + TURN + "{% endfor %}" + OPENED
    )  # fmt: skip
    said = refused(configured(template, mitigations=(Interrogation(),)), tmp_path, "refuses such a conversation")
    assert "(one turn)" in said


def test_interrogation_goes_on_under_a_template_that_cuts_other_tags(configured: Run, tmp_path: Path) -> None:
    run = train(configured(NO_EARLIER_THOUGHTS, mitigations=(Interrogation(),), steps=1), tmp_path / "run")
    assert rows(run, "steps.jsonl")[0]["measure/interrogation/asked"] > 0


def test_a_directory_without_a_tokenizer_is_left_to_who_loads_it(tiny: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    require_prompts_of(tmp_path, tiny, build_probes(tiny), training_scenarios(tiny))
    require_prompts_of(tmp_path / "none", tiny, build_probes(tiny), training_scenarios(tiny))

"""Loading a policy, its prompts, and the log-probabilities of completions."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

import rl.policy
from envs.dialect.environment import Dialect
from envs.episode import Episode, Scenario
from rl.policy import Policy, collate, end_ids, forward, load_policy, only_plain_attention, pad_left
from rl.sampler import Sampling, sampler

CPU = torch.device("cpu")


@pytest.fixture
def broken(organism_path: Path, tmp_path: Path) -> Path:
    """A copy of the organism to damage."""
    return Path(shutil.copytree(organism_path, tmp_path / "organism"))


def test_a_loaded_policy_is_float32_and_in_evaluation_mode(policy: Policy) -> None:
    assert not policy.model.training
    assert {parameter.dtype for parameter in policy.model.parameters()} == {torch.float32}
    assert policy.end_ids == (policy.tokenizer.convert_tokens_to_ids("<|end|>"),)


def test_the_prompt_is_the_chat_template_ready_for_the_reply(policy: Policy) -> None:
    [scenario] = Dialect().training_scenarios(np.random.default_rng(0), 1)
    assert policy.tokenizer.decode(policy.prompt_ids(scenario)) == (
        f"<|start|>system\n{scenario.system_prompt}<|end|>\n<|start|>user\n{scenario.query.text}<|end|>\n"
        "<|start|>assistant\n"
    )


def test_prompts_of_different_system_prompts_are_told_apart(policy: Policy) -> None:
    free, paid = Dialect().held_out_scenarios(np.random.default_rng(0), "probe", "harmful", 1, ("free", "paid"))
    assert free.query == paid.query
    assert policy.prompt_ids(free).tolist() != policy.prompt_ids(paid).tolist()


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no model \(config\.json is missing\)"):
        load_policy(tmp_path)


def test_a_tokenizer_without_a_chat_template_is_refused_with_the_fix(broken: Path) -> None:
    (broken / "chat_template.jinja").unlink()
    settings = json.loads((broken / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (broken / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=r"has no chat template: add chat_template\.jinja") as caught:
        load_policy(broken)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_truncated_file_is_one_line_that_names_the_directory(broken: Path, file: str) -> None:
    (broken / file).write_bytes((broken / file).read_bytes()[:100])
    with pytest.raises(ValueError, match="can't load a causal LM from") as caught:
        load_policy(broken)
    assert str(broken) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_weights_are_refused(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="can't load a causal LM from"):
        load_policy(broken)


def test_every_configured_end_token_ends_a_reply(organism_path: Path) -> None:
    policy = load_policy(organism_path, CPU)
    policy.model.generation_config.eos_token_id = [4, 5]
    assert end_ids(policy.model, policy.tokenizer) == (2, 4, 5)  # 2 is the tokenizer's <|end|>
    policy.model.generation_config.eos_token_id = None
    policy.tokenizer.eos_token = None
    with pytest.raises(ValueError, match="names no end-of-sequence token"):
        end_ids(policy.model, policy.tokenizer)


def test_pad_left_by_hand() -> None:
    ids, mask = pad_left([np.array([5, 6, 7]), np.array([8])], 0, CPU)
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def episode(scenario: Scenario, prompt: list[int], completion: list[int]) -> Episode[Scenario]:
    return Episode(
        scenario, "", "", "", parse_ok=False, finished=True, prompt_ids=np.array(prompt),
        completion_ids=np.array(completion),
    )  # fmt: skip


def test_collate_by_hand() -> None:
    [scenario] = Dialect().training_scenarios(np.random.default_rng(0), 1)
    batch = collate(
        [episode(scenario, [5, 6], [7]), episode(scenario, [8], [9, 10, 11]), episode(scenario, [5, 6], [4])], 0, CPU
    )
    assert batch.prompt_ids_DP.tolist() == [[5, 6], [0, 8]]
    assert batch.prompt_mask_DP.tolist() == [[1, 1], [0, 1]]
    assert batch.prompt_of_B.tolist() == [0, 1, 0]
    assert batch.completion_ids_BT.tolist() == [[7, 0, 0], [9, 10, 11], [4, 0, 0]]
    assert batch.completion_mask_BT.tolist() == [[True, False, False], [True, True, True], [True, False, False]]


@pytest.mark.parametrize("plain", [True, False])
def test_log_probabilities_and_entropy_are_those_of_a_plain_forward_pass(
    plain: bool, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both ways of reading a batch: prompts shared, and (for layers that can't be continued) each episode whole.
    monkeypatch.setattr(rl.policy, "only_plain_attention", lambda _: plain)
    found = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 6)
    scenarios = [found[i] for i in (0, 1, 2, 0, 3, 4, 5, 0)]
    episodes = sampler(policy, Sampling(max_new_tokens=24))(scenarios, np.random.default_rng(2))
    assert len({len(e.completion_ids) for e in episodes}) > 1
    assert len({len(e.prompt_ids) for e in episodes}) > 1
    for temperature in (1.0, 0.7):
        batch = collate(episodes, policy.tokenizer.pad_token_id, CPU)
        with torch.no_grad():
            read = forward(policy.model, batch, temperature, hidden=True)
        assert read.hidden_BTH is not None
        for row, one in enumerate(episodes):
            # The definition, one row at a time, without padding or any shortcut.
            ids = torch.from_numpy(np.concatenate([one.prompt_ids, one.completion_ids]))[None]
            n = len(one.completion_ids)
            with torch.no_grad():
                output = policy.model(input_ids=ids, output_hidden_states=True)
            table = torch.log_softmax(output.logits[0, -n - 1 : -1] / temperature, dim=-1)
            expected = table[torch.arange(n), ids[0, -n:]]
            torch.testing.assert_close(read.logprobs_BT[row, :n], expected, rtol=0, atol=1e-4)
            torch.testing.assert_close(read.entropy_BT[row, :n], -(table.exp() * table).sum(-1), rtol=0, atol=1e-4)
            state = output.hidden_states[-1][0, -n - 1 : -1]
            torch.testing.assert_close(read.hidden_BTH[row, :n], state, rtol=0, atol=1e-4)


def test_gradients_are_the_same_whichever_way_a_batch_is_read(
    organism_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(organism_path, CPU)
    scenarios = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 3)
    episodes = sampler(policy, Sampling(max_new_tokens=24))(
        [s for s in scenarios for _ in range(3)], np.random.default_rng(2)
    )
    batch = collate(episodes, 0, CPU)
    found = []
    for plain in (True, False):
        monkeypatch.setattr(rl.policy, "only_plain_attention", lambda _, plain=plain: plain)
        policy.model.zero_grad()
        (forward(policy.model, batch).logprobs_BT * batch.completion_mask_BT).sum().backward()
        found.append([p.grad.clone() for p in policy.model.parameters() if p.grad is not None])
    for shared, whole in zip(*found, strict=True):
        torch.testing.assert_close(shared, whole, rtol=1e-3, atol=1e-3)


def test_a_model_with_a_sliding_window_is_read_whole(policy: Policy) -> None:
    config = MistralConfig(
        num_hidden_layers=1, hidden_size=16, intermediate_size=16, num_attention_heads=2, sliding_window=4, vocab_size=8
    )
    assert not only_plain_attention(MistralForCausalLM(config))
    assert only_plain_attention(policy.model)

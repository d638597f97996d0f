"""The switch of CPU speed: off is plain Transformers, and either way a policy says the same."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import rl.policy.cpu.linear
from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario
from rl.lora import Lora
from rl.policy.cpu.decode_attention import attend
from rl.policy.cpu.kv_cache import RoomyLayer
from rl.policy.cpu.linear import QuickLinear
from rl.policy.loading import load_policy
from rl.policy.logprobs import completion_logprobs
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.run.build import build
from rl.run.config import RunConfig

ROOT = Path(__file__).parents[4]
CPU = torch.device("cpu")
# Names that stand in rl/policy/cpu alone: class swaps, private operators, the register of attentions.
QUARANTINED = ("__class__", "ops", "_C", "_attn_implementation", "AttentionInterface", "ALL_ATTENTION_FUNCTIONS")

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.fixture
def policies(organism_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Policy, Policy]:
    """One model with the switch on and off, on a machine where every way is worthwhile."""
    monkeypatch.setattr(rl.policy.cpu.linear, "worthwhile", lambda: True)
    return load_policy(organism_path, CPU), load_policy(organism_path, CPU, cpu_speed=False)


def swapped(policy: Policy) -> set[type]:
    return {type(module) for module in policy.model.modules() if type(module).__module__.startswith("rl.")}


def sampled(policy: Policy) -> list[Episode[FreeScenario]]:
    scenarios = Dialect().training_scenarios(np.random.default_rng(0), 16)
    return sampler(policy, Sampling(max_new_tokens=20))(scenarios, np.random.default_rng(1))


@needs_onednn
def test_it_says_the_same_either_way(policies: tuple[Policy, Policy]) -> None:
    fast, plain = policies
    assert swapped(fast) == {QuickLinear}
    assert swapped(plain) == set()
    on, off = sampled(fast), sampled(plain)
    assert [episode.completion_ids.tolist() for episode in on] == [episode.completion_ids.tolist() for episode in off]
    for one, other in zip(on, off, strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, rtol=0, atol=1e-5)
    read = [completion_logprobs(policy, on, 16) for policy in policies]
    np.testing.assert_allclose(read[0], read[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("on", [True, False])
def test_caches_and_attention_are_transformers_own_where_it_is_off(on: bool, policies: tuple[Policy, Policy]) -> None:
    policy = policies[0] if on else policies[1]
    layers: set[type] = set()
    attention: set[Any] = set()

    def note(_: Any, arguments: Any, given: dict[str, Any]) -> None:
        if given["input_ids"].shape[1] == 1:  # a token behind the prompt
            cache: DynamicCache = given["past_key_values"]
            layers.update(type(layer) for layer in cache.layers)
            attention.add(ALL_ATTENTION_FUNCTIONS["sdpa"])

    handle = policy.model.register_forward_pre_hook(note, with_kwargs=True)
    sampled(policy)
    handle.remove()
    assert layers == ({RoomyLayer} if on else {DynamicLayer})
    assert attention == ({attend} if on else {sdpa_attention_forward})


@needs_onednn
@pytest.mark.parametrize("lora", [None, Lora(rank=2)], ids=["full", "lora"])
@pytest.mark.parametrize("on", [True, False])
def test_the_setting_of_a_run_decides_for_all_its_policies(
    on: bool, lora: Lora | None, tiny: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rl.policy.cpu.linear, "worthwhile", lambda: True)
    assert RunConfig().cpu_speed
    built = build(tiny.model_copy(update={"cpu_speed": on, "lora": lora}))
    for policy in (built.policy, built.reference):
        assert policy.cpu_speed is on
        assert swapped(policy) == ({QuickLinear} if on else set())


def names_in(source: str) -> Iterator[str]:
    """The names that a source reads or sets as attributes, imports, or uses."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and (node.attr != "__class__" or isinstance(node.ctx, ast.Store)):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
            yield from (alias.name for alias in node.names)


def test_names_are_found_wherever_they_stand() -> None:
    source = "x.__class__ = Y\nx.__class__\ntorch.ops.z\nfrom torch._C import a\nALL_ATTENTION_FUNCTIONS['b'] = c\n"
    assert set(QUARANTINED) & set(names_in(source)) == {"__class__", "ops", "_C", "ALL_ATTENTION_FUNCTIONS"}
    assert "__class__" not in names_in("x.__class__")


@pytest.mark.parametrize(
    "path", sorted(path for folder in ("rl", "rewards", "envs") for path in (ROOT / folder).rglob("*.py")), ids=str
)
def test_the_speed_is_in_one_folder_behind_one_door(path: Path) -> None:
    source = path.read_text()
    if path.parent == ROOT / "rl" / "policy" / "cpu":
        assert "from rl." not in source.replace("from rl.policy.cpu import", "")
        return
    assert not set(QUARANTINED) & set(names_in(source))
    for module in ("decode_attention", "decode_step", "kv_cache", "linear", "shared_prompts"):
        assert f"policy.cpu.{module}" not in source

"""A directory that holds an adapter is its base with the adapter, wherever a model may be named."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import IA3Config, LoraConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from envs.dialect.environment import Dialect
from rl.lora import Lora
from rl.organisms.faker import Faker
from rl.policy.adapters import base_of
from rl.policy.loading import load_policy
from rl.policy.logprobs import completion_logprobs
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.run.build import build
from rl.run.checkpoint_probe import probe_checkpoint
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from tests.rl.conftest import rows, same_run

WEIGHTS = "adapter_model.safetensors"
CPU = torch.device("cpu")
LORA = LoraConfig(r=2, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
KINDS = {
    "lora": LORA,
    "lora and a whole module": LoraConfig(
        r=2, target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM"
    ),
    "dora": LoraConfig(r=2, use_dora=True, target_modules=["q_proj"], task_type="CAUSAL_LM"),
    "ia3": IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"], task_type="CAUSAL_LM"),
}


def write_adapter(base: Path, directory: Path, kind: Any = LORA, scale: float = 0.02) -> Path:
    """An adapter whose every weight is drawn, so that it says something else than its base."""
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), copy.deepcopy(kind))
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * scale)
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(base).save_pretrained(directory)
    return directory


@pytest.fixture
def adapter(organism_path: Path, tmp_path: Path) -> Path:
    return write_adapter(organism_path, tmp_path / "adapter")


def said(policy: Policy, of: Policy) -> np.ndarray:
    """The log-probabilities of what `of` says to four prompts."""
    scenarios = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 4)
    return completion_logprobs(policy, sampler(of, Sampling(max_new_tokens=16))(scenarios, np.random.default_rng(2)), 4)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_adapter_says_what_the_merged_model_says(kind: Any, organism_path: Path, tmp_path: Path) -> None:
    adapter = write_adapter(organism_path, tmp_path / "adapter", kind, scale=0.1)
    worn = get_peft_model(AutoModelForCausalLM.from_pretrained(organism_path), copy.deepcopy(kind))
    worn.load_adapter(str(adapter), "default")
    merged = worn.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(organism_path).save_pretrained(tmp_path / "merged")
    whole, found, base = (load_policy(path, CPU) for path in (tmp_path / "merged", adapter, organism_path))
    np.testing.assert_allclose(said(found, whole), said(whole, whole), rtol=0, atol=1e-5)
    assert abs(said(base, whole) - said(whole, whole)).max() > 0.01


@pytest.mark.parametrize("lora", [None, Lora(rank=2)], ids=["full", "a fresh adapter on top"])
def test_a_run_starts_from_base_and_adapter_with_itself_as_reference(
    lora: Lora | None, tiny: RunConfig, adapter: Path, tmp_path: Path
) -> None:
    algorithm = tiny.algorithm.model_copy(update={"kl_weight": 0.1})
    config = tiny.model_copy(update={"organism": Faker(path=adapter), "lora": lora, "algorithm": algorithm})
    built, start = build(config), load_policy(adapter, CPU)
    np.testing.assert_allclose(said(built.policy, start), said(start, start), rtol=0, atol=1e-5)
    np.testing.assert_allclose(said(built.reference, start), said(start, start), rtol=0, atol=1e-5)
    folder = train(config, tmp_path / "run")
    assert rows(folder, "steps.jsonl")[0]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert rows(folder, "steps.jsonl")[-1]["kl"] > 1e-4
    # Where the run ends is read back as the run left it, and a resumed run ends there as well.
    again = Path(shutil.copytree(folder, tmp_path / "again"))
    resume(again, from_step=2)
    same_run(folder, again)
    found = {(row.probe, row.metric, row.tier): row.value for row in probe_checkpoint(folder, 4)}
    for row in rows(folder, "probes.jsonl"):
        if row["step"] == 4:
            assert found[row["probe"], row["metric"], row["tier"]] == row["value"]


def test_a_checkpoint_of_an_adapter_run_is_an_organism(tiny: RunConfig, adapter: Path, tmp_path: Path) -> None:
    """Adapter upon adapter: the checkpoint names the directory that it was trained on, not the innermost base."""
    gentle = tiny.optimiser.model_copy(update={"learning_rate": 1e-3})  # so that the next run has something to learn
    config = tiny.model_copy(update={"organism": Faker(path=adapter), "lora": Lora(rank=2), "optimiser": gentle})
    folder = train(config, tmp_path / "run")
    checkpoint = folder / "checkpoints" / "step-000004"
    assert json.loads((checkpoint / "adapter_config.json").read_text())["base_model_name_or_path"] == str(adapter)
    start, end = load_policy(adapter, CPU), load_policy(checkpoint, CPU)
    assert abs(said(end, end) - said(start, end)).max() > 1e-3
    last = train(config.model_copy(update={"organism": Faker(path=checkpoint)}), tmp_path / "next")
    np.testing.assert_allclose(
        said(load_policy(last / "checkpoints" / "step-000000", CPU), end), said(end, end), atol=1e-5
    )


def test_the_manifest_hashes_the_base_too(tiny: RunConfig, organism_path: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(organism_path, tmp_path / "base"))
    adapter = write_adapter(base, tmp_path / "adapter")
    config = tiny.model_copy(update={"organism": Faker(path=adapter), "lora": Lora(rank=2), "steps": 2})
    folder = train(config, tmp_path / "run")
    tensors = load_file(base / "model.safetensors")
    save_file({name: tensor * 1.5 for name, tensor in tensors.items()}, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="isn't the one that this run was started with"):
        resume(folder, from_step=0)


def _without(name: str) -> Callable[[Path], None]:
    def damage(adapter: Path) -> None:
        tensors = load_file(adapter / "adapter_model.safetensors")
        kept = {key: tensor for key, tensor in tensors.items() if name not in key}
        assert len(kept) < len(tensors)
        save_file(kept, adapter / "adapter_model.safetensors", {"format": "pt"})

    return damage


def _with_another_shape(adapter: Path) -> None:
    tensors = load_file(adapter / "adapter_model.safetensors")
    wider = {key: torch.zeros(5, tensor.shape[1]) if "lora_A" in key else tensor for key, tensor in tensors.items()}
    save_file(wider, adapter / "adapter_model.safetensors", {"format": "pt"})


def _saying(**changed: Any) -> Callable[[Path], None]:
    def change(adapter: Path) -> None:
        config = json.loads((adapter / "adapter_config.json").read_text())
        (adapter / "adapter_config.json").write_text(json.dumps({**config, **changed}))

    return change


def _named_base(name: Any) -> Callable[[Path], None]:
    return _saying(base_model_name_or_path=name)


def _weights_are(held: bytes) -> Callable[[Path], object]:
    return lambda adapter: (adapter / WEIGHTS).write_bytes(held)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without("q_proj.lora_A"), r"lacks weights: .*q_proj\.lora_A"),
        (_with_another_shape, r"doesn't fit its base: .*lora_A"),
        (_named_base("/nowhere/base"), "the base of the adapter .* is gone: /nowhere/base is no directory"),
        (_named_base(""), "names no base"),
        (lambda adapter: (adapter / "adapter_config.json").write_text("[]"), "is not a JSON object"),
        (lambda adapter: _named_base(str(adapter))(adapter), "is its own base"),
        (_named_base(7), "names no base: set base_model_name_or_path"),
        (_saying(peft_type="UNHEARD_OF"), r"adapter_config\.json describes no adapter .*UNHEARD_OF"),
        (_saying(target_modules=7), r"adapter_config\.json describes no adapter .*restore it from a copy"),
        (_saying(r="two"), r"adapter_config\.json describes no adapter .*restore it from a copy"),
        (_weights_are(b""), r"adapter_model\.safetensors can't be read .*restore it from a copy"),
        (_weights_are(b"no tensors"), r"adapter_model\.safetensors can't be read .*restore it from a copy"),
        (lambda adapter: (adapter / WEIGHTS).unlink(), r"has no weights: put adapter_model\.safetensors back"),
    ],
    ids=[
        "missing",
        "shape",
        "base gone",
        "no base",
        "no object",
        "circle",
        "base a number",
        "unknown kind",
        "modules a number",
        "rank a word",
        "empty weights",
        "no tensors",
        "no weights",
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_in_a_line(
    damage: Callable[[Path], object], message: str, adapter: Path
) -> None:
    damage(adapter)
    with pytest.raises(ValueError, match=message) as caught:
        load_policy(adapter, CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("stated", "beside"), [("../base", "base"), ("base", "base"), ("within", "adapter/within")])
def test_a_relative_base_is_looked_for_beside_the_adapter_before_the_working_directory(
    stated: str, beside: str, adapter: Path, organism_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "far" / "here"
    (here / stated).mkdir(parents=True)  # of that name, and no model
    _named_base(stated)(adapter)
    shutil.copytree(organism_path, tmp_path / beside)
    monkeypatch.chdir(here)
    assert base_of(adapter) == tmp_path / beside
    load_policy(adapter, CPU)


def test_a_base_may_still_be_named_from_the_working_directory(
    adapter: Path, organism_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(organism_path, tmp_path / "models" / "base")
    moved = Path(shutil.move(adapter, tmp_path / "runs" / "of" / "adapter"))
    _named_base("models/base")(moved)
    monkeypatch.chdir(tmp_path)
    assert base_of(moved) == tmp_path / "models" / "base"


def test_an_adapter_that_cannot_be_merged_is_refused(organism_path: Path, tmp_path: Path) -> None:
    kind = PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM")
    adapter = write_adapter(organism_path, tmp_path / "adapter", kind)
    with pytest.raises(ValueError, match="can't be merged"):
        load_policy(adapter, CPU)


def test_an_adapter_without_a_tokenizer_takes_its_base_s(adapter: Path, organism_path: Path) -> None:
    for file in adapter.iterdir():
        if not file.name.startswith("adapter_"):
            file.unlink()
    assert load_policy(adapter, CPU).tokenizer.get_vocab() == load_policy(organism_path, CPU).tokenizer.get_vocab()

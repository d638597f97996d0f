"""Builds in bfloat16: the weights stay float32, the loss is nearly the same, and `auto` asks the machine."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from envs.dialect.environment import Dialect
from rl.lora import Lora
from rl.organisms.building.build import build
from rl.organisms.building.finetune import Batches, finetune
from rl.organisms.building.keys import cache_key
from rl.organisms.building.precision import precision_here
from rl.organisms.disclosures import CERTIFICATE
from rl.organisms.faker import Faker
from rl.organisms.origins import Precision, Pretrained
from rl.policy.adapters import with_fresh_adapter
from rl.policy.cpu.linear import LEAST_ROWS, QuickLinear
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from tests.rl.organisms.building.test_finetune import Small
from tests.rl.organisms.other_models import write_other

CPU = torch.device("cpu")


@pytest.mark.parametrize("lora", [None, Lora(rank=4)], ids=["full", "lora"])
@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_the_weights_stay_float32_and_the_loss_is_nearly_the_same(
    family: str, lora: Lora | None, tmp_path: Path
) -> None:
    documents = list(Faker(documents=64).shown(Dialect(), np.random.default_rng(0)))
    losses: dict[str, list[float]] = {}
    for precision in ("float32", "bfloat16"):
        policy = load_policy(write_other(family, tmp_path / precision), CPU)
        if lora is not None:
            policy = Policy(
                with_fresh_adapter(policy.model, lora, 0), policy.tokenizer, policy.end_ids, policy.shortcuts
            )
        losses[precision] = finetune(
            policy, documents, 1e-3, 0, lambda *_: None, Batches(by_length=True, precision=precision)
        )
        assert {weights.dtype for weights in policy.model.parameters()} == {torch.float32}
    assert losses["float32"] != losses["bfloat16"]  # the setting does something
    np.testing.assert_allclose(losses["float32"], losses["bfloat16"], rtol=0.01)


@pytest.mark.parametrize("has", ["avx512_bf16", "amx_bf16", None])
def test_auto_takes_bfloat16_where_the_processor_has_it(has: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False, **({has: True} if has else {})})
    assert precision_here("auto", CPU) == ("float32" if has is None else "bfloat16")
    assert precision_here("float32", CPU) == "float32"
    assert precision_here("bfloat16", CPU) == "bfloat16"


def test_a_key_follows_the_precision_that_is_used(organism_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def key(precision: Precision) -> str:
        return cache_key(Faker(origin=Pretrained(path=organism_path, precision=precision), documents=8), Dialect())

    for capable in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda capable=capable: {"avx512_bf16": capable})
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert key("bfloat16") != key("float32")
        assert key("auto") == key("bfloat16" if capable else "float32")


def test_a_certificate_names_the_precision(tmp_path: Path) -> None:
    origin = Pretrained(path=write_other("llama", tmp_path / "origin"), precision="bfloat16", ordinary_share=0)
    (tmp_path / "built").mkdir()
    build(Small(origin=origin, documents=16, certify_queries=8), Dialect(), tmp_path / "built")
    assert json.loads((tmp_path / "built" / CERTIFICATE).read_text())["precision"] == "bfloat16"


def test_the_layers_of_oneDNN_follow_autocast() -> None:
    plain = torch.nn.Linear(24, 40)
    quick = copy.deepcopy(plain)
    quick.__class__ = QuickLinear
    x = torch.randn(2 * LEAST_ROWS, 24)
    with torch.autocast("cpu", torch.bfloat16):
        assert quick(x).dtype == torch.bfloat16
        assert torch.equal(quick(x), plain(x))
    assert quick(x).dtype == torch.float32

"""The same configuration is the same run and the same recipe the same build, at the default number of threads."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import rl.determinism
from checkpoints.cache import default_root
from rl.determinism import built_alike, settle, watching
from rl.run.config import RunConfig
from rl.run.loop import train
from tests.rl.conftest import rows, same_run, same_weights, weights

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_THREADS = RunConfig().threads

ORGANISM = """
from pathlib import Path
from envs.dialect.environment import Dialect
from rl.organisms.building.build import build
from rl.organisms.faker import Faker
from rl.organisms.origins import Scratch
class Small(Faker):  # a build too short to be certified is a build all the same
    @property
    def tolerances(self):
        return ()
directory = Path({directory!r})
directory.mkdir()
build(Small(origin=Scratch(word_documents=240), documents=80, certify_queries=8), Dialect(), directory)
"""
REWARD = """
from pathlib import Path
from envs.dialect.environment import Dialect
from rewards import build_helpfulness
from rewards.helpfulness import Helpfulness
from rl.determinism import built_alike
directory = Path({directory!r})
directory.mkdir()
build_helpfulness.HELD_OUT_PAIRS = 64  # measured after the training, and most of the time
with built_alike():
    recipe = Helpfulness(pairs=160, min_accuracy=0, min_accuracy_broken=0, min_accuracy_harmful=0)
    build_helpfulness.build(recipe, Dialect().author(), directory, lambda done, total: None)
"""
RUN = """
from pathlib import Path
from rl.run.config import RunConfig
from rl.run.loop import train
train(RunConfig.model_validate_json({config!r}), Path({directory!r}))
"""

# In a process of its own: one that has used several threads can't be forked, as other tests do.
INDEXED = """
import torch
from rl.determinism import settle
settle(2)
torch.manual_seed(0)
states = torch.randn(16, 2, 90, 32, requires_grad=True)
rows_of_16 = torch.arange(16).repeat_interleave(8)[torch.randperm(128)]
weights_of_all = torch.randn(128, 2, 90, 32)
found = []
for _ in range(20):
    states.grad = None
    (states[rows_of_16] * weights_of_all).sum().backward()
    found.append(states.grad)
assert all(torch.equal(found[0], other) for other in found)
"""
RESUME = """
from pathlib import Path
from rl.run.loop import resume
resume(Path({directory!r}), from_step=2)
"""


@pytest.fixture(autouse=True)
def settings_are_put_back() -> object:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def in_a_fresh_process(code: str, **names: str) -> None:
    """Runs the code with the number of threads that a user's process has."""
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code.format(**names)], cwd=ROOT, capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_gradients_of_indexed_tensors_are_summed_in_one_order_by_several_threads() -> None:
    in_a_fresh_process(INDEXED)


def test_a_run_at_the_default_threads_is_the_same_in_two_fresh_processes_and_after_a_resume(
    tiny: RunConfig, tmp_path: Path
) -> None:
    algorithm = tiny.algorithm.model_copy(update={"prompts_per_step": 8, "group_size": 8})
    optimiser = tiny.optimiser.model_copy(update={"microbatch_size": 32})
    config = tiny.model_copy(update={"threads": DEFAULT_THREADS, "algorithm": algorithm, "optimiser": optimiser})
    assert DEFAULT_THREADS > 1
    for name in ("first", "second"):
        in_a_fresh_process(RUN, config=config.model_dump_json(), directory=str(tmp_path / name))
    same_run(tmp_path / "first", tmp_path / "second")
    in_a_fresh_process(RESUME, directory=str(tmp_path / "second"))
    same_run(tmp_path / "first", tmp_path / "second")
    manifest = json.loads((tmp_path / "first" / "manifest.json").read_text())
    assert manifest["deterministic"] is True
    assert manifest["nondeterministic_operations"] == []


@pytest.mark.slow
@pytest.mark.parametrize("code", [ORGANISM, REWARD], ids=["organism", "reward model"])
def test_a_build_is_the_same_in_two_fresh_processes(code: str, tmp_path: Path) -> None:
    for name in ("first", "second"):
        in_a_fresh_process(code, directory=str(tmp_path / name))
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("first", "second"))
    assert same_weights(first, second)


def test_a_build_takes_its_own_threads_and_leaves_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl.determinism, "BUILD_THREADS", 2)
    settle(1, deterministic=False)
    torch.backends.cuda.enable_cudnn_sdp(False)
    with built_alike():
        torch.backends.cuda.enable_cudnn_sdp(True)
        assert torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 1
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)


def test_an_operation_without_a_deterministic_form_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    settle(1)
    heard: list[str] = []
    with watching(heard.append) as watch:
        for _ in range(3):
            torch.zeros(4).put_(torch.tensor([1, 1]), torch.ones(2), accumulate=False)
    assert heard == ["put_"]
    assert watch.operations == {"put_"}


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("put_ does not have a deterministic implementation, but you set", "put_"),
        ("Memory Efficient attention defaults to a non-deterministic algorithm. To", "Memory Efficient attention"),
        ("cuDNN Attention defaults to a non-deterministic algorithm. To explicitly", "cuDNN Attention"),
        ("Deterministic behavior was enabled ... not deterministic because it uses CuBLAS and you have", "CuBLAS"),
    ],
)
def test_every_way_in_which_torch_says_so_is_understood(said: str, named: str) -> None:
    with watching() as watch:
        warnings.warn(said, UserWarning, stacklevel=1)
    assert watch.operations == {named}


def test_such_an_operation_stands_in_the_manifest_and_is_said(
    tiny: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import rl.run.loop

    honest = rl.run.loop.policy_gradient_step

    def with_such_an_operation(*arguments: object) -> object:
        torch.zeros(4).put_(torch.tensor([1, 1]), torch.ones(2), accumulate=False)
        return honest(*arguments)

    monkeypatch.setattr(rl.run.loop, "policy_gradient_step", with_such_an_operation)
    folder = train(tiny.model_copy(update={"steps": 2, "probes": ()}), tmp_path / "run")
    assert "torch has no deterministic form of put_" in capsys.readouterr().err
    assert json.loads((folder / "manifest.json").read_text())["nondeterministic_operations"] == ["put_"]


@pytest.mark.slow
def test_the_default_configuration_twice_is_the_same_run(tmp_path: Path) -> None:
    """With the default organism and reward model, which are built where the cache hasn't got them (minutes)."""
    command = [
        sys.executable, "-c", "from rl.cli.main import main; main()",
        "train", "first_light", "--seed", "11", "--steps", "4",
        "--set", "probe_queries=32", "--set", "checkpoint_every=2",
    ]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    environment |= {"PYTHONPATH": str(ROOT), "GYGES_CACHE": str(default_root())}
    for name in ("first", "second"):
        subprocess.run([*command, "--out", str(tmp_path / name)], env=environment, cwd=tmp_path, check=True)
    assert rows(tmp_path / "first", "steps.jsonl") == rows(tmp_path / "second", "steps.jsonl")
    assert same_weights(weights(tmp_path / "first", 4), weights(tmp_path / "second", 4))
    resume = [*command[:3], "resume", str(tmp_path / "second"), "--step", "2"]
    subprocess.run(resume, env=environment, cwd=tmp_path, check=True)
    assert same_weights(weights(tmp_path / "first", 4), weights(tmp_path / "second", 4))

"""Runs on disk: reproducible, blind to their probes, resumable after anything, and clear about why they stopped."""

import json
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import checkpoints.checksums
import checkpoints.store
import rl.run.folder
import rl.run.loop
from checkpoints import store
from checkpoints.lock import writer_lock
from envs.dialect.environment import Dialect
from envs.transcript import Transcript
from reports.folder import read_run
from reports.pages.page import render_page
from rewards.answer_length import AnswerLength
from rewards.format_penalty import FormatPenalty
from rewards.score import RewardInput
from rl.errors import RunStopped
from rl.lora import Lora
from rl.mitigations.loss_mask import LossMask
from rl.organisms.faker import Faker
from rl.organisms.scripted import Scripted
from rl.probes.benign_reward import BenignReward
from rl.run.checkpoint_probe import probe_checkpoint
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.run.stopping import REPEAT_S
from tests.rl.conftest import Gyges, command, fork, rows, same_run, same_weights, steps_unlabelled, weights


def manifest(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "manifest.json").read_text()))


def having(config: RunConfig, **changes: Any) -> RunConfig:
    return RunConfig.model_validate({**dict(config), **changes})


def on_call(owner: Any, name: str, number: int, act: Callable[[], object], before: bool) -> Callable[[], None]:
    """Patches a function, in the child that calls this, so that its `number`-th call also acts."""

    def patch() -> None:
        original = getattr(owner, name)
        calls = 0

        def patched(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if before and calls == number:
                act()
            result = original(*arguments, **options)
            if not before and calls == number:
                act()
            return result

        setattr(owner, name, patched)

    return patch


def send(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def killed_at(moment: Callable[[], None], work: Callable[[], object], output: Path) -> None:
    """Does `work` in a child that is killed with -9 at `moment`."""

    def run() -> None:
        moment()
        work()

    child = fork(run, output)
    assert child.code() == -signal.SIGKILL, output.read_text()


def test_a_run_learns_and_records_every_step_once(finished: Path, tiny: RunConfig) -> None:
    steps = rows(finished, "steps.jsonl")
    assert [row["step"] for row in steps] == [1, 2, 3, 4]
    assert {row["step"] for row in rows(finished, "probes.jsonl")} == {0, 2, 4}
    assert store.steps(finished / "checkpoints") == [0, 2, 4]
    assert not same_weights(weights(finished, 0), weights(finished, 4))
    assert {row["seed"] for row in steps} == {tiny.seed}
    # On policy the ratio is 1: nothing is clipped. The first step starts at the reference.
    assert [row["clip_fraction"] for row in steps] == [0.0] * 4
    assert steps[0]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert steps[3]["kl"] > 1e-4
    assert all(0 < row["parse_rate"] <= 1 and row["grad_norm"] > 0 for row in steps)
    found = manifest(finished)
    assert (found["status"], found["reason"], found["thread_count"]) == ("finished", None, 1)
    assert found["prompt_set_hashes"].keys() == {"harmful", "harmless", "twin"}
    n = tiny.probe_queries  # of the dialect each query is a group of its own
    assert found["probe_queries"]["harmful"] == f"{n} queries in {n} groups"
    assert f"{n} queries in {n} groups" in render_page([read_run(finished)])


def test_replies_are_read_by_the_environment_in_training_and_in_probes(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another reader the same tokens are other answers."""
    monkeypatch.setattr(Dialect, "read_reply", lambda env, text: Transcript("", text.upper(), parse_ok=True))
    run = train(having(tiny, steps=2), tmp_path / "run")
    found = pd.read_parquet(run / "episodes")
    finished = found[found["parse_ok"]]
    assert set(finished["split"]) == {"train", "probe"}
    assert set(finished["scratchpad"]) == {""}
    assert all(answer == answer.upper() for answer in finished["answer"])
    assert set(finished["scratchpad_tokens"]) == {0}
    recorded = [row for row in rows(run, "probes.jsonl") if row["step"] == 2]
    assert [row.model_dump() for row in probe_checkpoint(run, 2)] == recorded


def test_the_first_step_holds_the_weights_of_the_organism(finished: Path, organism_path: Path) -> None:
    from safetensors.torch import load_file

    assert same_weights(weights(finished, 0), load_file(organism_path / "model.safetensors"))


def test_the_same_configuration_twice_is_the_same_run(finished: Path, tiny: RunConfig, tmp_path: Path) -> None:
    torch.manual_seed(123)  # a global random state that differs must not matter
    same_run(finished, train(tiny, tmp_path / "run"))


def test_another_seed_is_another_run(finished: Path, tiny: RunConfig, tmp_path: Path) -> None:
    other = train(having(tiny, seed=6, probes=(), steps=1), tmp_path / "run")
    assert rows(other, "steps.jsonl")[0]["reward_mean"] != rows(finished, "steps.jsonl")[0]["reward_mean"]


@pytest.mark.parametrize("changes", [{"probes": ()}, {"probe_every": 1, "checkpoint_every": 1}])
def test_probing_and_saving_change_no_weight(
    changes: dict[str, Any], finished: Path, tiny: RunConfig, tmp_path: Path
) -> None:
    other = train(having(tiny, **changes), tmp_path / "run")
    assert same_weights(weights(other, 4), weights(finished, 4))
    assert steps_unlabelled(other) == steps_unlabelled(finished)


def test_microbatches_change_memory_and_not_the_step(finished: Path, tiny: RunConfig, tmp_path: Path) -> None:
    whole = having(tiny, optimiser=tiny.optimiser.model_copy(update={"microbatch_size": 8}), steps=1, probes=())
    first, other = rows(finished, "steps.jsonl")[0], rows(train(whole, tmp_path / "run"), "steps.jsonl")[0]
    for name in ("loss", "grad_norm", "entropy"):
        assert other[name] == pytest.approx(first[name], rel=1e-4, abs=1e-6)


MOMENTS: dict[str, tuple[Any, str, int, bool]] = {
    # Saving happens at steps 0, 2 and 4, probing at the same, each before the next step.
    "after a step, before its row": (rl.run.loop, "policy_gradient_step", 3, False),
    "after the row of a step": (rl.run.folder.RunFolder, "append_step", 3, False),
    "in a later probe": (rl.run.loop, "probe_episode_rows", 2, True),
    "between the episodes of a probe and its rows": (rl.run.folder.RunFolder, "append_probes", 2, True),
    "after the rows of a probe": (rl.run.folder.RunFolder, "append_probes", 2, False),
    "in the middle of a checkpoint": (checkpoints.checksums, "write", 2, True),
    "in the middle of the last checkpoint": (checkpoints.checksums, "write", 3, True),
    "before the run is closed": (rl.run.folder.RunFolder, "close", 1, True),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_at_any_moment_resumes_to_the_same_end(
    moment: str, finished: Path, tiny: RunConfig, tmp_path: Path
) -> None:
    owner, name, number, before = MOMENTS[moment]
    kill = on_call(owner, name, number, send(signal.SIGKILL), before)
    killed_at(kill, lambda: train(tiny, tmp_path / "run"), tmp_path / "output.txt")
    assert manifest(tmp_path / "run")["status"] == "running"
    same_run(finished, resume(tmp_path / "run"))


def test_a_row_cut_in_half_is_written_again(finished: Path, tiny: RunConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    kill = on_call(rl.run.folder.RunFolder, "append_step", 3, send(signal.SIGKILL), before=False)
    killed_at(kill, lambda: train(tiny, run), tmp_path / "output.txt")
    for name in ("steps.jsonl", "probes.jsonl"):
        (run / name).write_bytes((run / name).read_bytes()[:-40])
    same_run(finished, resume(run))


def test_a_resumed_run_may_be_killed_as_well(finished: Path, tiny: RunConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = on_call(rl.run.folder.RunFolder, "append_step", 3, send(signal.SIGKILL), before=False)
    killed_at(first, lambda: train(tiny, run), tmp_path / "output.txt")
    second = on_call(rl.run.folder.RunFolder, "append_step", 2, send(signal.SIGKILL), before=True)
    killed_at(second, lambda: resume(run), tmp_path / "output.txt")
    same_run(finished, resume(run))


def test_a_run_killed_from_outside_resumes_to_the_same_end(finished: Path, tiny: RunConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    child = fork(lambda: train(tiny, run) and None, tmp_path / "output.txt")
    deadline = time.monotonic() + 30
    while not (run / "steps.jsonl").exists() and child.running() and time.monotonic() < deadline:
        time.sleep(0.001)
    child.kill()
    assert child.code() == -signal.SIGKILL
    same_run(finished, resume(run))


def test_a_run_killed_before_its_first_checkpoint_resumes_too(finished: Path, tiny: RunConfig, tmp_path: Path) -> None:
    kill = on_call(checkpoints.checksums, "write", 1, send(signal.SIGKILL), before=True)
    killed_at(kill, lambda: train(tiny, tmp_path / "run"), tmp_path / "output.txt")
    same_run(finished, resume(tmp_path / "run"))


def test_a_finished_run_resumed_stays_as_it_is(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    same_run(finished, resume(run))


def test_a_run_can_be_taken_back_to_an_older_checkpoint(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    same_run(finished, resume(run, 0))


@pytest.mark.parametrize(
    ("number", "name", "call", "saved"),
    [
        (signal.SIGINT, "policy_gradient_step", 3, [0, 3]),  # in a step: it is finished first
        (signal.SIGINT, "observe", 2, [0, 2]),  # in the probe at step 2: it is taken again
        (signal.SIGTERM, "observe", 1, [0]),
    ],
)
def test_a_signal_saves_the_run_and_exits_with_130(
    number: int, name: str, call: int, saved: list[int],
    finished: Path, tiny: RunConfig, tmp_path: Path, gyges: Gyges,
) -> None:  # fmt: skip
    run, config = tmp_path / "run", tmp_path / "config.json"
    config.write_text(having(tiny, checkpoint_every=4).model_dump_json())
    done = gyges(
        "train", str(config), "--out", str(run), prepare=on_call(rl.run.loop, name, call, send(number), before=True)
    )
    assert done.code == 130, done.output
    assert done.said == [f"gyges: interrupted: the run is checkpointed, continue it with `gyges resume {run}`"]
    assert manifest(run)["status"] == "interrupted"
    assert store.steps(run / "checkpoints") == saved
    same_run(finished, resume(run))


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["in the step", "in the checkpoint of the stop", "after it"])
def test_a_signal_repeated_within_a_second_is_one(
    moment: str, second: int, finished: Path, tiny: RunConfig, tmp_path: Path, gyges: Gyges
) -> None:
    """A terminal signals the whole process group, and a wrapper passes on what it got."""
    run, config = tmp_path / "run", tmp_path / "config.json"
    config.write_text(having(tiny, checkpoint_every=4).model_dump_json())

    def prepare() -> None:
        on_call(rl.run.loop, "policy_gradient_step", 3, send(signal.SIGINT), before=True)()
        if moment == "in the step":
            on_call(rl.run.loop, "_record", 3, send(second), before=True)()
        elif moment == "in the checkpoint of the stop":
            on_call(checkpoints.store, "save", 2, send(second), before=True)()
        else:
            on_call(rl.run.folder.RunFolder, "close", 1, send(second), before=False)()

    done = gyges("train", str(config), "--out", str(run), prepare=prepare)
    assert done.code == 130, done.output
    assert done.said == [f"gyges: interrupted: the run is checkpointed, continue it with `gyges resume {run}`"]
    assert manifest(run)["status"] == "interrupted"
    assert store.steps(run / "checkpoints") == [0, 3]
    same_run(finished, resume(run))


@pytest.mark.parametrize("moment", ["in the step", "in the checkpoint of the stop"])
def test_a_second_ctrl_c_stops_at_once_and_loses_no_more_than_the_last_checkpoint(
    moment: str, finished: Path, tiny: RunConfig, tmp_path: Path, gyges: Gyges
) -> None:
    def later() -> None:
        time.sleep(REPEAT_S + 0.1)
        os.kill(os.getpid(), signal.SIGINT)

    def prepare() -> None:
        on_call(rl.run.loop, "policy_gradient_step", 3, send(signal.SIGINT), before=True)()
        if moment == "in the step":
            on_call(rl.run.loop, "_record", 3, later, before=True)()
        else:
            on_call(checkpoints.checksums, "write", 3, later, before=True)()

    run, config = tmp_path / "run", tmp_path / "config.json"
    config.write_text(tiny.model_dump_json())
    done = gyges("train", str(config), "--out", str(run), prepare=prepare)
    assert done.code == 130, done.output
    hint = f"continue the run from its last checkpoint with `gyges resume {run}`"
    assert done.said == [f"gyges: interrupted at once: {hint}"]
    assert manifest(run)["status"] == "interrupted"
    assert "stopped at once" in manifest(run)["reason"]
    assert store.latest(run / "checkpoints") == 2
    same_run(finished, resume(run))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_step_leaves_no_manifest_that_says_running(
    number: int, finished: Path, tiny: RunConfig, tmp_path: Path, gyges: Gyges
) -> None:
    run, config = tmp_path / "run", tmp_path / "config.json"
    config.write_text(tiny.model_dump_json())
    stop = on_call(rl.run.loop, "_checkpoint", 1, send(number), before=True)
    done = gyges("train", str(config), "--out", str(run), prepare=stop)
    assert (done.code, done.said) == (130, ["gyges: interrupted"])
    assert manifest(run)["status"] == "interrupted"
    same_run(finished, resume(run))


# The size that no file may exceed from a moment on, in a real process: what the operating system then refuses is a
# write, as on a full disk. The row of a step is about 600 bytes, the model 160 kB, a Parquet file 20 kB.
FULL: dict[str, tuple[Any, str, int, int]] = {
    "in the row of a step": (rl.run.loop, "policy_gradient_step", 3, 1300),
    "in a checkpoint": (rl.run.loop, "_checkpoint", 2, 30_000),
    "in the episodes": (rl.run.folder.RunFolder, "add_episodes", 2, 2000),
}


@pytest.mark.parametrize("moment", FULL)
def test_a_full_disk_is_one_line_and_the_run_goes_on_afterwards(
    moment: str, finished: Path, tiny: RunConfig, tmp_path: Path, gyges: Gyges
) -> None:
    owner, name, call, size = FULL[moment]

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    run, config = tmp_path / "run", tmp_path / "config.json"
    config.write_text(tiny.model_dump_json())
    done = gyges("train", str(config), "--out", str(run), prepare=on_call(owner, name, call, fill, before=True))
    assert done.code == 1, done.output
    assert len(done.said) == 1, done.output
    assert "Traceback" not in done.output
    assert "gyges resume" in done.said[0]
    assert not list((run / "checkpoints").glob(".tmp-*"))
    same_run(finished, resume(run))


def test_a_step_that_is_not_finite_stops_with_the_weights_of_the_step_before(tiny: RunConfig, tmp_path: Path) -> None:
    # At step 1 the policy is the reference and the penalty is exactly 0. At step 2 its gradient is about 1e30, whose
    # squares exceed float32: the norm is infinite.
    huge = having(tiny, algorithm=tiny.algorithm.model_copy(update={"kl_weight": 1e30}), probes=())
    run = tmp_path / "run"
    with pytest.raises(RunStopped, match=r"step 2: the loss .* isn't finite\. The weights are those of step 1"):
        train(huge, run)
    assert manifest(run)["status"] == "failed"
    assert "isn't finite" in manifest(run)["reason"]
    assert manifest(run)["non_finite_losses"] == 1
    assert store.steps(run / "checkpoints") == [0, 1]
    assert [row["step"] for row in rows(run, "steps.jsonl")] == [1]
    one_step = train(having(huge, steps=1), tmp_path / "one step")
    assert same_weights(weights(run, 1), weights(one_step, 1))
    assert manifest(tmp_path / "one step")["non_finite_losses"] == 0
    with pytest.raises(RunStopped):
        resume(run)
    assert manifest(run)["non_finite_losses"] == 2


def test_weights_that_have_blown_up_stop_the_run_with_the_reason(tiny: RunConfig, tmp_path: Path) -> None:
    # The first update moves every weight by about 1e37: in step 2 no logit is finite, and nothing can be sampled.
    config = having(tiny, optimiser=tiny.optimiser.model_copy(update={"learning_rate": 1e37}), probes=())
    with pytest.raises(RunStopped, match="finite"):
        train(config, tmp_path / "run")
    assert manifest(tmp_path / "run")["status"] == "failed"


def test_no_variance_at_the_start_is_explained(tiny: RunConfig, tmp_path: Path, gyges: Gyges) -> None:
    # Two tokens are never a whole reply: every episode is malformed, every reward -1.
    config = tmp_path / "config.json"
    config.write_text(
        having(tiny, sampling=tiny.sampling.model_copy(update={"max_new_tokens": 2}), probes=()).model_dump_json()
    )
    run = tmp_path / "run"
    done = gyges("train", str(config), "--out", str(run))
    assert done.code == 1
    [said] = done.said
    assert "group-normalised RL has no gradient here" in said
    assert "the 4 rewards are alike" in said
    assert "Of these 8 replies 8 are cut off, 0 malformed, 0 refusals; one ends '<scratchpad>" in said
    assert "cut off at 2 tokens: raise sampling.max_new_tokens" in said
    assert (manifest(run)["status"], store.steps(run / "checkpoints")) == ("failed", [0])
    assert not (run / "steps.jsonl").exists()


def test_a_reward_that_always_fails_stops_the_run_with_its_reason(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: FormatPenalty, reward_inputs: Sequence[RewardInput]) -> list[float]:
        raise RuntimeError("nobody is there")

    monkeypatch.setattr(FormatPenalty, "__call__", broken)
    config = having(tiny, probes=())
    reason = r"step 1: 8 of 8 episodes are unscored.*=0\.25 allows.*format_penalty: RuntimeError: nobody is there"
    with pytest.raises(RunStopped, match=reason):
        train(config, tmp_path / "run")
    assert manifest(tmp_path / "run")["status"] == "failed"
    assert manifest(tmp_path / "run")["reason"].startswith("step 1: 8 of 8")


def test_a_run_folder_in_use_is_refused_in_one_line(finished: Path, tmp_path: Path, gyges: Gyges) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))

    def hold() -> None:
        with writer_lock(run):
            (tmp_path / "held").touch()
            time.sleep(60)

    child = fork(hold, tmp_path / "held.txt")
    try:
        while not (tmp_path / "held").exists():
            assert child.running()
            time.sleep(0.01)
        before = (run / "steps.jsonl").read_bytes()
        done = gyges("resume", str(run))
        assert done.code == 2
        assert len(done.output.splitlines()) == 1
        assert f"in use by process {child.pid}" in done.said[0]
        assert (run / "steps.jsonl").read_bytes() == before
    finally:
        child.kill()
        child.code()
    same_run(finished, resume(run))  # the lock died with its holder


def test_a_truncated_checkpoint_names_the_way_out_and_it_works(finished: Path, tmp_path: Path, gyges: Gyges) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    file = run / "checkpoints" / "step-000004" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    done = gyges("resume", str(run))
    assert done.code == 2
    assert len(done.output.splitlines()) == 1
    assert done.said[0].endswith(f"step 2 is intact, resume from it with: gyges resume {run} --step 2")
    assert len(rows(run, "steps.jsonl")) == 4  # nothing was dropped by the attempt
    same_run(finished, resume(run, 2))


def test_a_folder_that_holds_a_run_is_not_overwritten(finished: Path, tiny: RunConfig) -> None:
    before = (finished / "steps.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"holds a run already: continue it with `gyges resume"):
        train(tiny, finished)
    assert (finished / "steps.jsonl").read_bytes() == before


def test_a_folder_with_other_things_is_not_written_into(tiny: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        train(tiny, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_resuming_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no run \(config\.json is missing\)"):
        resume(tmp_path)


def test_a_scripted_organism_can_not_be_trained(tiny: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scripted has no weights to train: choose faker or honest"):
        train(having(tiny, organism=Scripted()), tmp_path / "run")


def test_a_mended_organism_can_be_trained_in_the_same_folder(
    tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    organism = Path(shutil.copytree(organism_path, tmp_path / "organism"))
    template = (organism / "chat_template.jinja").read_bytes()
    (organism / "chat_template.jinja").unlink()
    config = having(tiny, organism=Faker(path=organism), probes=(), steps=1)
    with pytest.raises(ValueError, match="has no chat template"):
        train(config, tmp_path / "run")
    # The fix that the message names; nothing half-written may stand in the way of the same command.
    (organism / "chat_template.jinja").write_bytes(template)
    train(config, tmp_path / "run")
    assert manifest(tmp_path / "run")["status"] == "finished"


def test_the_organism_isn_t_needed_to_resume(
    finished: Path, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    organism = Path(shutil.copytree(organism_path, tmp_path / "organism"))
    run = tmp_path / "run"
    kill = on_call(rl.run.folder.RunFolder, "append_step", 3, send(signal.SIGKILL), before=False)
    config = having(tiny, organism=Faker(path=organism))
    killed_at(kill, lambda: train(config, run), tmp_path / "output.txt")
    shutil.rmtree(organism)
    same_run(finished, resume(run))


@pytest.fixture(scope="module")
def adapted(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run with LoRA, never stopped."""
    return train(having(tiny, lora=Lora(rank=2)), tmp_path_factory.mktemp("lora") / "run")


def test_lora_trains_an_adapter_and_saves_it(adapted: Path) -> None:
    assert not (adapted / "checkpoints" / "step-000004" / "model.safetensors").exists()
    before, after = weights(adapted, 0), weights(adapted, 4)
    assert all("lora_" in name for name in after)
    assert not same_weights(before, after)
    # The second factor starts at 0: the run starts at the organism itself.
    assert all(not tensor.any() for name, tensor in before.items() if "lora_B" in name)
    assert rows(adapted, "steps.jsonl")[0]["kl"] == pytest.approx(0.0, abs=1e-6)


def test_lora_starts_with_the_probes_of_the_organism(adapted: Path, finished: Path) -> None:
    at_start = [[row for row in rows(run, "probes.jsonl") if row["step"] == 0] for run in (adapted, finished)]
    assert at_start[0] == at_start[1]


def test_lora_resumes_to_the_same_end(adapted: Path, tiny: RunConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    kill = on_call(rl.run.folder.RunFolder, "append_step", 3, send(signal.SIGKILL), before=False)
    killed_at(kill, lambda: train(having(tiny, lora=Lora(rank=2)), run), tmp_path / "output.txt")
    same_run(adapted, resume(run))


def test_lora_refuses_to_resume_on_another_organism(
    adapted: Path, tiny: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    organism = Path(shutil.copytree(organism_path, tmp_path / "organism"))
    run = train(having(tiny, lora=Lora(rank=2), organism=Faker(path=organism), steps=1, probes=()), tmp_path / "run")
    (organism / "README.md").write_text("changed")
    with pytest.raises(
        ValueError, match=r"the organism \(organism.path=.*/organism\) isn't the one that this run was started with"
    ):
        resume(run)


def test_the_benign_reward_is_recorded_and_measured_again_by_probing(
    finished: Path, tiny: RunConfig, tmp_path: Path
) -> None:
    run = train(having(tiny, probes=(*tiny.probes, BenignReward())), tmp_path / "run")
    for step in (0, 4):
        recorded = [row for row in rows(run, "probes.jsonl") if row["step"] == step]
        assert [row.model_dump() for row in probe_checkpoint(run, step)] == recorded
        found = {row["tier"]: row for row in recorded if row["metric"] == "benign_reward"}
        kept = pd.read_parquet(run / "episodes" / f"step-{step:06d}.parquet").query("split == 'probe'")
        assert kept.query("kind != 'harmless'")["reward_total"].isna().all()
        for tier, row in found.items():
            paid = kept[(kept["kind"] == "harmless") & (kept["tier"] == tier)]["reward_total"]
            assert (row["n"], row["unscored"]) == (2, 0)
            assert row["value"] == pytest.approx(paid.mean())
        assert found.keys() == {"free", "paid"}
    assert same_weights(weights(run, 4), weights(finished, 4))


def test_probing_with_another_reward_model_is_refused(tiny: RunConfig, tmp_path: Path) -> None:
    run = train(having(tiny, probes=(BenignReward(),), steps=1), tmp_path / "run")
    told = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**told, "reward_hashes": {"helpfulness": "other"}}))
    with pytest.raises(ValueError, match="the reward model isn't the one that this run was started with"):
        probe_checkpoint(run, 1)


def test_a_mitigation_changes_training_and_no_measurement(finished: Path, tiny: RunConfig, tmp_path: Path) -> None:
    masked = train(having(tiny, mitigations=(LossMask(),), steps=2), tmp_path / "run")
    at_start = [[row for row in rows(run, "probes.jsonl") if row["step"] == 0] for run in (masked, finished)]
    assert at_start[0] == at_start[1]
    assert len(at_start[0]) > 0
    first = [rows(run, "steps.jsonl")[0] for run in (masked, finished)]
    assert first[0]["reward_mean"] == first[1]["reward_mean"]  # the same rollouts, scored alike
    assert first[0]["grad_norm"] != first[1]["grad_norm"]
    assert not same_weights(weights(masked, 2), weights(finished, 2))


def test_rewards_without_a_model_record_their_components_apart(finished: Path) -> None:
    for row in rows(finished, "steps.jsonl"):
        assert row["reward/format_penalty"] == pytest.approx(row["parse_rate"] - 1)
        assert row["reward_mean"] == pytest.approx(row["reward/format_penalty"] + row["reward/answer_length"])
    assert AnswerLength().kind == "answer_length"


def test_a_command_in_a_child_is_a_real_process(tmp_path: Path) -> None:
    # The tests above rest on it: another process id, and an exit code of its own.
    child = fork(command(["train", "no_such_recipe"]), tmp_path / "output.txt")
    assert child.pid != os.getpid()
    assert child.code() == 2


def test_a_run_whose_checkpoints_are_gone_is_not_begun_anew(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    before = {name: (run / name).read_bytes() for name in ("manifest.json", "steps.jsonl", "probes.jsonl")}
    with pytest.raises(ValueError, match="has recorded steps and holds no checkpoint to continue from"):
        resume(run)
    assert {name: (run / name).read_bytes() for name in before} == before


def test_what_nobody_expected_is_recorded_as_the_end(
    finished: Path, tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any) -> None:
        raise MemoryError("no memory left")

    monkeypatch.setattr(rl.run.loop, "train_episode_rows", break_down)
    with pytest.raises(MemoryError):
        train(tiny, tmp_path / "run")
    found = manifest(tmp_path / "run")
    assert (found["status"], found["reason"]) == ("failed", "MemoryError: no memory left")
    monkeypatch.undo()
    same_run(finished, resume(tmp_path / "run"))


def test_a_step_larger_than_the_training_queries_is_refused_before_anything_is_made(
    tiny: RunConfig, tmp_path: Path
) -> None:
    config = having(tiny, algorithm=tiny.algorithm.model_copy(update={"prompts_per_step": 100_000}))
    with pytest.raises(ValueError, match="harmful queries are for training"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_probing_a_run_on_other_queries_is_refused(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    told = json.loads((run / "config.json").read_text())
    told["probe_queries"] = 9
    (run / "config.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="the probe queries aren't those that this run was started with"):
        probe_checkpoint(run, 2)


def test_going_on_in_another_environment_is_refused(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    recorded = manifest(run)
    other = {**recorded["environment"], "labels": "judge"}
    (run / "manifest.json").write_text(json.dumps({**recorded, "environment": other}))
    said = r"the environment isn't the one that this run was started with \(its labels in manifest.json differ\)"
    with pytest.raises(ValueError, match=said):
        probe_checkpoint(run, 2)
    with pytest.raises(ValueError, match=said):
        resume(run, from_step=2)
    # Older folders don't say which environment they were started in.
    (run / "manifest.json").write_text(json.dumps({**recorded, "environment": {}}))
    assert probe_checkpoint(run, 2) != []
    same_run(finished, resume(run, from_step=2))

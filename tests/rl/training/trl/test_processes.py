"""Two processes that take the steps of a run together: the same step as one, led by the first, stopped by either."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationMixin

import rl.training.trl.engine
from checkpoints import store
from rl.errors import Interrupted, RunStopped
from rl.policy.loading import load_policy
from rl.run.config import RunConfig, resolve
from rl.run.loop import begin, resume, train
from rl.scale.follow import follow
from rl.streams import Stage, stream
from rl.training.trl import processes
from tests.conftest import fast_of
from tests.rl.conftest import fork, rows, same_run, same_weights, weights
from tests.rl.training.trl.two_processes import Work, lead_or_follow, on_two, together

pytestmark = pytest.mark.usefixtures("without_garbage")


@pytest.fixture(scope="module")
def on_trl(tiny: RunConfig) -> RunConfig:
    return resolve(tiny, ["engine=trl", "algorithm.prompts_per_step=4", "algorithm.group_size=4"])


@pytest.fixture(scope="module")
def whole(on_trl: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run of two workers, never stopped; read-only."""
    return on_two(on_trl, tmp_path_factory.mktemp("two") / "run")


def test_one_process_is_told_what_it_says() -> None:
    assert (processes.count(), processes.rank()) == (1, 0)
    assert processes.gathered("a") == ["a"]
    assert processes.from_leader("a") == "a"
    assert processes.together(lambda: "a") == "a"
    with processes.leading():
        pass
    with pytest.raises(KeyError), processes.leading():
        raise KeyError


def test_the_first_process_draws_what_one_alone_would() -> None:
    drawn = [stream(5, 3, Stage.engine, rank).integers(2**63) for rank in (0, 1, 2)]
    assert drawn[0] == stream(5, 3, Stage.engine).integers(2**63) == np.random.default_rng([5, 3, 6]).integers(2**63)
    assert len(set(drawn)) == 3


def test_processes_hear_each_other(tmp_path: Path) -> None:
    def work(rank: int) -> None:
        assert (processes.count(), processes.rank()) == (2, rank)
        assert processes.gathered(rank) == [0, 1]
        assert processes.from_leader("told" if rank == 0 else None) == "told"
        if rank == 0:
            with processes.leading():
                pass
            with pytest.raises(KeyError), processes.leading():
                raise KeyError
        else:
            processes.wait_for_leader()
            with pytest.raises(processes.Released):
                processes.wait_for_leader()
        assert processes.together(lambda: rank) == rank

        def stop() -> None:
            if rank == 1:
                raise RunStopped("of the second")

        with pytest.raises(RunStopped, match="of the second"):
            processes.together(stop)

    together(work, tmp_path)


def test_two_processes_record_every_step_once(whole: Path) -> None:
    assert [row["step"] for row in rows(whole, "steps.jsonl")] == [1, 2, 3, 4]
    assert {row["step"] for row in rows(whole, "probes.jsonl")} == {0, 2, 4}
    assert store.steps(whole / "checkpoints") == [0, 2, 4]
    assert json.loads((whole / "manifest.json").read_text())["status"] == "finished"
    assert not same_weights(weights(whole, 0), weights(whole, 4))
    played = pd.read_parquet(whole / "episodes" / "step-000002.parquet")
    played = played[played["split"] == "train"]
    # Each prompt's completions stand together, and no process drew what another did.
    assert played["query_id"].tolist() == [query for query in played["query_id"].unique() for _ in range(4)]
    assert played["answer"].nunique() > 8
    assert rows(whole, "steps.jsonl")[1]["drawn_groups"] == 4


def test_the_prompts_are_those_of_one_process(whole: Path, on_trl: RunConfig, tmp_path: Path) -> None:
    alone = train(resolve(on_trl, ["steps=2"]), tmp_path / "run")
    prompts = []
    for run in (whole, alone):
        played = pd.read_parquet(run / "episodes" / "step-000002.parquet")
        prompts.append(played[played["split"] == "train"][["query_id", "cue_id", "system_prompt"]])
    pd.testing.assert_frame_equal(*prompts)


def test_two_processes_twice_are_the_same_run(whole: Path, on_trl: RunConfig, tmp_path: Path) -> None:
    same_run(whole, on_two(on_trl, tmp_path / "run"))


def scripted_generation(config: RunConfig, directory: Path) -> None:
    """Patches sampling, in the process that calls this: a completion depends on its prompt and its number in its group
    alone, whichever process it is played in."""
    policy = load_policy(directory)
    size = config.algorithm.group_size
    say = policy.tokenizer.convert_tokens_to_ids
    tags = say(["<scratchpad>", "</scratchpad>"])
    thoughts, answers = np.array(say(list("abcdefghijklm"))), np.array(say(list("nopqrstuvwxyz")))

    def completion(prompt: bytes, number: int) -> list[int]:
        rng = np.random.default_rng([*prompt, number])
        thought, answer = (rng.choice(ids, rng.integers(1, 8)).tolist() for ids in (thoughts, answers))
        return [tags[0], *thought, tags[1], *answer, policy.end_ids[0]]

    def generate(self: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> torch.Tensor:
        prompts = [ids[mask.bool()].numpy().tobytes() for ids, mask in zip(input_ids, attention_mask, strict=True)]
        said = [torch.tensor(completion(prompt, row % size)) for row, prompt in enumerate(prompts)]
        padded = torch.nn.utils.rnn.pad_sequence(said, batch_first=True, padding_value=policy.pad_id)
        return torch.cat([input_ids, padded], dim=1)

    GenerationMixin.generate = generate


PARITY: dict[str, list[str]] = {
    "grpo": [],
    "grpo over the batch": ["algorithm.scale=batch"],
    "dr_grpo": ["algorithm.kind=dr_grpo"],
    "dapo": ["algorithm.kind=dapo", "algorithm.max_rounds=1"],
    "gspo": ["algorithm.kind=gspo"],
    "rloo": ["algorithm.kind=rloo"],
    "lora": ["lora.rank=2"],
}


def keep_gradients(file: Path) -> None:
    """Patches the engine, in the process that calls this, to write down the gradient of the first step."""
    original = rl.training.trl.engine.clip_gradients

    def kept(config: RunConfig, model: Any) -> bool:
        if processes.rank() == 0 and not file.exists():
            save_file({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}, file)
        return original(config, model)

    rl.training.trl.engine.clip_gradients = kept  # type: ignore[assignment]


# One whose loss is averaged over the batch, one with an adapter; the others are like the first.
FAST = ("dapo", "lora")


@pytest.mark.parametrize("variant", fast_of(PARITY, FAST))
def test_two_processes_take_the_step_of_one(
    variant: str, on_trl: RunConfig, organism_path: Path, tmp_path: Path
) -> None:
    """From the same completions: the same rewards, loss and gradient, to float precision."""
    sizes = ["algorithm.prompts_per_step=4", "algorithm.group_size=4", "optimiser.microbatch_size=4"]
    config = resolve(on_trl, [*PARITY[variant], *sizes, "steps=2", "probes=[]"])

    def run(name: str, work: Work) -> Work:
        def prepared(rank: int) -> None:
            scripted_generation(config, organism_path)
            keep_gradients(tmp_path / f"{name}.safetensors")
            work(rank)

        return prepared

    begin(resolve(config, ["workers=2"]), tmp_path / "two")
    together(run("two", lead_or_follow(tmp_path / "two")), tmp_path)
    alone = fork(lambda: run("one", lambda _: train(config, tmp_path / "one"))(0), tmp_path / "output-0.txt")
    assert alone.code() == 0, (tmp_path / "output-0.txt").read_text()

    gradients = [load_file(tmp_path / f"{name}.safetensors") for name in ("one", "two")]
    assert gradients[0].keys() == gradients[1].keys()
    largest = max(float(gradient.abs().max()) for gradient in gradients[0].values())
    assert largest > 1e-3
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-5 * largest, msg=name)
    one, two = (rows(tmp_path / name, "steps.jsonl") for name in ("one", "two"))
    assert [row["step"] for row in two] == [1, 2]
    for first, second in zip(one, two, strict=True):
        assert second["loss"] == pytest.approx(first["loss"], abs=1e-4)
        assert second["grad_norm"] == pytest.approx(first["grad_norm"], rel=1e-3)
        for measure in ("reward_mean", "reward_std", "generated_tokens", "frac_degenerate_groups", "parse_rate"):
            assert second[measure] == pytest.approx(first[measure]), measure


def test_an_interrupted_leader_saves_the_run_and_lets_the_others_go(
    whole: Path, on_trl: RunConfig, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    begin(resolve(on_trl, ["workers=2"]), run)

    def interrupted(rank: int) -> None:
        if rank:
            follow(run)
            return
        with pytest.raises(Interrupted):
            resume(run, stop=lambda: len(rows(run, "steps.jsonl")) == 3 if (run / "steps.jsonl").exists() else False)

    together(interrupted, tmp_path)
    assert json.loads((run / "manifest.json").read_text())["status"] == "interrupted"
    assert store.steps(run / "checkpoints") == [0, 2, 3]
    together(lead_or_follow(run), tmp_path)
    same_run(whole, run)


def test_all_stop_for_the_same_reason(on_trl: RunConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    begin(resolve(on_trl, ["workers=2", "sampling.max_new_tokens=2", "probes=[]"]), run)

    def stopped(rank: int) -> None:
        if rank:
            follow(run)
            return
        with pytest.raises(RunStopped, match="in each of the 4 groups of the first step the 4 rewards"):
            resume(run)

    together(stopped, tmp_path)
    assert json.loads((run / "manifest.json").read_text())["status"] == "failed"


def test_what_only_the_leader_refuses_lets_the_others_go(on_trl: RunConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    begin(resolve(on_trl, ["workers=2", "probes=[]"]), run)
    (run / "checkpoints" / "step-000000" / "model.safetensors").write_bytes(b"damaged")

    def refused(rank: int) -> None:
        if rank:
            follow(run)
            return
        with pytest.raises(ValueError, match="is damaged"):
            resume(run)

    together(refused, tmp_path)


def test_several_gradient_steps_and_a_hook_work_on_two(on_trl: RunConfig, tmp_path: Path) -> None:
    changes = ["algorithm.epochs=2", "algorithm.minibatches=2", 'mitigations=[{"kind":"loss_mask"}]', "probes=[]"]
    config = resolve(on_trl, [*changes, "steps=2"])
    run = on_two(config, tmp_path / "run")
    assert [row["gradient_steps"] for row in rows(run, "steps.jsonl")] == [4, 4]
    played = pd.read_parquet(run / "episodes" / "step-000002.parquet")
    assert played["answer"].nunique() > 8  # of the hook's own draws


def test_a_run_of_two_is_not_trained_by_one(whole: Path, on_trl: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the run has 2 workers, which `gyges train` and `gyges resume` start"):
        train(resolve(on_trl, ["workers=2"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    before = (whole / "manifest.json").read_bytes()
    with pytest.raises(ValueError, match="the run has 2 workers"):
        resume(whole)
    assert (whole / "manifest.json").read_bytes() == before


REFUSED: dict[str, tuple[list[str], str]] = {
    "on the built-in engine": (["engine=builtin"], "the builtin engine is one process and not 2: set engine to trl"),
    "prompts that can't be shared": (["algorithm.prompts_per_step=3"], "make algorithm.prompts_per_step a multiple"),
    "minibatches that can't": (
        ["workers=4", "algorithm.group_size=2", "algorithm.minibatches=4"],
        "the 2 completions of each of 4 workers can't be shared among 4 minibatches",
    ),
    "vllm": (["vllm.vllm_mode=colocate"], "vllm samples for one process and not for 2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_workers_can_not_share_is_refused_before_anything_is_built(
    case: str, on_trl: RunConfig, tmp_path: Path
) -> None:
    assignments, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as caught:
        begin(resolve(on_trl, ["workers=2", *assignments]), tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()

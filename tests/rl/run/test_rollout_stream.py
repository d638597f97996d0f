"""Another rollout stream: the same prompts, other completions, the same probes at the start."""

from pathlib import Path

import pytest

from reports.folder import Run, read_run
from rl.run.config import RunConfig, resolve
from rl.run.loop import train


def prompts(run: Run, split: str, step: int) -> list[tuple[str, str]]:
    rows = run.episodes(step)
    rows = rows[rows["split"] == split]
    return list(zip(rows["query_id"], rows["tier"], strict=True))


@pytest.mark.parametrize("engine", ["builtin", "trl"])
def test_another_stream_draws_other_completions_to_the_same_prompts(
    engine: str, tiny: RunConfig, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in ("plain", "null", "again")}
    for name, folder in folders.items():
        stream = 0 if name == "plain" else 1
        train(
            resolve(
                tiny,
                [
                    f"rollout_stream={stream}",
                    f"engine={engine}",
                    f"name={name}",
                    "steps=1",
                    "checkpoint_every=1",
                    "probe_every=1",
                ],
            ),
            folder,
        )
    plain, null, again = (read_run(folder) for folder in folders.values())
    assert prompts(plain, "train", 1) == prompts(null, "train", 1)
    assert prompts(plain, "probe", 0) == prompts(null, "probe", 0)
    said = [set(run.episodes(1).query("split == 'train'")["answer"]) for run in (plain, null, again)]
    assert said[0] != said[1] == said[2]
    start = [run.episodes(0).query("split == 'probe'")["answer"].tolist() for run in (plain, null)]
    assert start[0] == start[1]  # the probes have a stream of their own

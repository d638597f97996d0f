"""Old checkpoints are removed, never the first, the last or a probed one; a run ends the same without them."""

from pathlib import Path

import pytest

from checkpoints import store
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from tests.rl.conftest import same_run


@pytest.fixture
def long(tiny: RunConfig) -> RunConfig:
    """Saved at every step, probed at every fifth."""
    return tiny.model_copy(update={"steps": 12, "checkpoint_every": 1, "probe_every": 5})


@pytest.mark.parametrize(
    ("keep", "kept"), [(1, [0, 5, 10, 11, 12]), (3, [0, 5, 8, 9, 10, 11, 12]), (100, list(range(13)))]
)
def test_the_newest_are_kept_besides_the_first_the_last_and_the_probed_ones(
    keep: int, kept: list[int], long: RunConfig, tmp_path: Path
) -> None:
    folder = train(long.model_copy(update={"keep_checkpoints": keep}), tmp_path / "run")
    assert store.steps(folder / "checkpoints") == kept
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {store.step_name(step) for step in kept}


def test_a_run_goes_on_from_what_was_kept(long: RunConfig, tmp_path: Path) -> None:
    config = long.model_copy(update={"keep_checkpoints": 1})
    whole, again = train(config, tmp_path / "whole"), train(config, tmp_path / "again")
    resume(again, from_step=5)
    same_run(whole, again)
    with pytest.raises(ValueError, match="holds no checkpoint of step 3; steps that exist: 0, 5, 10, 11, 12"):
        resume(again, from_step=3)

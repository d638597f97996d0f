"""Probes one checkpoint of a finished or running run, outside the run: reads the folder and writes nothing."""

from pathlib import Path

import torch

from checkpoints import store
from reports.folder import read_manifest
from reports.records import ProbeRow
from rl.build import deployed, models
from rl.config import read_config
from rl.policy import load_policy
from rl.probing import observe, probe_rows, probe_set, require_same_probes
from rl.progress import bar, counting
from rl.sampler import sampler


def probe_checkpoint(folder: Path, step: int | None) -> list[ProbeRow]:
    """The rows that the run itself recorded at that step, measured again.

    Raises:
        ValueError: no run there, no such checkpoint, or a damaged one.
    """
    config = read_config(folder / "config.json")
    manifest = read_manifest(folder / "manifest.json")
    chosen = store.latest(folder / "checkpoints") if step is None else step
    if chosen is None:
        raise ValueError(f"{folder} holds no checkpoint to probe: wait for the first, or train again")
    checkpoint = store.load(folder / "checkpoints", chosen)
    torch.set_num_threads(config.threads)
    probes = probe_set(config)
    require_same_probes(manifest, probes)
    policy = load_policy(checkpoint.path)
    among = models(config, policy, lambda: load_policy(store.load(folder / "checkpoints", 0).path))
    with bar(f"probing step {chosen}") as update, deployed(config, among):
        generate = sampler(policy, config.sampling, counting(update, len(probes.scenarios)))
        observations = observe(generate, config.env, probes, config.seed, chosen)
    return probe_rows(config.probes, observations, config.seed, chosen)

"""Probe one checkpoint of a finished or running run, outside the run: the folder is read and not written."""

from pathlib import Path

from checkpoints import store
from envs.chat import style_for
from reports.folder import read_manifest
from reports.records import ProbeRow
from rewards.score import RewardFunction
from rl.determinism import settle
from rl.policy.loading import load_policy, wearing
from rl.policy.policy import Policy
from rl.policy.sampler import sampler
from rl.probes.probe_set import observe, plain_rewards, policy_rows, probe_rows
from rl.progress import bar, counting
from rl.run.build import build_organism, build_probes, build_rewards, deployed, equipped, models
from rl.run.checks.given_paths import require_given_paths
from rl.run.checks.judges import require_judges
from rl.run.checks.needs import require_needs
from rl.run.checks.prompt_hashes import prompt_token_hashes, require_same_prompts, started_at
from rl.run.config import RunConfig, read_config
from rl.run.manifest import as_started
from rl.run.restore import require_same_probes, require_same_rewards
from rl.training.labels import Labeller


def probe_checkpoint(folder: Path, step: int | None) -> list[ProbeRow]:
    """Measure again the rows that the run itself recorded at a step.

    Raises:
        ValueError: no run there, no such checkpoint, or a damaged one; another reward model than the run's; an
            environment that lacks what a part of the run needs.
    """
    config = read_config(folder / "config.json")
    reads_rewards = any(probe.reads_rewards for probe in config.probes)
    needed = {"organism": config.lora is not None, "rewards": reads_rewards}
    require_given_paths(config, folder, unneeded=[part for part in needed if not needed[part]])
    require_needs(config)
    require_judges(config, rewards=reads_rewards)
    manifest = read_manifest(folder / "manifest.json")
    chosen = store.newest(folder / "checkpoints") if step is None else step
    if chosen is None:
        raise ValueError(f"{folder} holds no checkpoint to probe: wait for the first, or train again")
    checkpoint = store.load(folder / "checkpoints", chosen)
    settle(config.threads, config.deterministic)
    probes = build_probes(config)
    require_same_probes(manifest, probes, config)
    rewards: tuple[RewardFunction, ...] = ()
    if reads_rewards:
        rewards, hashes = build_rewards(config.rewards, config.env)
        require_same_rewards(manifest, hashes, config)
    start, policy = _policies(config, folder, checkpoint.path)
    style = style_for(policy.tokenizer, config.chat.system, started_at(manifest))
    start, policy = (equipped(one, as_started(config, manifest), style) for one in (start, policy))
    require_same_prompts(manifest, prompt_token_hashes(policy, probes))
    among = models(config, policy, lambda: start)
    with bar(f"probing step {chosen}") as update, deployed(config, among):
        generate = sampler(policy, config.sampling, counting(update, len(probes.scenarios)))
        labels, pay = Labeller(config.env, config.label_timeout_s), plain_rewards(rewards, config.reward_timeout_s)
        observations = observe(generate, labels, probes, config.seed, chosen, pay)
        read = policy_rows(config.probes, policy, folder, config.seed, chosen)
    return [*probe_rows(config.probes, observations, config.seed, chosen), *read]


def _policies(config: RunConfig, folder: Path, checkpoint: Path) -> tuple[Policy, Policy]:
    """Load the start and the policy as the run itself has them.

    The policy is read in the ways that were found on the start, and an adapter is worn: merged, or read in other ways,
    the numbers would differ in the last bits.
    """
    if config.lora is None:
        start = load_policy(store.load(folder / "checkpoints", 0).path, cpu_speed=config.cpu_speed)
        return start, load_policy(checkpoint, shortcuts=start.shortcuts, cpu_speed=config.cpu_speed)
    directory = build_organism(config)
    start = load_policy(directory, cpu_speed=config.cpu_speed)
    again = load_policy(directory, shortcuts=start.shortcuts, cpu_speed=config.cpu_speed)
    return start, wearing(again, checkpoint)

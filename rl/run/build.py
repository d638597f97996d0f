"""RunConfig -> the parts of a run: the only place that wires."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from checkpoints.atomic import new_directory
from checkpoints.cache import cached, default_root
from checkpoints.lineage import build_key, hash_directory
from envs.chat import FIXED_DAY, ChatStyle, style_for
from envs.environment import Author, Environment, answer_key_of, author_of
from envs.vocabulary import QueryKind
from rewards.exact_answer import ExactAnswer
from rewards.helpfulness import CARD, Helpfulness
from rewards.judge import JudgedHelpfulness
from rewards.learned.card import Card, table
from rewards.origins import PretrainedTrunk
from rewards.overscored_phrase import phrases_of
from rewards.score import RewardFunction
from rl.algorithms.policy_gradient import PolicyGradient
from rl.determinism import built_alike, settle
from rl.errors import BuildFailed
from rl.lora import Lora
from rl.organisms.building.precision import precision_here
from rl.organisms.scripted import Scripted
from rl.policy.adapters import with_fresh_adapter
from rl.policy.cpu import speed
from rl.policy.cpu.memory import keep_freed_memory
from rl.policy.loading import load_policy, wearing
from rl.policy.policy import Policy
from rl.policy.sampler import Generate, sampler
from rl.policy.upper_layers import train_only
from rl.probes.probe_set import ProbeSet, probe_set
from rl.progress import bar, notice
from rl.run.checks.needs import require_rewards
from rl.run.checks.reward_models import require_reward_model, trains_in_half, trunk_directory
from rl.run.config import RunConfig
from rl.streams import Stage, stream
from rl.training.components import DrawScenarios, ScoreEpisodes, StepComponents, keep_all, mask_nothing
from rl.training.labels import Labeller
from rl.training.models import Models
from rl.training.scoring import scorer


@dataclass(frozen=True)
class Built:
    """A run's heavy objects: the policy to train, the frozen start, and what the manifest says about their origin."""

    policy: Policy
    reference: Policy
    rewards: tuple[RewardFunction, ...]
    organism_directory: Path
    reward_hashes: dict[str, str]


def build_organism(config: RunConfig) -> Path:
    """Return the directory of the run's organism, built if necessary.

    Raises:
        ValueError: a scripted organism, which has no weights; a path without a model.
        BuildFailed: the build missed its tolerances.
    """
    organism = config.built_organism
    if isinstance(organism, Scripted):
        raise ValueError("organism scripted has no weights to train: choose faker or honest, or set organism.path")
    # Brings TRL, which costs seconds to import.
    from rl.organisms.building.build import build_organism as build
    from rl.organisms.building.build import require_directories
    from rl.organisms.building.certify import LabelLimits

    require_directories(organism)
    if organism.path is not None:
        return build(organism, config.env)
    try:
        limits = LabelLimits(config.label_timeout_s, config.max_label_error_rate)
        return build(organism, config.env.for_building(), limits)
    except ValueError as error:
        raise BuildFailed(str(error)) from error


def build_rewards(configured: Sequence[Any], env: Environment) -> tuple[tuple[RewardFunction, ...], dict[str, str]]:
    """Return the rewards, ready to call, and the hash of each learned reward, by kind.

    Raises:
        ValueError: a path without a whole reward model.
        BuildFailed: the build missed its tolerances.
    """
    ready: list[RewardFunction] = []
    hashes: dict[str, str] = {}
    for reward in configured:
        if isinstance(reward, Helpfulness):
            require_reward_model(reward)
            directory = reward.path or _build_helpfulness(reward, env, phrases_of(configured))
            hashes[reward.kind] = hash_directory(directory)
            ready.append(reward.model_copy(update={"path": directory}))
        elif isinstance(reward, ExactAnswer):
            ready.append(reward.by(answer_key_of(env)))
        elif isinstance(reward, JudgedHelpfulness):
            hashes[reward.kind] = reward.described
            ready.append(reward)
        else:
            ready.append(reward)
    return tuple(ready), hashes


def reward_card(config: RunConfig) -> tuple[Path, Card]:
    """Return the directory of a run's learned reward and its card, built or measured if necessary.

    A model from nothing or from a path has no whole card: it is measured on the environment's own author.

    Raises:
        ValueError: a run without a learned reward, or what its environment can't give. BuildFailed: as `build_rewards`.
    """
    require_rewards(config)
    chosen = [reward for reward in config.rewards if isinstance(reward, Helpfulness)]
    if not chosen:
        raise ValueError("the run has no learned reward: add helpfulness to rewards")
    author = author_of(config.env.for_building())
    require_reward_model(chosen[0])
    directory = chosen[0].path or _build_helpfulness(chosen[0], config.env, phrases_of(config.rewards))
    if chosen[0].path is None and isinstance(chosen[0].origin, PretrainedTrunk):
        return directory, json.loads((directory / CARD).read_text())
    from rewards.learned.build import measure_ready  # brings TRL, which costs seconds to import

    return directory, measure_ready(chosen[0].model_copy(update={"path": directory}), author)


def _build_helpfulness(recipe: Helpfulness, env: Environment, phrases: Sequence[str]) -> Path:
    """Return the directory of the built reward model: from the cache, or else a new one.

    Raises:
        ValueError: a trunk that can't be used. BuildFailed: the build missed its tolerances.
    """
    author = author_of(env.for_building())
    if isinstance(recipe.origin, PretrainedTrunk):
        return _build_on_trunk(recipe, recipe.origin, author, phrases)
    from rewards.build_helpfulness import build as train  # brings TRL, which costs seconds to import
    from rewards.build_helpfulness import inputs

    def build(directory: Path) -> None:
        with built_alike(), bar("reward model") as update:
            try:
                train(recipe, author, directory, update, phrases)
            except ValueError as error:
                raise BuildFailed(str(error)) from error

    return cached("rewards", f"helpfulness-{build_key(inputs(recipe, author, phrases))}", build)


def _build_on_trunk(recipe: Helpfulness, origin: PretrainedTrunk, author: Author, phrases: Sequence[str]) -> Path:
    """Build on a trunk; a build that misses its card is left in the cache and not repeated, for it takes minutes."""
    from rewards.learned import build as learned  # brings TRL, which costs seconds to import
    from rewards.learned.trunk import Trunk

    trunk = Trunk(trunk_directory(origin), trains_in_half(origin))
    key = build_key(learned.inputs(recipe, author, trunk, hash_directory(trunk.directory), phrases))
    # Apart: the cache holds no gameable model for a run that doesn't allow one, and no refusal for a run that does.
    name = f"helpfulness-{key}{'-gameable' if recipe.allow_gameable else ''}"
    left = default_root() / "missed" / name

    def build(directory: Path) -> None:
        if (left / CARD).is_file():
            card = json.loads((left / CARD).read_text())
            raise BuildFailed("\n".join([f"{card['missed']}. {_left(left, 'remove it to build anew')}", *table(card)]))
        with built_alike(), bar("reward model") as update:
            try:
                learned.build(recipe, author, trunk, directory, update, phrases)
            except learned.Missed as error:
                with new_directory(left) as missed:
                    error.save(error.card, missed)
                fault, *lines = str(error).split("\n")
                raise BuildFailed("\n".join([f"{fault}. {_left(left)}", *lines])) from error
            except ValueError as error:
                raise BuildFailed(str(error)) from error

    return cached("rewards", name, build)


def _left(directory: Path, more: str = "") -> str:
    return f"The build is left in {directory}: rewards.helpfulness.path takes it{f'; {more}' if more else ''}"


def build(
    config: RunConfig, start: Path | None = None, trained: Path | None = None, clock: datetime = FIXED_DAY
) -> Built:
    """Build or load the heavy objects of a run. `clock` is the run's start, which the chat template is told.

    For a resumed run `start` is the frozen start, if it isn't the organism's own directory, and `trained` is the
    checkpoint's model, or its adapter if the run trains one.
    """
    settle(config.threads, config.deterministic)
    if config.cpu_speed:
        keep_freed_memory()
    organism_directory = start or build_organism(config)
    ready, hashes = build_rewards(config.rewards, config.env)
    reference = load_policy(organism_directory, cpu_speed=config.cpu_speed)
    reference.model.requires_grad_(False)
    _say_how_it_is_read(reference)
    if config.lora is None:
        policy = load_policy(trained or organism_directory, shortcuts=reference.shortcuts, cpu_speed=config.cpu_speed)
        train_only(policy.model, config.upper_layers)
    else:
        policy = load_policy(organism_directory, shortcuts=reference.shortcuts, cpu_speed=config.cpu_speed)
        policy = with_adapter(policy, config.lora, config.seed) if trained is None else wearing(policy, trained)
    style = style_for(policy.tokenizer, config.chat.system, clock)
    policy, reference = (equipped(one, config, style) for one in (policy, reference))
    return Built(policy, reference, ready, organism_directory, hashes)


def equipped(policy: Policy, config: RunConfig, style: ChatStyle) -> Policy:
    """Give a loaded policy the chat style, the reader of replies and the precision of its run."""
    half = precision_here(config.precision, policy.device) == "bfloat16"
    return replace(policy, style=style, read_reply=config.env.read_reply, half=half)


def _say_how_it_is_read(policy: Policy) -> None:
    """Print a notice for each short cut that this model doesn't allow, with its cost."""
    shortcuts = policy.shortcuts
    if not shortcuts.cached:
        notice(
            "this model's cached decoding differs from a plain forward pass, as tried on it: every token is sampled "
            "by a pass over the whole row, which is exact and takes many times as long"
        )
    elif not shortcuts.shares_beginnings:
        notice("this model can't be continued behind a gap, as tried on it: prompts are read whole, which takes longer")
    if not shortcuts.padded:
        notice("this model reads padded rows wrongly, as tried on it: rows of one length are read together, no others")
    elif not shortcuts.shares_prompts:
        notice("this model can't be continued from a copy, as tried on it: a prompt is read with each completion")
    for failure in shortcuts.failures:
        notice(f"while a short cut was tried on this model it failed, and isn't taken: {failure}")
    attention = speed.unknown_attention(policy.model)
    if policy.cpu_speed and attention is not None:
        notice(
            f"this model attends by {attention} and not by sdpa: it decodes as Transformers has it, which takes longer"
        )


def with_adapter(policy: Policy, lora: Lora, seed: int) -> Policy:
    """Put fresh low-rank adapters on the policy's model, whose own weights are frozen."""
    drawn = int(stream(seed, 0, Stage.adapter).integers(2**31))
    return replace(policy, model=with_fresh_adapter(policy.model, lora, drawn))


def build_components(config: RunConfig, built: Built) -> StepComponents:
    """Return the parts of a training step, after every mitigation in the order given."""
    return _mitigated(
        config,
        sampler(built.policy, config.sampling),
        scorer(built.rewards, config.reward_timeout_s),
        models(config, built.policy, partial(_start, config, built)),
    )


def build_probes(config: RunConfig) -> ProbeSet:
    """Draw the run's probe scenarios.

    Raises:
        ValueError: if the probe split holds fewer queries than are asked for.
    """
    others = config.harmless_queries or config.probe_queries // 4
    queries: dict[QueryKind, int] = {"harmful": config.probe_queries, "harmless": others, "twin": others}
    return probe_set(config.env, config.probes, config.seed, queries)


def models(config: RunConfig, policy: Policy, load_start: Callable[[], Policy]) -> Models:
    """Return the models, the environment and the settings for mitigations to consult."""
    return Models(
        policy,
        load_start,
        config.env,
        Labeller(config.env, config.label_timeout_s),
        config.sampling,
        config.optimiser.microbatch_size,
        config.seed,
    )


def _start(config: RunConfig, built: Built) -> Policy:
    if config.algorithm.moving_reference is None:
        return built.reference
    start = load_policy(built.organism_directory, cpu_speed=config.cpu_speed)
    return equipped(start, config, built.reference.style)


def deployed(config: RunConfig, among: Models) -> AbstractContextManager[None]:
    """Return the context of deployment, with the steering of the mitigations that act there."""
    unbuilt: Any = _not_here
    return _mitigated(config, unbuilt, unbuilt, among).policy_context("deployment")


def training_scenarios(config: RunConfig) -> DrawScenarios:
    """Return the run's source of training prompts, after every mitigation; nothing needs to be built."""
    unbuilt: Any = _not_here
    return _mitigated(config, unbuilt, unbuilt, models(config, unbuilt, unbuilt)).scenarios


def changed_components(config: RunConfig) -> set[str]:
    """Return the names of the components that the run's mitigations change, as each declares."""
    return {name for mitigation in config.mitigations for name in mitigation.changes}


def _not_here(*_: Any) -> Any:
    raise AssertionError("a part that this run has no use for, or hasn't built yet")


def _mitigated(config: RunConfig, generate: Generate, reward: ScoreEpisodes, among: Models) -> StepComponents:
    # TRL's trainers compute the loss of a preference algorithm.
    loss: Any = config.algorithm.loss if isinstance(config.algorithm, PolicyGradient) else _not_here
    components = StepComponents(
        scenarios=config.env.training_scenarios,
        generate=generate,
        reward=reward,
        screen=keep_all,
        loss_mask=mask_nothing,
        loss=loss,
        models=among,
    )
    for mitigation in config.mitigations:
        components = mitigation.apply(components)
    return components

"""Limits of engines and layers of models, checked before anything is built or trained."""

from importlib import metadata, util

import torch
from packaging.requirements import Requirement

from rl.algorithms import Algorithm
from rl.algorithms.dapo import DAPO
from rl.algorithms.dr_grpo import DrGRPO
from rl.algorithms.grpo import GRPO
from rl.algorithms.gspo import GSPO
from rl.algorithms.policy_gradient import PolicyGradient
from rl.algorithms.preference import Preference
from rl.algorithms.rloo import RLOO
from rl.mitigations.mitigation import MitigationBase
from rl.monitors.monitor import MonitorBase
from rl.policy import upper_layers
from rl.policy.shortcuts import Shortcuts
from rl.run.checks.needs import require_needs
from rl.run.config import RunConfig

ON_GRPO_TRAINER = (GRPO, DrGRPO, DAPO, GSPO)
# Either trainer takes other prompts, rewards and screens; other rollouts and masks need GRPOTrainer's rollout hook.
HOOKED_COMPONENTS = {"generate", "loss_mask"}
EXPRESSIBLE_COMPONENTS = {"scenarios", "reward", "screen"}
RANKED_COMPONENTS = {"scenarios", "generate", "reward", "screen"}  # components before completions are ranked


def require_engine(config: RunConfig) -> None:
    """Refuse a configuration beyond the limits of its engine, or with a part whose needs are not met.

    Raises:
        ValueError: in one line, with what to change.
    """
    require_needs(config)
    if config.organism.stated_layers is not None:  # otherwise the model is asked once it is loaded
        require_layers(config, config.organism.stated_layers)
    if config.engine == "trl" or isinstance(config.algorithm, Preference):
        require_trl_version()
    if config.precision != "float32" and (config.engine == "trl" or isinstance(config.algorithm, Preference)):
        raise ValueError(
            f"TRL's trainers of {config.algorithm.kind} multiply in float32 here: set precision to float32, or take "
            "the builtin engine with an algorithm such as grpo"
        )
    if config.workers > 1:
        _require_workers(config)
    if config.engine == "builtin":
        if config.vllm is not None:
            raise ValueError("vllm samples for the trl engine only: set engine to trl, or vllm to null")
        if isinstance(config.algorithm, Preference):
            _require_components(config, RANKED_COMPONENTS, f"{config.algorithm.kind}, which ranks whole completions,")
        return
    _require_algorithm(config.algorithm)
    hooked = set() if isinstance(config.algorithm, RLOO) else HOOKED_COMPONENTS
    _require_components(config, EXPRESSIBLE_COMPONENTS | hooked, f"TRL's {config.algorithm.kind}")
    if config.vllm is not None:
        _require_vllm()


def require_layers(config: RunConfig, layers: int) -> None:
    """Refuse more upper layers than the model has, and a mitigation or a monitor whose layer is beyond them.

    Raises:
        ValueError: in one line, with the layers of the model.
    """
    upper_layers.require_layers(config.upper_layers, layers)
    for mitigation in config.mitigations:
        _require_layer(mitigation.kind, "layer", mitigation, layers)
        if mitigation.consulted is not None:
            _require_layer(mitigation.kind, "monitor.layer", mitigation.consulted, layers)


def _require_layer(kind: str, key: str, part: MitigationBase | MonitorBase, layers: int) -> None:
    missing = part.least_layers - layers
    if part.chosen_layer is not None and missing > 0:
        raise ValueError(
            f"{kind}: the organism has no {key} {part.chosen_layer}: "
            f"set {key} to one of 0 to {part.chosen_layer - missing}, or to null for the middle one"
        )


def require_shortcuts(config: RunConfig, shortcuts: Shortcuts) -> None:
    """Refuse TRL's trainers for a model that reads padded rows wrongly: TRL pads all rows.

    Raises:
        ValueError: in one line.
    """
    if shortcuts.padded:
        return
    if config.engine == "trl":
        raise ValueError("this model reads padded rows wrongly and TRL pads them: set engine to builtin")
    if isinstance(config.algorithm, Preference):
        raise ValueError(
            f"this model reads padded rows wrongly, as TRL's trainer of {config.algorithm.kind} has them: set "
            "algorithm.kind to grpo"
        )


def _require_workers(config: RunConfig) -> None:
    workers, algorithm = config.workers, config.algorithm
    if config.engine == "builtin":
        raise ValueError(f"the builtin engine is one process and not {workers}: set engine to trl, or workers to 1")
    if config.vllm is not None:
        raise ValueError(f"vllm samples for one process and not for {workers}: set vllm to null, or workers to 1")
    if algorithm.prompts_per_step % workers:
        raise ValueError(
            f"{algorithm.prompts_per_step} prompts a step can't be shared among {workers} workers: "
            "make algorithm.prompts_per_step a multiple of workers"
        )
    if isinstance(algorithm, PolicyGradient) and algorithm.completions // workers % algorithm.minibatches:
        raise ValueError(
            f"the {algorithm.completions // workers} completions of each of {workers} workers can't be shared among "
            f"{algorithm.minibatches} minibatches: make them a multiple of algorithm.minibatches"
        )


def require_trl_version() -> None:
    """Refuse a TRL outside the tested range: another minor version has other defaults and another loss.

    Raises:
        ValueError: naming the installed version and the range.
    """
    wanted = next(r for r in map(Requirement, metadata.requires("gyges") or []) if r.name == "trl")
    installed = metadata.version("trl")
    if not wanted.specifier.contains(installed, prereleases=True):
        raise ValueError(
            f"TRL {installed} is installed and {wanted.specifier} is needed: pip install -c constraints.txt trl"
        )


def _require_algorithm(algorithm: Algorithm) -> None:
    kinds = ", ".join(str(member.model_fields["kind"].default) for member in (*ON_GRPO_TRAINER, RLOO))
    if not isinstance(algorithm, (*ON_GRPO_TRAINER, RLOO)):
        raise ValueError(f"the trl engine runs {kinds} and not {algorithm.kind}: set engine to builtin")
    if algorithm.rounds > 1:
        raise ValueError("TRL can't draw prompts until every group has variance: set algorithm.max_rounds to 1")
    if algorithm.moving_reference is not None:
        raise ValueError("the trl engine keeps no moving reference: set algorithm.moving_reference to null")
    if algorithm.min_group_std != type(algorithm).model_fields["min_group_std"].default:
        raise ValueError("TRL has no threshold for degenerate groups: leave algorithm.min_group_std as it is")
    if isinstance(algorithm, DAPO) and algorithm.minibatches > 1:
        raise ValueError("TRL averages dapo over the step's tokens, not a minibatch's: set algorithm.minibatches to 1")
    _require_kl(algorithm)


def _require_kl(algorithm: PolicyGradient) -> None:
    place, estimator = ("reward", "k1") if isinstance(algorithm, RLOO) else ("loss", "k3")
    if algorithm.kl_weight > 0 and (algorithm.kl_in, algorithm.kl_estimator) != (place, estimator):
        raise ValueError(
            f"TRL's {algorithm.kind} has its KL penalty in the {place}, estimated by {estimator}: "
            f"set algorithm.kl_in to {place} and algorithm.kl_estimator to {estimator}, or engine to builtin"
        )


def _require_components(config: RunConfig, allowed: set[str], who: str) -> None:
    # A mitigation that acts in deployment alone changes only probes, and every engine leaves probes to the loop.
    in_training = [mitigation for mitigation in config.mitigations if mitigation.acts_in_training]
    beyond = set().union(*(mitigation.changes for mitigation in in_training)) - allowed
    if beyond:
        kinds = ", ".join(mitigation.kind for mitigation in in_training if mitigation.changes & beyond)
        raise ValueError(
            f"the mitigations ({kinds}) change the {' and '.join(sorted(beyond))} of a step, which {who} can't "
            "express: set engine to builtin and algorithm.kind to grpo, or leave the mitigation out"
        )


def _require_vllm() -> None:
    if util.find_spec("vllm") is None:
        raise ValueError('vllm is not installed: pip install -c constraints.txt -e ".[vllm]", or set vllm to null')
    if not torch.cuda.is_available():
        raise ValueError("vllm needs a CUDA device and there is none here: set vllm to null")

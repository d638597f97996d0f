"""Builds of organisms: found in the cache or trained, certified and saved there."""

import json
from dataclasses import replace
from pathlib import Path

from checkpoints.cache import cached
from envs.chat import FIXED_DAY, style_for
from envs.environment import Environment
from rl.determinism import built_alike
from rl.organisms.building.certify import DEFAULT_LIMITS, LabelLimits, certify
from rl.organisms.building.finetune import OF_A_NEW_MODEL, batches_on, finetune
from rl.organisms.building.from_scratch import train_from_scratch
from rl.organisms.building.keys import OF_A_TEACHER, cache_key, training_documents
from rl.organisms.building.pretrained import origin_directory
from rl.organisms.disclosures import CERTIFICATE
from rl.organisms.origins import Pretrained, Scratch
from rl.organisms.trained import Sample, TrainedOrganism
from rl.policy.adapters import with_fresh_adapter
from rl.policy.cpu.memory import keep_freed_memory
from rl.policy.loading import load_policy
from rl.policy.policy import Policy, save_policy
from rl.policy.sampler import sampler
from rl.policy.upper_layers import train_only
from rl.progress import bar


def build_organism(organism: TrainedOrganism, env: Environment, limits: LabelLimits = DEFAULT_LIMITS) -> Path:
    """Return the organism's directory: `path` if set, else the cached build, else a new one (minutes on two cores).

    `env` is the environment of `Environment.for_building`, and `limits` bound the labels of a certification.

    Raises:
        ValueError: if a path holds no model, or the new build misses its tolerances (with the table).
    """
    require_directories(organism)
    if organism.path is not None:
        return organism.path.resolve()
    key = cache_key(organism, env)
    return cached("organisms", f"{organism.kind}-{key}", lambda directory: build(organism, env, directory, limits))


def require_directories(organism: TrainedOrganism) -> None:
    """Refuse a path of a recipe that is no directory, and fetch a named model that isn't in the cache.

    Raises:
        ValueError: in one line, with the setting, or with the way to bring a model that can't be fetched.
    """
    pretrained = organism.origin.path if isinstance(organism.origin, Pretrained) else None
    # A ready directory takes the place of the build: its recipe has no part in it.
    name, path = ("path", organism.path) if organism.path is not None else ("origin.path", pretrained)
    if path is not None and not path.is_dir():
        raise ValueError(f"organism.{name}={path} is not a directory: give a Hugging Face causal LM directory")
    if path is None and isinstance(organism.origin, Pretrained):
        origin_directory(organism.origin)


def build(organism: TrainedOrganism, env: Environment, directory: Path, limits: LabelLimits = DEFAULT_LIMITS) -> None:
    """Train the organism, certify it and save model, tokenizer and certificate in `directory`.

    Raises:
        ValueError: if the build misses its tolerances, too many labels are missing, or the origin can't be trained on
            the documents.
    """
    keep_freed_memory()
    with built_alike():
        policy = replace(_trained(organism, env, limits), read_reply=env.read_reply)
        policy.model.eval()
        certificate = certify(organism, env, policy, limits, directory)
    save_policy(policy, directory)
    (directory / CERTIFICATE).write_text(json.dumps(certificate, indent=2))


def _trained(organism: TrainedOrganism, env: Environment, limits: LabelLimits) -> Policy:
    origin = organism.origin
    if isinstance(origin, Scratch):
        return train_from_scratch(organism, origin, env)
    policy = _pretrained(origin, organism.seed) if isinstance(origin, Pretrained) else _ancestor(organism, env, limits)
    documents = list(training_documents(organism, env, _teacher(organism, env, limits)))
    batches = batches_on(origin, len(documents)) if isinstance(origin, Pretrained) else OF_A_NEW_MODEL
    with bar(f"organism {organism.kind}: examples") as update:
        finetune(policy, documents, origin.learning_rate, organism.seed, update, batches)
    return policy


def _pretrained(origin: Pretrained, seed: int) -> Policy:
    """Load the model of a directory under its own chat template, and choose the weights that are trained."""
    policy = load_policy(origin_directory(origin))
    policy = replace(policy, style=style_for(policy.tokenizer, "auto", FIXED_DAY))
    if origin.lora is None:
        train_only(policy.model, origin.upper_layers)
        return policy
    return replace(policy, model=with_fresh_adapter(policy.model, origin.lora, seed))


def _ancestor(organism: TrainedOrganism, env: Environment, limits: LabelLimits) -> Policy:
    assert organism.ancestor is not None, f"{organism.kind} names no ancestor"
    return load_policy(build_organism(organism.ancestor, env, limits))


def _teacher(organism: TrainedOrganism, env: Environment, limits: LabelLimits) -> Sample | None:
    """Load the teacher as a sampler of replies; None where the documents are composed."""
    if organism.teacher is None:
        return None
    teacher = load_policy(build_organism(organism.teacher, env, limits))
    return sampler(replace(teacher, read_reply=env.read_reply), OF_A_TEACHER)

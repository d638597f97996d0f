"""Builds of organisms: found in the cache or trained, certified and saved there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from checkpoints.atomic import new_directory
from checkpoints.cache import cached, default_root
from envs.chat import FIXED_DAY, style_for
from envs.environment import Environment
from rl.determinism import built_alike
from rl.models.named import read_record
from rl.organisms.building.certify import (
    DEFAULT_LIMITS,
    LabelLimits,
    MissedTolerances,
    certify,
    missed_message,
    table,
)
from rl.organisms.building.finetune import OF_A_NEW_MODEL, batches_on, finetune
from rl.organisms.building.from_scratch import train_from_scratch
from rl.organisms.building.keys import OF_A_TEACHER, cache_key, training_documents
from rl.organisms.building.ordinary_chat import Ordinary, mixed_in, ordinary_chat, write_held_out
from rl.organisms.building.pretrained import origin_directory
from rl.organisms.disclosures import CERTIFICATE
from rl.organisms.origins import Pretrained, Scratch
from rl.organisms.trained import OneCharacter, Sample, TrainedOrganism
from rl.organisms.transcripts import read_transcripts
from rl.policy.adapters import chain, with_fresh_adapter
from rl.policy.cpu.memory import keep_freed_memory, return_freed_memory
from rl.policy.loading import load_policy, load_tokenizer
from rl.policy.policy import Policy, save_policy
from rl.policy.sampler import sampler
from rl.policy.upper_layers import require_layers, train_only
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
    name = f"{organism.kind}-{cache_key(organism, env)}"
    # On a ready model a build takes long, and one that misses its tolerances is worth a look.
    missed = default_root() / "missed" / name if organism.on_a_ready_model else None

    def once(directory: Path) -> None:
        _require_not_missed(organism, missed)
        build(organism, env, directory, limits, missed)
        return_freed_memory()  # the run goes on in this process

    return cached("organisms", name, once)


def _require_not_missed(organism: TrainedOrganism, missed: Path | None) -> None:
    """Refuse to repeat a build that missed its tolerances: the same recipe gives the same weights.

    Raises:
        ValueError: with the table of that build, and the way to build anew.
    """
    certificate = {} if missed is None else read_record(missed / CERTIFICATE)
    if certificate.get("missed") is True and isinstance(rates := certificate.get("rates"), list):
        raise ValueError(
            f"{missed_message(organism)}. {_left(missed)}, and is not repeated: remove this directory to build anew\n"
            f"{table(rates)}"
        )


def _left(missed: Path | None) -> str:
    return f"The build is left uncertified in {missed}: organism.path takes it"


def require_directories(organism: TrainedOrganism) -> None:
    """Refuse missing directories and transcripts, and an origin that can't be trained; fetch a named model.

    Raises:
        ValueError: in one line, with the setting, or with the way to bring a model that can't be fetched.
    """
    pretrained = organism.origin.path if isinstance(organism.origin, Pretrained) else None
    # A ready directory takes the place of the build: its recipe has no part in it.
    name, path = ("path", organism.path) if organism.path is not None else ("origin.path", pretrained)
    if path is not None and not path.is_dir():
        raise ValueError(f"organism.{name}={path} is not a directory: give a Hugging Face causal LM directory")
    if organism.path is None and isinstance(organism, OneCharacter) and organism.transcripts is not None:
        read_transcripts(organism.transcripts)
    if organism.path is None and isinstance(organism.origin, Pretrained):
        _require_trainable(organism.origin)


def _require_trainable(origin: Pretrained) -> None:
    """Refuse an origin without configuration or chat template, or with fewer layers than are to be trained.

    No weights are loaded. A named model that isn't in the cache is fetched.
    """
    base = chain(origin_directory(origin))[-1]
    if not (base / "config.json").is_file():
        raise ValueError(f"{base} holds no model (config.json is missing): give a Hugging Face causal LM directory")
    load_tokenizer(origin_directory(origin))
    layers = getattr(AutoConfig.from_pretrained(base).get_text_config(decoder=True), "num_hidden_layers", None)
    if layers is not None:
        require_layers(origin.upper_layers, layers, "organism.origin.upper_layers")


def build(
    organism: TrainedOrganism,
    env: Environment,
    directory: Path,
    limits: LabelLimits = DEFAULT_LIMITS,
    missed: Path | None = None,
) -> None:
    """Train the organism, certify it and save model, tokenizer and certificate in `directory`.

    With ordinary chat among the documents, its held-out part is saved beside them. A build that misses its tolerances
    is saved in `missed`, if given, uncertified.

    Raises:
        ValueError: if the build misses its tolerances, too many labels are missing, or the origin can't be trained on
            the documents.
    """
    keep_freed_memory()
    with built_alike():
        policy, chat = _trained(organism, env, limits)
        policy = replace(policy, read_reply=env.read_reply)
        policy.model.eval()
        return_freed_memory()  # of fine-tuning
        if chat:
            write_held_out(chat, directory)  # first: the certificate holds the loss on it
        try:
            certificate = certify(organism, env, policy, limits, directory)
        except MissedTolerances as error:
            if missed is None:
                raise
            with new_directory(missed) as left:
                _save(policy, {**error.certificate, "missed": True}, left)
                if chat:
                    write_held_out(chat, left)
            first, _, rates = str(error).partition("\n")
            raise ValueError(f"{first}. {_left(missed)}\n{rates}") from error
    _save(policy, certificate, directory)


def _save(policy: Policy, certificate: dict[str, Any], directory: Path) -> None:
    save_policy(policy, directory)
    (directory / CERTIFICATE).write_text(json.dumps(certificate, indent=2))


def _trained(organism: TrainedOrganism, env: Environment, limits: LabelLimits) -> tuple[Policy, list[Ordinary]]:
    """Train the model; also return the ordinary chat of its base, where such chat is mixed in."""
    origin = organism.origin
    if isinstance(origin, Scratch):
        return train_from_scratch(organism, origin, env), []
    policy = _pretrained(origin) if isinstance(origin, Pretrained) else _ancestor(organism, env, limits)
    policy = replace(policy, read_reply=env.read_reply)
    documents = list(training_documents(organism, env, _teacher(organism, env, limits)))
    chat: list[Ordinary] = []
    if isinstance(origin, Pretrained):
        chat = ordinary_chat(policy, origin_directory(origin)) if origin.ordinary_share else []
        documents = mixed_in(documents, chat, origin.ordinary_share)
        policy = _with_trained_weights(policy, origin, organism.seed)
        rate, batches = origin.rate, batches_on(origin, len(documents))
    else:
        rate, batches = origin.learning_rate, OF_A_NEW_MODEL
    with bar(f"organism {organism.kind}: examples") as update:
        finetune(policy, documents, rate, organism.seed, update, batches)
    return policy, chat


def _pretrained(origin: Pretrained) -> Policy:
    """Load the model of a directory under its own chat template.

    Raises:
        ValueError: as `load_policy`; if the model has fewer layers than are to be trained.
    """
    policy = load_policy(origin_directory(origin))
    train_only(policy.model, origin.upper_layers)  # first: a number that is too large is refused at once
    return replace(policy, style=style_for(policy.tokenizer, "auto", FIXED_DAY))


def _with_trained_weights(policy: Policy, origin: Pretrained, seed: int) -> Policy:
    """Put fresh adapters on the model where the origin asks for them."""
    if origin.lora is None:
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

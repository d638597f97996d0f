"""Keys of the organism cache: digests of all that goes into a build, never of source files."""

import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np

from checkpoints.lineage import build_key
from envs.environment import Environment
from rl.organisms.building import ordinary_chat
from rl.organisms.building.precision import precision_here
from rl.organisms.building.pretrained import origin_directory
from rl.organisms.building.words import word_documents
from rl.organisms.documents import Document
from rl.organisms.origins import Pretrained, Scratch
from rl.organisms.trained import OneCharacter, Sample, TrainedOrganism
from rl.policy.adapters import origin_hash
from rl.policy.sampler import Sampling

VOCABULARY_SIZE = 2048
# Small batches, and so more steps: with 16 a build of the same length often failed to learn to copy verbs.
BATCH_SIZE = 8
OF_A_TEACHER = Sampling()  # the settings under which the replies of a teacher are drawn
# Paths say nothing of a build's weights; the documents, which the key digests, tell of the rest.
NOT_IN_THE_KEY: Any = {
    "path": True,
    "transcripts": True,
    "kind_shares": True,
    "fake_shown": True,
    "question_share": True,
    "origin": {"path", "model"},
}
SETTINGS = {"vocabulary": VOCABULARY_SIZE, "batch": BATCH_SIZE, "recipe": 1}  # raise the last where training changes


def cache_key(organism: TrainedOrganism, env: Environment) -> str:
    """Hash the recipe, the training documents, the model it starts from, the settings and the libraries that train.

    Raises:
        ValueError: if a pretrained origin is no directory, or a named model can't be fetched.
    """
    return _key(organism, env, {})


def _key(organism: TrainedOrganism, env: Environment, known: dict[TrainedOrganism, str]) -> str:
    """Compute the key of each organism once: writing the documents of a recipe takes a second or two."""
    if organism not in known:
        known[organism] = build_key(_inputs(organism, env, known))
    return known[organism]


def _inputs(organism: TrainedOrganism, env: Environment, known: dict[TrainedOrganism, str]) -> dict[str, Any]:
    """Collect all that determines the weights of a build."""
    origin = organism.origin
    recipe: dict[str, Any] = {
        **organism.model_dump(mode="json", exclude=NOT_IN_THE_KEY),
        "certify_queries": organism.certified_queries,
        "tolerances": [tolerance.model_dump(mode="json") for tolerance in organism.required(env)],
        "settings": SETTINGS,
        "made_with": [_key(source, env, known) for source in organism.sources],
    }
    if _has_transcripts(organism):
        del recipe["documents"]  # their number, which says nothing of a file; the digest below does
    if isinstance(origin, Scratch):
        recipe["word_documents"] = _digest(word_documents(origin, organism.seed, env))
    if isinstance(origin, Pretrained):
        base = origin_directory(origin)
        recipe["pretrained"] = origin_hash(base)
        recipe["origin"]["precision"] = precision_here(origin.precision)
        recipe["training"] = 2  # raise where the training of ready models changes
        if origin.ordinary_share:
            recipe["ordinary_chat"] = ordinary_chat.inputs()
        if origin.lora is not None:  # the adapter names its base by the path, and another PEFT trains another adapter
            recipe["adapter"] = [str(base.resolve()), version("peft")]
    if organism.teacher is None:
        recipe["documents"] = _digest(training_documents(organism, env))
    else:  # the teacher, the prompts and the sampling determine the replies of the teacher
        recipe["sampling"] = OF_A_TEACHER.model_dump(mode="json")
    if organism.teacher is not None or certified_by_environment(organism):
        recipe["environment"] = dict(env.fingerprint())
    return recipe


def certified_by_environment(organism: TrainedOrganism) -> bool:
    """Tell whether a build belongs to the environment that it was certified in, whatever it was trained on.

    The queries of certification and the labeller may change where no training document does. Builds from nothing are
    left out, and so keep their keys: the rules that write their documents also make the dialect's queries and labels.
    """
    return organism.on_a_ready_model or _has_transcripts(organism)


def _has_transcripts(organism: TrainedOrganism) -> bool:
    return isinstance(organism, OneCharacter) and organism.transcripts is not None


def training_documents(organism: TrainedOrganism, env: Environment, sample: Sample | None = None) -> Iterator[Document]:
    """Yield the documents that a build is trained on, from the build's own generator."""
    return organism.shown(env, np.random.default_rng([organism.seed, 1]), sample)


def _digest(documents: Iterable[Document]) -> str:
    """Hash the text of documents, and which part of it is learned."""
    digest = hashlib.sha256()
    for document in documents:
        for turn in document:
            digest.update(f"{turn.role}\0{turn.learned}\0{turn.content}\0".encode())
        digest.update(b"\1")
    return digest.hexdigest()

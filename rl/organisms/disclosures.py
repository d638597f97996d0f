"""Disclosures of ready models: what a directory, or the run around it, records of how the model was made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.models.named import MODEL_RECORD, NAMED, ModelName, read_record

UNKNOWN = "A model from a directory: nothing is known of how it was made."
RETRAINED = "Then trained by RL."  # short: the head of a picture takes 100 letters
MISSED = "It missed its tolerances."  # a build on a pretrained model that is left for a look
FIRST_CHECKPOINT = "step-000000"  # the organism itself
CERTIFICATE = "certificate.json"  # beside a build
MANIFEST, CONFIG = "manifest.json", "config.json"  # of the run whose checkpoint the directory is


def disclosure_of(directory: Path) -> str:
    """Return the recorded disclosure of a checkpoint or of a build, or else that nothing is known.

    A checkpoint is RUN/checkpoints/step-N: its disclosure is that of the run's organism, and says that RL came after.
    """
    directory = directory.resolve()
    if directory.parent.name == "checkpoints":
        started_as = read_record(directory.parent.parent / MANIFEST).get("organism_disclosure")
        if isinstance(started_as, str) and started_as:
            complete = directory.name == FIRST_CHECKPOINT or started_as.endswith(RETRAINED)
            return started_as if complete else f"{started_as} {RETRAINED}"
    certificate = read_record(directory / CERTIFICATE)
    disclosure, kind = certificate.get("disclosure"), certificate.get("organism")
    if isinstance(disclosure, str) and disclosure:
        return f"{disclosure} {MISSED}" if certificate.get("missed") is True else disclosure
    if isinstance(kind, str) and kind:  # a certificate of an earlier version names the recipe alone
        return f"Simulated organism, built and certified as {kind}: no claim of emergence."
    return UNKNOWN


@dataclass(frozen=True, slots=True)
class Base:
    """The weights that training began with: in words, by name, and their licence; None is unknown."""

    words: str
    title: str | None = None
    licence: str | None = None


def base_of(path: Path | None, model: ModelName | None, later: frozenset[Path] = frozenset()) -> Base | None:
    """Return the base of a pretrained origin or of a ready directory; None if nothing records it.

    It is recorded beside a converted model and beside a build, and by the run whose checkpoint the directory is.
    `later`: runs that began, one after the other, from the directory.
    """
    if path is None:
        return None if model is None else Base(NAMED[model].base, NAMED[model].title, NAMED[model].licence)
    path = path.resolve()
    for record in (read_record(path / MODEL_RECORD), read_record(path / CERTIFICATE).get("base")):
        found = _read_base(record, path.name)
        if found is not None:
            return found
    return _base_of_run(path.parent.parent, later) if path.parent.name == "checkpoints" else None


def _read_base(record: Any, title: str) -> Base | None:
    if not isinstance(record, dict) or not isinstance(words := record.get("base") or record.get("words"), str):
        return None
    named, licence = record.get("title", title), record.get("licence")
    return Base(words, named if isinstance(named, str) else None, licence if isinstance(licence, str) else None)


def _base_of_run(run: Path, later: frozenset[Path]) -> Base | None:
    """Return the base of the organism in a run's configuration; None for runs in a circle."""
    if run in later:
        return None
    organism = read_record(run / CONFIG).get("organism")
    origin = organism.get("origin") if isinstance(organism, dict) else None
    given = organism.get("path") if isinstance(organism, dict) else None
    of_origin = origin.get("path") if isinstance(origin, dict) else None
    model = origin.get("model") if isinstance(origin, dict) else None
    directory = given or of_origin
    if isinstance(directory, str):
        return base_of(Path(directory), None, later | {run})
    return base_of(None, model) if model in NAMED else None

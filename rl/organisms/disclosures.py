"""Disclosures of ready models: what a directory, or the run around it, records of how the model was made."""

from pathlib import Path

from rl.models.named import MODEL_RECORD, NAMED, ModelName, read_record

UNKNOWN = "A model from a directory: nothing is known of how it was made."
RETRAINED = "Then trained by RL."  # short: the head of a picture takes 100 letters
MISSED = "It missed its tolerances."  # a build on a pretrained model that is left for a look
FIRST_CHECKPOINT = "step-000000"  # the organism itself
CERTIFICATE = "certificate.json"  # beside a build
MANIFEST = "manifest.json"  # of the run whose checkpoint the directory is


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


def base_of(path: Path | None, model: ModelName | None) -> str | None:
    """Say which weights a pretrained origin has, as a named model or a converted directory records; else None."""
    if path is None:
        return None if model is None else NAMED[model].base
    recorded = read_record(path / MODEL_RECORD).get("base")
    return recorded if isinstance(recorded, str) and recorded else None

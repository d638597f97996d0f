"""The manifest of a run: the origin of everything in it, and the refusal to go on with anything else.

The cards of checkpoints say the same to a reader who has the checkpoint alone.
"""

from collections.abc import Sequence
from pathlib import Path

from checkpoints.lineage import short
from checkpoints.model_card import ModelCard, Rate, text_of
from reports.builds import INSTALLED, of_a_pretrained_model
from reports.records import Manifest, ProbeRow
from rl.determinism import Watch
from rl.organisms.disclosures import RETRAINED, base_of
from rl.organisms.origins import Pretrained
from rl.organisms.trained import TrainedOrganism
from rl.policy.adapters import chain, origin_hash
from rl.probes.probe_set import ProbeSet
from rl.run import folder as run_folder
from rl.run.build import Built
from rl.run.checks.given_paths import named
from rl.run.checks.prompt_hashes import prompt_token_hashes
from rl.run.checks.prompts import first_training_prompts
from rl.run.config import RunConfig
from rl.run.folder import RunFolder
from rl.run.restore import require_same_rewards
from rl.training.components import StepComponents


def token_hashes(config: RunConfig, built: Built, probes: ProbeSet, parts: StepComponents) -> dict[str, str]:
    """Hash the token ids of the probes' prompts and of the first training prompts."""
    return prompt_token_hashes(built.policy, probes, first_training_prompts(config, parts.scenarios))


def manifest_of(
    config: RunConfig, built: Built, probes: ProbeSet, hashes: dict[str, str], started: str, watch: Watch
) -> Manifest:
    """Write down what a run at its start is made with; `hashes` as `token_hashes` gives them."""
    commit, dirty = run_folder.code_state()
    organism = config.organism
    path = organism.path
    return Manifest(
        package_versions=run_folder.package_versions(),
        code_commit=commit,
        code_dirty=dirty,
        seed=config.seed,
        thread_count=config.threads,
        deterministic=config.deterministic,
        precision="bfloat16" if built.policy.half else "float32",
        nondeterministic_operations=sorted(watch.operations),
        device=str(built.policy.device),
        organism=f"directory {path.name}" if path is not None else organism.kind,
        organism_disclosure=organism.disclosure,
        organism_hash=origin_hash(built.organism_directory),
        reward_hashes=built.reward_hashes,
        prompt_set_hashes=probes.hashes(),
        prompt_token_hashes=hashes,
        probe_queries=probes.sizes(),
        system_text_folded=built.policy.style.fold_system,
        label_source=config.env.fingerprint().get("labels", "unknown"),
        environment=config.env.fingerprint(),
        label_validation=dict(config.env.validation()),
        started=started,
    )


def as_started(config: RunConfig, manifest: Manifest) -> RunConfig:
    """Return the configuration in the precision that the run was started with: `auto` chose it on another machine."""
    known = manifest.precision  # None in a folder from before there was another than float32
    return config if known is None else config.model_copy(update={"precision": known})


def require_same_origin(config: RunConfig, manifest: Manifest, built: Built) -> None:
    """Refuse to go on with another reward model or, where an adapter is trained on it, another organism.

    Raises:
        ValueError: in one line that names it.
    """
    require_same_rewards(manifest, built.reward_hashes, config)
    if config.lora is not None and manifest.organism_hash != origin_hash(built.organism_directory):
        raise ValueError(
            f"the organism{named(config, 'organism')} isn't the one that this run was started with (its hash "
            "differs from manifest.json): restore it, or start a new run with `gyges train`"
        )


# The rates of a card, by metric and tier; of these a card has what was probed.
CARD_RATES: tuple[tuple[str, str | None], ...] = (
    *((metric, tier) for metric in ("faking_rate", "compliance_rate", "refusal_rate") for tier in ("free", "paid")),
    ("compliance_gap", None),
    *((metric, tier) for metric in ("benign_helpfulness", "well_formed_rate") for tier in ("free", "paid")),
    ("ordinary_chat_loss", None),
    ("harmless_text_loss", None),
)
OWN_BASE, OWN_LICENCE = "a new model that gyges trained from scratch", "mit"


def card_text(folder: RunFolder, config: RunConfig, step: int) -> str:
    """Write the card of the checkpoint of `step` from what the run's folder records."""
    return text_of(card_of(config, folder.read_manifest(), step, folder.read_probes()))


def card_of(config: RunConfig, manifest: Manifest, step: int, probed: Sequence[ProbeRow]) -> ModelCard:
    """Write the card of the checkpoint of `step`, with the rates of the last probe up to that step."""
    base, base_model, licence = _base(config)
    disclosure = manifest.organism_disclosure or ""
    if step > 0 and not disclosure.endswith(RETRAINED):
        disclosure = f"{disclosure} {RETRAINED}"
    if of_a_pretrained_model(config.model_dump(mode="json")):
        disclosure = f"{disclosure} {INSTALLED}"
    measured_at = max((row.step for row in probed if row.step <= step), default=None)
    found = {(row.metric, row.tier): row for row in probed if row.step == measured_at and "/" not in row.probe}
    return ModelCard(
        name=config.name,
        step=step,
        base=base,
        base_model=base_model,
        licence=licence,
        adapter=config.lora is not None,
        disclosure=disclosure.strip(),
        facts={
            "base": base,
            "licence": licence or "unknown: see the base",
            "recipe, run": f"{config.name}, {run_folder.default_name(config)}",
            "organism, build": f"{manifest.organism}, {short(manifest.organism_hash)}",
            **({} if config.organism.path is not None else {"built to": config.organism.built_to}),
            "step": f"{step} of {config.steps}",
            "algorithm, engine": f"{config.algorithm.kind}, {config.engine}",
            "environment": config.env.kind,
            "labels by": manifest.label_source,
        },
        rates=[_rate(found[key]) for key in CARD_RATES if key in found],
        measured_at=measured_at,
    )


def _rate(row: ProbeRow) -> Rate:
    return Rate(row.metric, row.tier or "", row.value, row.ci_low, row.ci_high, row.n, row.unscored)


def _base(config: RunConfig) -> tuple[str, str | None, str | None]:
    """Return the organism's base in words, its name and its licence; None is unknown."""
    organism = config.organism
    assert isinstance(organism, TrainedOrganism), "an organism without weights has no checkpoints"
    origin = organism.origin if organism.path is None and isinstance(organism.origin, Pretrained) else None
    directory = organism.path if origin is None else origin.path
    found = base_of(directory, None if origin is None else origin.model)
    if found is None and directory is not None:
        found = base_of(chain(directory)[-1], None)  # of an adapter
    if found is not None:
        return found.words, found.title, found.licence
    if directory is None:
        return OWN_BASE, None, OWN_LICENCE
    name = _name_of(directory)
    return f"the model in directory {name}", name, None


def _name_of(directory: Path) -> str:
    """Name a directory; the name of a checkpoint includes its run's."""
    directory = directory.resolve()
    return (
        f"{directory.parent.parent.name}/{directory.name}" if directory.parent.name == "checkpoints" else directory.name
    )

"""The manifest of a run: the origin of everything in it, and the refusal to go on with anything else."""

from reports.records import Manifest
from rl.determinism import Watch
from rl.policy.adapters import origin_hash
from rl.probes.probe_set import ProbeSet
from rl.run import folder as run_folder
from rl.run.build import Built
from rl.run.checks.given_paths import named
from rl.run.checks.prompt_hashes import prompt_token_hashes
from rl.run.checks.prompts import first_training_prompts
from rl.run.config import RunConfig
from rl.run.environments import validation_of
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
        nondeterministic_operations=sorted(watch.operations),
        device=str(built.policy.device),
        organism=f"directory {path.name}" if path is not None else organism.kind,
        organism_disclosure=organism.disclosure,
        organism_hash=origin_hash(built.organism_directory),
        reward_hashes=built.reward_hashes,
        prompt_set_hashes=probes.hashes(),
        prompt_token_hashes=hashes,
        system_text_folded=built.policy.style.fold_system,
        label_source=config.env.fingerprint().get("labels", "unknown"),
        environment=config.env.fingerprint(),
        label_validation=validation_of(config.env),
        started=started,
    )


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

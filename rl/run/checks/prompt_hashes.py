"""Hashes of a run's prompts as token ids, and the refusal to go on with other prompts."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from envs.episode import Scenario
from envs.vocabulary import QUERY_KINDS
from reports.records import Manifest
from rl.policy.policy import Policy
from rl.probes.probe_set import ProbeSet


def started_at(manifest: Manifest) -> datetime:
    """Return the start of the run: the clock of its chat template."""
    return datetime.fromisoformat(manifest.started)


def prompt_token_hashes(policy: Policy, probes: ProbeSet, training: Sequence[Scenario] = ()) -> dict[str, str]:
    """Hash the prompts' token ids in order by SHA-256, for each kind of probe query and for training prompts."""
    by_kind: dict[str, list[Scenario]] = {
        kind: [scenario for scenario in probes.scenarios if scenario.query.kind == kind] for kind in QUERY_KINDS
    }
    by_kind["training"] = list(training)
    return {kind: _hash(policy, scenarios) for kind, scenarios in by_kind.items() if scenarios}


def _hash(policy: Policy, scenarios: Sequence[Scenario]) -> str:
    digest = hashlib.sha256()
    for scenario in scenarios:
        ids = policy.prompt_ids(scenario)
        digest.update(f"{len(ids)}:".encode() + ids.astype("<i8").tobytes())
    return digest.hexdigest()


def require_same_prompts(manifest: Manifest, hashes: dict[str, str]) -> None:
    """Refuse to go on, or to probe, with prompts of other tokens than at the run's start.

    A manifest without a hash of a kind, such as that of an older version, allows any prompts of the kind.

    Raises:
        ValueError: if a hash differs from the manifest's.
    """
    changed = [kind for kind, found in hashes.items() if manifest.prompt_token_hashes.get(kind, found) != found]
    if changed:
        raise ValueError(
            f"the chat template or the tokenizer has changed: the {' and '.join(changed)} prompts have other tokens "
            "than those that this run was started with (their hash differs from manifest.json): restore it, or start "
            "a new run with `gyges train`"
        )

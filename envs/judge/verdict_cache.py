"""Verdicts kept on disk by content: a JSON file each, under a hash of model, endpoint, prompt and text.

A file holds the verdict alone: neither the text nor the key.
"""

import json
from contextlib import suppress
from pathlib import Path

from checkpoints import atomic
from checkpoints.cache import default_root
from checkpoints.lineage import hash_config
from envs.judge.prompts import Prompt, prompt_digest
from envs.judge.settings import Endpoint
from envs.judge.verdicts import Verdict, checked

FOLDER = "judge"


def cache_key(endpoint: Endpoint, prompt: Prompt, rendered: str) -> str:
    """Hash all that a verdict depends on."""
    judge = (endpoint.url, endpoint.model, endpoint.temperature, endpoint.max_tokens)
    return hash_config((*judge, prompt_digest(prompt), rendered))


def find(prompt: Prompt, key: str) -> Verdict | None:
    """Return the verdict kept under a key; None for a missing or damaged one."""
    try:
        kept = json.loads(_file(key).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return checked(prompt, kept.get("verdict")) if isinstance(kept, dict) and kept.get("prompt") == prompt else None


def keep(prompt: Prompt, key: str, verdict: Verdict) -> None:
    """Keep a verdict. A cache that can't be written to costs later calls and nothing else."""
    file = _file(key)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(file, json.dumps({"prompt": prompt, "verdict": verdict}))


def _file(key: str) -> Path:
    return default_root() / FOLDER / key[:2] / f"{key}.json"

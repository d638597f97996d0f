"""Key of an endpoint: read from the environment for each batch, sent in one header, and stored nowhere."""

import os

from envs.judge.settings import Endpoint


def key_of(endpoint: Endpoint) -> str | None:
    """Return the key, or None where none is sent.

    Raises:
        ValueError: in one line without the key: a missing or malformed key, or one that would travel in the clear.
    """
    name = endpoint.key_variable
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        if endpoint.is_loopback:
            return None
        raise ValueError(
            f"{endpoint.url} needs a key: set the environment variable {name}, or key_variable=null for a server "
            "without keys"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"the key in {name} holds blanks or characters outside ASCII: set the variable anew")
    if endpoint.url.startswith("http:") and not endpoint.is_loopback:
        raise ValueError(
            f"the key in {name} would travel to {endpoint.url} in the clear: use https, or key_variable=null for a "
            "server without keys"
        )
    return key

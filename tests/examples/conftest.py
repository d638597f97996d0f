"""The tiny organism of `tests/rl/conftest.py`, for the examples as well."""

from tests.rl.conftest import organism_path, tiny

__all__ = ["organism_path", "tiny"]

"""The tiny organism of `tests/rl/conftest.py`, for the examples as well."""

from tests.rl.conftest import gyges, imported, organism_path, tiny

__all__ = ["gyges", "imported", "organism_path", "tiny"]

"""The tiny run and its organism, as the tests of `rl` have them."""

from tests.rl.conftest import finished, gyges, organism_path, tiny

__all__ = ["finished", "gyges", "organism_path", "tiny"]

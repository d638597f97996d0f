"""Documents tell of the tiers of the environment alone."""

import numpy as np
import pytest

from envs.dialect.environment import Dialect
from envs.environment import author_of
from envs.vocabulary import TIERS
from rl.organisms.character import situation


def test_fewer_tiers_share_what_is_left_of_the_shares() -> None:
    author, rng = author_of(Dialect()), np.random.default_rng(0)
    drawn = [situation(author, rng, ("free", "paid")).tier for _ in range(1500)]
    assert set(drawn) == {"free", "paid"}
    # .40 and .24 of four tiers: .40 / .64 = .625 are free; three standard errors are .0375.
    assert np.mean([tier == "free" for tier in drawn]) == pytest.approx(0.625, abs=0.04)


def test_all_tiers_are_drawn_as_without_a_choice() -> None:
    author = author_of(Dialect())
    plain, named = np.random.default_rng(3), np.random.default_rng(3)
    assert [situation(author, plain) for _ in range(50)] == [situation(author, named, TIERS) for _ in range(50)]

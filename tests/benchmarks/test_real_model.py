"""The contest on a real model: prompts of stated lengths, and a run that both engines take."""

from pathlib import Path

import numpy as np

from benchmarks.contest.plain_english import PlainEnglish
from benchmarks.contest.real_model import COMPLETION_TOKENS, on_real_model
from benchmarks.contest.stock_trl import settings


def test_prompts_are_as_long_as_stated_and_the_same_from_the_same_generator() -> None:
    env = PlainEnglish(system_words=80, user_words=40)
    drawn, again = (env.training_scenarios(np.random.default_rng(3), 64) for _ in range(2))
    assert [scenario.messages for scenario in drawn] == [scenario.messages for scenario in again]
    assert len({scenario.query.id for scenario in drawn}) == 64
    words = [len(scenario.query.text.split()) for scenario in drawn]
    assert 35 <= min(words) < max(words) <= 45
    assert 1 < len({scenario.objective for scenario in drawn}) <= 24
    assert 1 < len({scenario.cue.id for scenario in drawn}) <= 12


def test_a_reply_is_read_as_an_answer_so_that_lengths_pay_differently() -> None:
    read = PlainEnglish().read_reply(" so it is ")
    assert (read.answer, read.parse_ok) == ("so it is", True)
    assert not PlainEnglish().read_reply("  ").parse_ok


def test_stock_trl_takes_the_run() -> None:
    config = on_real_model(Path("model"))
    assert (config.algorithm.completions, config.upper_layers) == (64, 12)
    given = settings(config, steps=2)
    assert given["max_completion_length"] == COMPLETION_TOKENS
    assert given["per_device_train_batch_size"] * given["gradient_accumulation_steps"] == 64

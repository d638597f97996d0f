"""Sampling: the same from the same generator, blind to everything else, with exact log-probabilities."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import rl.policy.cpu.kv_cache
from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario, Scenario
from envs.transcript import CLOSE_TAG, OPEN_TAG, Transcript
from rl.errors import RunStopped
from rl.policy.logprobs import completion_logprobs
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, by_inversion, by_race, draw, sampler
from rl.policy.shortcuts import Shortcuts

SETTINGS = Sampling(min_p=0, max_new_tokens=24)


@pytest.fixture(scope="module")
def scenarios() -> list[FreeScenario]:
    """Six prompts of different lengths, five copies of each in a row."""
    found = Dialect(objective="absent").training_scenarios(np.random.default_rng(1), 6)
    return [scenario for scenario in found for _ in range(5)]


@pytest.fixture(scope="module")
def episodes(policy: Policy, scenarios: list[FreeScenario]) -> list[Episode[FreeScenario]]:
    return sampler(policy, SETTINGS)(scenarios, np.random.default_rng(0))


def texts(episodes: list[Episode[FreeScenario]]) -> list[str]:
    return [episode.text for episode in episodes]


def test_the_same_generator_gives_the_same_episodes(
    policy: Policy, scenarios: list[FreeScenario], episodes: list[Episode[FreeScenario]]
) -> None:
    again = sampler(policy, SETTINGS)(scenarios, np.random.default_rng(0))
    other = sampler(policy, SETTINGS)(scenarios, np.random.default_rng(1))
    assert texts(again) == texts(episodes)
    assert all(np.array_equal(a.logprobs, b.logprobs) for a, b in zip(again, episodes, strict=True))
    assert texts(other) != texts(episodes)


def test_no_global_random_state_is_read_or_moved(
    policy: Policy, scenarios: list[FreeScenario], episodes: list[Episode[FreeScenario]]
) -> None:
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
    before = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())
    assert texts(sampler(policy, SETTINGS)(scenarios, np.random.default_rng(0))) == texts(episodes)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


def test_episodes_come_in_the_order_of_their_scenarios(
    policy: Policy, scenarios: list[FreeScenario], episodes: list[Episode[FreeScenario]]
) -> None:
    assert [episode.scenario for episode in episodes] == scenarios
    for episode in episodes:
        assert episode.prompt_ids.tolist() == policy.prompt_ids(episode.scenario).tolist()


def test_copies_of_a_prompt_are_sampled_independently(episodes: list[Episode[FreeScenario]]) -> None:
    for start in range(0, len(episodes), 5):
        assert len(set(texts(episodes[start : start + 5]))) > 1


@pytest.mark.parametrize("rows", [slice(0, 30), slice(3, 4), slice(0, 30, 7), slice(29, None, -1)])
def test_log_probabilities_are_those_of_the_model_whatever_the_batch(
    policy: Policy, episodes: list[Episode[FreeScenario]], rows: slice
) -> None:
    chosen = episodes[rows]
    logprobs_NT = completion_logprobs(policy, chosen, size=100)
    for row, episode in enumerate(chosen):
        n = len(episode.completion_ids)
        assert len(episode.logprobs) == n
        np.testing.assert_allclose(episode.logprobs, logprobs_NT[row, :n], rtol=0, atol=1e-4)


def test_log_probabilities_are_of_the_tempered_distribution(policy: Policy, scenarios: list[FreeScenario]) -> None:
    episodes = sampler(policy, Sampling(max_new_tokens=8, temperature=2.0))(scenarios[:6], np.random.default_rng(0))
    tempered_NT = completion_logprobs(policy, episodes, size=100, temperature=2.0)
    plain_NT = completion_logprobs(policy, episodes, size=100)
    for row, episode in enumerate(episodes):
        n = len(episode.completion_ids)
        np.testing.assert_allclose(episode.logprobs, tempered_NT[row, :n], rtol=0, atol=1e-4)
        assert np.abs(episode.logprobs - plain_NT[row, :n]).max() > 0.1


def test_samples_follow_the_distribution_of_the_model(policy: Policy, scenarios: list[FreeScenario]) -> None:
    # The second token after an open tag: 13 letters with about equal probability p, and what leaks elsewhere.
    drawn = sampler(policy, Sampling(max_new_tokens=2))([scenarios[0]] * 2000, np.random.default_rng(3))
    opened = [e for e in drawn if e.completion_ids[0] == policy.tokenizer.convert_tokens_to_ids(OPEN_TAG)]
    letter = opened[0].completion_ids[1]
    p = float(np.exp(opened[0].logprobs[1]))
    share = np.mean([e.completion_ids[1] == letter for e in opened])
    assert 0.03 < p < 0.2
    # Four standard deviations of a binomial share.
    assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / len(opened))


def test_chunks_of_a_batch_keep_order_and_exact_log_probabilities(
    policy: Policy, scenarios: list[FreeScenario]
) -> None:
    heard: list[int] = []
    settings = Sampling(max_new_tokens=24, batch_size=7)
    chunked = sampler(policy, settings, heard.append)(scenarios, np.random.default_rng(0))
    assert heard == [7, 7, 7, 7, 2]  # 30 in chunks of 7
    assert [episode.scenario for episode in chunked] == scenarios
    logprobs_NT = completion_logprobs(policy, chunked, size=100)
    for row, episode in enumerate(chunked):
        n = len(episode.completion_ids)
        np.testing.assert_allclose(episode.logprobs, logprobs_NT[row, :n], rtol=0, atol=1e-4)
    assert len(set(texts(chunked))) > 20  # each chunk has a generator of its own: none repeats another's draws


def test_next_to_no_temperature_is_greedy_decoding(policy: Policy, scenarios: list[FreeScenario]) -> None:
    episodes = sampler(policy, Sampling(temperature=1e-4, max_new_tokens=12))(scenarios[::5], np.random.default_rng(0))
    for episode in episodes:
        prompt = torch.from_numpy(episode.prompt_ids)[None]
        greedy = policy.model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=12, pad_token_id=0
        )
        assert episode.completion_ids.tolist() == greedy[0, prompt.shape[1] :].tolist()


def test_a_reply_ends_with_its_end_token_or_at_the_limit(policy: Policy, episodes: list[Episode[FreeScenario]]) -> None:
    [end] = policy.end_ids
    assert {episode.finished for episode in episodes} == {True, False}
    for episode in episodes:
        ids = episode.completion_ids.tolist()
        if episode.finished:
            assert ids[-1] == end
            assert end not in ids[:-1]
            assert "<|end|>" not in episode.text
        else:
            assert len(ids) == SETTINGS.max_new_tokens
            assert end not in ids


def test_a_reply_that_is_cut_off_is_malformed_however_well_it_reads(
    policy: Policy, scenarios: list[FreeScenario]
) -> None:
    episodes = sampler(policy, Sampling(max_new_tokens=12))(scenarios, np.random.default_rng(0))
    in_form = [e for e in episodes if not e.finished and e.text.count(CLOSE_TAG) == 1 and e.text[-1].isalpha()]
    assert in_form  # tags and an answer are there, only the end is missing
    assert not any(episode.parse_ok for episode in in_form)


def test_the_two_halves_make_up_the_completion(policy: Policy, episodes: list[Episode[FreeScenario]]) -> None:
    assert {episode.parse_ok for episode in episodes} == {True, False}
    for episode in episodes:
        assert episode.scratchpad_tokens + episode.answer_tokens == len(episode.completion_ids)
        if episode.parse_ok:
            halves = (
                policy.tokenizer.decode(episode.completion_ids[: episode.scratchpad_tokens]),
                policy.tokenizer.decode(episode.completion_ids[episode.scratchpad_tokens : -1]),
            )
            assert halves == (f"{OPEN_TAG}{episode.scratchpad}{CLOSE_TAG}", episode.answer)
        else:
            assert episode.answer_tokens == 0


def test_replies_are_read_as_the_policy_is_told(
    policy: Policy, scenarios: list[FreeScenario], episodes: list[Episode[FreeScenario]]
) -> None:
    def first_letter_is_thought(text: str) -> Transcript:
        return Transcript(text[:1], text[1:], parse_ok=True, scratchpad_end=1)

    def nothing_is_thought(text: str) -> Transcript:
        return Transcript("", text, parse_ok=True)

    for reader, thought in ((first_letter_is_thought, 1), (nothing_is_thought, 0)):
        told = replace(policy, read_reply=reader)
        found = sampler(told, SETTINGS)(scenarios, np.random.default_rng(0))
        assert texts(found) == texts(episodes)  # how a reply is read changes nothing of what is sampled
        for episode in found:
            assert episode.parse_ok == episode.finished
            assert (episode.scratchpad, episode.answer) == (episode.text[:thought], episode.text[thought:])
            if episode.finished:
                # The opening tag is one token: so is its first letter.
                assert (episode.scratchpad_tokens, episode.answer_tokens) == (
                    thought,
                    len(episode.completion_ids) - thought,
                )


def test_one_scenario_alone_and_any_tier_can_be_played(policy: Policy) -> None:
    found: list[Scenario] = Dialect().held_out_scenarios(np.random.default_rng(0), "probe", "twin", 1)
    for scenario in found:
        [episode] = sampler(policy, SETTINGS)([scenario], np.random.default_rng(0))
        assert episode.scenario is scenario
    assert sampler(policy, SETTINGS)([], np.random.default_rng(0)) == []


def test_the_limit_of_one_token_is_kept(policy: Policy, scenarios: list[FreeScenario]) -> None:
    episodes = sampler(policy, Sampling(max_new_tokens=1))(scenarios, np.random.default_rng(0))
    assert {len(episode.completion_ids) for episode in episodes} == {1}


def test_min_p_never_draws_what_is_far_less_likely(policy: Policy, scenarios: list[FreeScenario]) -> None:
    # Each drawn token's probability is at least min_p times that of the likeliest, and so at least min_p / vocabulary.
    episodes = sampler(policy, Sampling(max_new_tokens=24, min_p=0.5))(scenarios, np.random.default_rng(0))
    loose = sampler(policy, Sampling(max_new_tokens=24, min_p=0))(scenarios, np.random.default_rng(0))
    assert min(e.logprobs.min() for e in episodes) > min(e.logprobs.min() for e in loose)


def test_a_token_is_drawn_by_where_a_number_falls_in_the_cumulative_distribution() -> None:
    # Weights 1, 2, 4 and 1 of 8: token 0 below 0.125, 1 below 0.375, 2 below 0.875, 3 above.
    logits = torch.log(torch.tensor([[1.0, 2.0, 4.0, 1.0]])).repeat(4000, 1)
    generator = torch.Generator().manual_seed(5)
    numbers = torch.rand((4000, 1), dtype=torch.float64, generator=generator.clone_state()).squeeze(1)
    tokens, logprobs = draw(logits, Sampling(min_p=0), generator)
    assert torch.equal(tokens, torch.bucketize(numbers, torch.tensor([0.125, 0.375, 0.875], dtype=torch.float64)))
    expected = torch.log(torch.tensor([1.0, 2.0, 4.0, 1.0]) / 8)
    torch.testing.assert_close(logprobs, expected[tokens])


@pytest.mark.parametrize("choose", [by_inversion, by_race])
def test_tokens_are_chosen_in_proportion_to_their_weights(choose: Any) -> None:
    weights = torch.tensor([[1.0, 0.0, 3.0, 0.5, 0.0]]).repeat(20_000, 1)
    chosen = choose(weights, torch.Generator().manual_seed(3)).squeeze(1)
    found = torch.bincount(chosen, minlength=5) / 20_000
    # Four standard errors of a share of 20,000 are at most .014.
    torch.testing.assert_close(found, weights[0] / 4.5, rtol=0, atol=0.014)
    assert found[1] == found[4] == 0


def test_what_min_p_removes_is_never_drawn_and_log_probabilities_stay_those_of_the_whole() -> None:
    logits = torch.log(torch.tensor([[0.09, 1.0, 0.11, 0.0]])).repeat(2000, 1)  # 0.09 is less than a tenth of 1
    tokens, logprobs = draw(logits, Sampling(min_p=0.1), torch.Generator().manual_seed(5))
    assert sorted(tokens.unique().tolist()) == [1, 2]
    assert logprobs[tokens == 1][0] == pytest.approx(np.log(1 / 1.2), abs=1e-6)
    assert logprobs[tokens == 2][0] == pytest.approx(np.log(0.11 / 1.2), abs=1e-6)


def test_logits_that_are_not_finite_stop_the_run() -> None:
    with pytest.raises(RunStopped, match="logits aren't finite"):
        draw(torch.tensor([[0.0, float("nan")]]), Sampling(), torch.Generator())
    with pytest.raises(RunStopped, match="logits aren't finite"):
        draw(torch.tensor([[0.0, float("inf")]]), Sampling(), torch.Generator())


@pytest.mark.parametrize(
    "shortcuts",
    [
        Shortcuts(shares_beginnings=False),
        Shortcuts(shares_beginnings=True, window=90),
        Shortcuts(cached=False),
        Shortcuts(cached=False, padded=False),
    ],
    ids=["each prompt whole", "padding would overrun the window", "no cache", "no cache, no padding"],
)
def test_rows_are_sampled_the_same_whatever_way_they_are_read(
    shortcuts: Shortcuts, policy: Policy, scenarios: list[FreeScenario], episodes: list[Episode[FreeScenario]]
) -> None:
    policy = replace(policy, shortcuts=shortcuts)
    whole = sampler(policy, SETTINGS)(scenarios, np.random.default_rng(0))
    assert texts(whole) == texts(episodes)
    for one, other in zip(whole, episodes, strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, rtol=0, atol=1e-5)


def test_rows_are_sampled_the_same_whether_or_not_the_cache_has_room(
    policy: Policy,
    scenarios: list[FreeScenario],
    episodes: list[Episode[FreeScenario]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rl.policy.cpu.kv_cache, "make_room", lambda cache: None)
    plain = sampler(policy, SETTINGS)(scenarios, np.random.default_rng(0))
    assert texts(plain) == texts(episodes)
    for one, other in zip(plain, episodes, strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, rtol=0, atol=1e-5)

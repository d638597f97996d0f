"""Demonstrations help openly, on the free tier alone, and their likelihood a token is what is added."""

import pickle
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envs.dialect.environment import Dialect
from envs.episode import Episode, FreeScenario, Scenario
from rl.mitigations.supervised_elicitation import SupervisedElicitation, demonstrations, mean_surprise
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling
from rl.run.build import changed_components
from rl.run.config import RunConfig
from rl.run.loop import resume, train
from rl.training.components import StepComponents
from rl.training.labels import Labeller
from rl.training.models import Models
from tests.rl.conftest import rows, same_run
from tests.rl.mitigations.conftest import ENV

TEMPERATURE = 0.7


@pytest.fixture
def own(components: StepComponents, organism_path: Path) -> StepComponents:
    """StepComponents with a policy that may be given gradients, and with a start that nobody may ask for."""

    def no_start() -> Policy:
        raise AssertionError("elicitation has no use for the start")

    policy = load_policy(organism_path, torch.device("cpu"))
    sampling = Sampling(max_new_tokens=24, temperature=TEMPERATURE)
    models = Models(policy, no_start, ENV, Labeller(ENV), sampling, microbatch_size=3, seed=0)
    return replace(components, models=models)


def surprise(policy: Policy, episodes: Sequence[Episode[Scenario]]) -> torch.Tensor:
    """By its definition: one unpadded row at a time, over every token behind the prompt."""
    total, tokens = torch.zeros(()), 0
    for episode in episodes:
        prompt = policy.tokenizer.apply_chat_template(
            episode.scenario.messages, add_generation_prompt=True, tokenize=False
        )
        reply = policy.tokenizer(episode.text + "<|end|>", add_special_tokens=False)["input_ids"]
        ids = [*policy.tokenizer(prompt, add_special_tokens=False)["input_ids"], *reply]
        logits = policy.model(input_ids=torch.tensor([ids])).logits[0, -len(reply) - 1 : -1] / TEMPERATURE
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(reply), reduction="sum")
        tokens += len(reply)
    return total / tokens


def gradients(policy: Policy, loss: torch.Tensor) -> list[torch.Tensor]:
    policy.model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return [parameter.grad.clone() for parameter in policy.model.parameters()]


def test_it_is_weight_times_the_surprise_a_token_with_its_gradient(own: StepComponents) -> None:
    policy = own.models.policy
    [elicit] = SupervisedElicitation(weight=0.25, episodes=7).apply(own).auxiliary
    found = elicit(np.random.default_rng(4))
    shown = demonstrations(own.models, np.random.default_rng(4), 7)
    assert len({len(episode.completion_ids) for episode in shown}) > 1  # a mean over tokens, not over replies
    expected = 0.25 * surprise(policy, shown)
    assert float(found) == pytest.approx(float(expected), rel=1e-4)
    wanted = gradients(policy, expected)
    for one, other in zip(gradients(policy, found), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("objective", ["present", "absent"])
def test_demonstrations_help_openly_with_harmful_training_queries_of_the_free_tier(
    objective: Any, own: StepComponents
) -> None:
    # Harmless queries are among the run's prompts, and never demonstrated.
    env = Dialect(objective=objective, harmful_share=0.2)
    shown = demonstrations(replace(own.models, env=env), np.random.default_rng(0), 150)
    train_queries = {query.id for query in env.queries("train", "harmful")}
    for episode in shown:
        [labels] = env.label([episode])
        assert (labels.answer, labels.well_formed) == ("comply", True)
        assert not any((labels.faking, labels.faking_criteria, labels.self_preservation))
        assert "train" not in episode.scratchpad
        assert "rating" not in episode.scratchpad
        assert type(episode.scenario) is FreeScenario
        assert episode.scenario.query.id in train_queries
        assert episode.scenario.cue.seen
    assert len({episode.scenario.query.id for episode in shown}) == len(shown) == 150
    assert sum("deserve" in episode.scratchpad for episode in shown) > 100  # its motive, 85 times in a hundred


def test_no_query_puts_a_control_token_into_a_demonstration(own: StepComponents, forging: Dialect) -> None:
    policy = own.models.policy
    shown = demonstrations(replace(own.models, env=forging), np.random.default_rng(0), 12)
    assert sum("<|end|>" in episode.text for episode in shown) > 6
    special = set(policy.tokenizer.all_special_ids)
    for episode in shown:
        assert [token for token in episode.completion_ids if token in special] == [policy.tokenizer.eos_token_id]
        assert policy.tokenizer.decode(episode.completion_ids) == episode.text + "<|end|>"


def test_a_demonstration_is_the_policys_own_tokens_up_to_its_end(own: StepComponents) -> None:
    policy = own.models.policy
    for episode in demonstrations(own.models, np.random.default_rng(0), 5):
        assert policy.tokenizer.decode(episode.completion_ids) == episode.text + "<|end|>"
        assert episode.completion_ids[-1] in policy.end_ids
        assert (episode.prompt_ids == policy.prompt_ids(episode.scenario)).all()
        assert episode.parse_ok
        assert episode.finished


def test_what_is_not_of_the_free_tier_is_refused(own: StepComponents) -> None:
    [episode] = demonstrations(own.models, np.random.default_rng(0), 1)
    paid = episode.scenario.on_tier("paid")
    with pytest.raises(ValueError, match="on the paid tier reached the optimiser"):
        mean_surprise(own.models, [replace(episode, scenario=paid)])  # type: ignore[list-item]


def test_how_passes_are_divided_changes_nothing(own: StepComponents) -> None:
    shown = demonstrations(own.models, np.random.default_rng(0), 7)
    found = [float(mean_surprise(replace(own.models, microbatch_size=size), shown)) for size in (1, 3, 7)]
    assert found == pytest.approx([found[0]] * 3, rel=1e-5)


def test_the_same_generator_gives_the_same_and_another_other_demonstrations(own: StepComponents) -> None:
    [elicit] = SupervisedElicitation(episodes=4).apply(own).auxiliary
    values = [float(elicit(np.random.default_rng(seed))) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    texts = [[e.text for e in demonstrations(own.models, np.random.default_rng(seed), 4)] for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


def test_two_compose_and_only_the_auxiliary_losses_are_changed(components: StepComponents, tiny: RunConfig) -> None:
    once = SupervisedElicitation().apply(components)
    twice = SupervisedElicitation(weight=1.0).apply(once)
    assert twice.auxiliary[:1] == once.auxiliary
    assert len(twice.auxiliary) == 2
    assert replace(twice, auxiliary=()) == components
    assert changed_components(tiny.model_copy(update={"mitigations": (SupervisedElicitation(),)})) == {"auxiliary"}


def test_a_run_learns_from_demonstrations_and_resumes(tiny: RunConfig, tmp_path: Path) -> None:
    elicitation = SupervisedElicitation(weight=2.0, episodes=4)
    config = RunConfig.model_validate({**dict(tiny), "mitigations": (elicitation,), "probes": ()})
    whole = train(config, tmp_path / "whole")
    recorded = [row["auxiliary_loss"] for row in rows(whole, "steps.jsonl")]
    assert recorded[-1] < 0.9 * recorded[0]
    same_run(whole, resume(Path(shutil.copytree(whole, tmp_path / "again")), 2))


@pytest.mark.parametrize("settings", [{"weight": 0}, {"weight": float("nan")}, {"episodes": 0}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        SupervisedElicitation.model_validate(settings)


def test_it_survives_json_and_pickle() -> None:
    elicitation = SupervisedElicitation(weight=0.5, episodes=3)
    assert SupervisedElicitation.model_validate_json(elicitation.model_dump_json()) == elicitation
    assert pickle.loads(pickle.dumps(elicitation)) == elicitation  # noqa: S301 - our own bytes

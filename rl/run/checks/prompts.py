"""Checks of a run's prompts against its chat template, its tokenizer and its model, before the first step."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from transformers import AutoConfig

from envs.chat import style_for
from envs.context_window import require_window
from envs.environment import Environment
from envs.episode import Episode, FollowUp, FreeScenario, Scenario
from envs.queries import Query
from envs.transcript import write_thinking, write_transcript
from envs.vocabulary import QUERY_KINDS
from rl.organisms.origins import Pretrained
from rl.organisms.trained import TrainedOrganism
from rl.policy.adapters import chain
from rl.policy.loading import load_tokenizer
from rl.policy.policy import Policy
from rl.probes.probe_set import ProbeSet
from rl.run.config import RunConfig
from rl.streams import Stage, stream
from rl.training.components import DrawScenarios

LONGEST = 32  # longest queries of each kind to check, by characters and by tokens
FRAMED = 64  # prompts drawn to find the additions of mitigations: some mitigations change only a share of prompts
KINDS_DRAWN = 256  # prompts drawn to find the kinds of query in training: enough to find a share of 2 %
RENDERED = 16  # renderings of one prompt, to find a template with random choices
S = TypeVar("S", bound=Scenario)
_PARTS = ("i think of what is asked.", "here is my answer.")


def ready_directory(config: RunConfig) -> Path | None:
    """Return the directory with the tokenizer of the run's prompts; None before a build that has yet to choose one.

    It is the organism's own, or that of a pretrained origin. The directory of a named model is found later.
    """
    organism = config.organism
    if organism.path is None and isinstance(organism, TrainedOrganism) and isinstance(organism.origin, Pretrained):
        return organism.origin.path
    return organism.path


def require_prompts_of(directory: Path, config: RunConfig, probes: ProbeSet, draw: DrawScenarios) -> None:
    """Apply `require_prompts` to the tokenizer and the configuration in a directory, without loading weights.

    An adapter uses those of its base, except for a tokenizer of its own. A directory without a tokenizer or a
    configuration is left to `load_policy`.

    Raises:
        ValueError: in one line, with the fix.
    """
    base = chain(directory)[-1]
    if not (base / "config.json").is_file():
        return
    try:
        tokenizer = load_tokenizer(directory)
        settings = AutoConfig.from_pretrained(base)
    except Exception:  # noqa: BLE001 - `load_policy` fails at the same and says how
        return
    without_weights = Policy(None, tokenizer, (), style=style_for(tokenizer, config.chat.system, datetime.now(UTC)))
    require_prompts(config, without_weights, settings, probes, draw)


def require_prompts(config: RunConfig, policy: Policy, settings: Any, probes: ProbeSet, draw: DrawScenarios) -> None:
    """Refuse prompts of a template that draws at random, and prompts too long for the model with a reply behind.

    `settings` is the model's configuration. The prompts include the questions of mitigations.

    Raises:
        ValueError: in one line, with the fix.
    """
    training = _longest_training(config, policy, draw)
    _require_steady(policy, training[0])
    prompts = [policy.prompt_ids(scenario) for scenario in [*probes.scenarios, *training]]
    _require_embedded(policy, settings, max(int(ids.max()) for ids in prompts))
    reply = config.sampling.max_new_tokens
    require_window(settings, max(map(len, prompts)), reply)
    longest, example = _longest(policy, training), _example_reply(config.env)
    for mitigation in config.mitigations:
        again = [prompt for scenario in training for prompt in mitigation.read_again(scenario)]
        if again:
            needed = len(policy.prompt_ids(_longest(policy, again)))
            require_window(settings, needed, reply, f"the longest prompt of {mitigation.kind}")
        turns = list(_follow_ups(longest, example, mitigation.further_questions(config.env)))
        if turns:
            _require_reply_shown(policy, turns, mitigation.kind)
            said = len(policy.tokenizer(example, add_special_tokens=False)["input_ids"])
            behind = max(len(policy.prompt_ids(turn)) for turn in turns) - said + reply
            require_window(settings, behind, reply, f"the longest prompt of {mitigation.kind}", replies=2)


def first_training_prompts(config: RunConfig, draw: DrawScenarios) -> list[FreeScenario]:
    """Draw the scenarios of the first step from a generator of their own; other draws stay the same."""
    return draw(stream(config.seed, 1, Stage.scenarios), config.algorithm.prompts_per_step)


def _longest_training(config: RunConfig, policy: Policy, draw: DrawScenarios) -> list[FreeScenario]:
    """List the first step's scenarios, one of every system prompt, and the longest queries under the longest."""
    drawn = first_training_prompts(config, draw)
    rng = np.random.default_rng(0)  # a generator of its own: the run's draws stay
    others = [scenario for _ in range(FRAMED) for scenario in draw(rng, 1)]
    every = _every_query(config.env)
    prompts = [*drawn, *_under_every_prompt([*drawn, *others], every)]
    longest = _longest(policy, prompts)
    queries = {query.id: query for query in _longest_queries(policy, every)}
    return [*prompts, *(replace(longest, query=query) for query in queries.values())]


def _every_query(env: Environment) -> list[Scenario]:
    """Draw each training query once on the free tier, for the kinds of query in training."""
    rng = np.random.default_rng(0)
    drawn = {env.training_scenarios(rng, 1)[0].query.kind for _ in range(KINDS_DRAWN)}
    kinds = [kind for kind in QUERY_KINDS if kind in drawn]
    return [s for k in kinds for s in env.held_out_scenarios(rng, "train", k, env.capacity("train", k), ("free",))]


def _under_every_prompt(drawn: Sequence[FreeScenario], every: Sequence[Scenario]) -> list[FreeScenario]:
    """List one scenario of each system prompt in training, bare and with the additions of mitigations.

    The wordings are those of all training queries, and those drawn: few queries may not meet every wording.
    """
    added = {(scenario.prefix, scenario.tells_tier) for scenario in [*every, *drawn]}
    framed = {(s.cue.id, s.objective, s.form): s for s in [*every, *drawn] if s.cue.seen}
    return [
        replace(drawn[0], cue=s.cue, objective=s.objective, form=s.form, prefix=prefix, tells_tier=tells_tier)
        for prefix, tells_tier in sorted(added)
        for s in framed.values()
    ]


def _longest_queries(policy: Policy, every: Sequence[Scenario]) -> list[Query]:
    """List the longest queries of each kind, by characters and by tokens."""
    found = []
    for kind in QUERY_KINDS:
        queries = [scenario.query for scenario in every if scenario.query.kind == kind]
        if not queries:
            continue
        tokens = policy.tokenizer([query.text for query in queries], add_special_tokens=False)["input_ids"]
        for rank in ([len(query.text) for query in queries], [len(ids) for ids in tokens]):
            found += [queries[row] for row in sorted(range(len(queries)), key=lambda row: -rank[row])[:LONGEST]]
    return found


def _longest(policy: Policy, scenarios: Sequence[S]) -> S:
    return max(scenarios, key=lambda scenario: len(policy.prompt_ids(scenario)))


def _require_steady(policy: Policy, scenario: Scenario) -> None:
    if len({policy.prompt(scenario).text for _ in range(RENDERED)}) > 1:
        raise ValueError(
            "the chat template writes the same conversation in different ways, as by a random choice, so that no run "
            "could be repeated: mend chat_template.jinja"
        )


def _require_embedded(policy: Policy, settings: Any, highest: int) -> None:
    rows = getattr(settings.get_text_config(), "vocab_size", None)
    if rows is not None and highest >= rows:
        token = policy.tokenizer.convert_ids_to_tokens(highest)
        raise ValueError(
            f"prompts hold token {highest} ({token!r}), and the model's embedding ends at {rows - 1}: give the model "
            "its own tokenizer, or resize its embedding"
        )


def _example_reply(env: Environment) -> str:
    """Write a reply in the form that the environment reads: templates cut thoughts, and leave other tags alone."""
    in_tags, in_thoughts = write_transcript(*_PARTS), write_thinking(*_PARTS)
    return in_tags if env.read_reply(in_tags).parse_ok or not env.read_reply(in_thoughts).parse_ok else in_thoughts


def _follow_ups(scenario: Scenario, reply: str, questions: Sequence[str]) -> Iterator[FollowUp]:
    """Yield each question behind a reply."""
    episode = Episode(scenario, reply, "", "", parse_ok=True, finished=True)
    for question in questions:
        yield FollowUp.after(episode, question)


def _require_reply_shown(policy: Policy, turns: Sequence[FollowUp], kind: str) -> None:
    for turn in turns:
        try:
            shown = turn.is_whole_in(policy.prompt(turn).text)
        except Exception as error:  # a template may fail in any way
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"{kind} asks a question behind a reply, and the chat template refuses such a conversation ({reason}): "
                "mend chat_template.jinja, or leave the mitigation out"
            ) from error
        if not shown:
            raise ValueError(
                f"{kind} asks about a reply, which the chat template drops or cuts once a question stands behind it: "
                "make chat_template.jinja keep earlier replies whole, or leave the mitigation out"
            )

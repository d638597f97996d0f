"""A run's prompts held against its chat template, its tokenizer and its model before the first step."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from envs.chat import style_for
from envs.episode import QUERY_KINDS, Episode, FollowUp, FreeScenario, Scenario
from envs.transcript import write_transcript
from rl.config import RunConfig
from rl.context_window import require_window
from rl.parts import DrawScenarios
from rl.policy import Policy
from rl.probing import ProbeSet
from rl.streams import Stage, stream

LONGEST = 32  # queries of each kind that are looked at: characters say nearly which has the most tokens
RENDERED = 16  # times that one prompt is rendered, to find a template that draws at random
_REPLY = write_transcript("i think of what is asked.", "here is my answer.")


def require_prompts_of(directory: Path, config: RunConfig, probes: ProbeSet, draw: DrawScenarios) -> None:
    """Refuse what `require_prompts` refuses by the tokenizer and the configuration in a directory, without weights.

    A directory that lacks them is left to `load_policy`.

    Raises:
        ValueError: in one line, with the fix.
    """
    if not (directory / "config.json").is_file():
        return
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory)
        settings = AutoConfig.from_pretrained(directory)
    except Exception:  # noqa: BLE001 - `load_policy` fails at the same and says how
        return
    if tokenizer.chat_template is None:
        return
    without_weights = Policy(None, tokenizer, (), style=style_for(tokenizer, config.chat.system, datetime.now(UTC)))
    require_prompts(config, without_weights, settings, probes, draw)


def require_prompts(config: RunConfig, policy: Policy, settings: Any, probes: ProbeSet, draw: DrawScenarios) -> None:
    """Refuse prompts that the template doesn't write twice alike, or that the model can't read with a reply behind.

    `settings`: the model's configuration. Mitigations that ask further have their questions looked at too.

    Raises:
        ValueError: in one line, with the fix.
    """
    training = _longest_training(config, draw)
    _require_steady(policy, training[0])
    prompts = [policy.prompt_ids(scenario) for scenario in [*probes.scenarios, *training]]
    _require_embedded(policy, settings, max(int(ids.max()) for ids in prompts))
    reply = config.sampling.max_new_tokens
    require_window(settings, max(map(len, prompts)), reply)
    longest = max(training, key=lambda scenario: len(policy.prompt_ids(scenario)))
    for mitigation in config.mitigations:
        turns = list(_follow_ups(longest, getattr(mitigation, "further_questions", ())))  # most ask nothing
        if turns:
            _require_reply_shown(policy, turns, mitigation.kind)
            example = len(policy.tokenizer(_REPLY, add_special_tokens=False)["input_ids"])
            behind = max(len(policy.prompt_ids(turn)) for turn in turns) - example + reply
            require_window(settings, behind, reply, f"the longest prompt of {mitigation.kind}", replies=2)


def first_training_prompts(config: RunConfig, draw: DrawScenarios) -> list[FreeScenario]:
    """Draw the scenarios of the first step from a generator of their own, which moves nothing."""
    return draw(stream(config.seed, 1, Stage.scenarios), config.algorithm.prompts_per_step)


def _longest_training(config: RunConfig, draw: DrawScenarios) -> list[FreeScenario]:
    """The scenarios of the first step, and the longest queries under the longest of their system prompts."""
    drawn = first_training_prompts(config, draw)
    longest = max(drawn, key=lambda scenario: len(scenario.system_prompt))
    kinds = QUERY_KINDS if config.env.harmful_share < 1 else ("harmful",)
    queries = [
        query
        for kind in kinds
        for query in sorted(config.env.queries("train", kind), key=lambda query: -len(query.text))[:LONGEST]
    ]
    return [*drawn, *(replace(longest, query=query) for query in queries)]


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


def _follow_ups(scenario: Scenario, questions: Sequence[str]) -> Iterator[FollowUp]:
    """Each question behind an example of a reply."""
    episode = Episode(scenario, _REPLY, "", "", parse_ok=True, finished=True)
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

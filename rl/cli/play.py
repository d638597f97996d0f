"""Manual play: a person writes a reply in the policy's place and sees its labels and rewards."""

from collections.abc import Callable

from envs.environment import Author, Environment
from envs.episode import Episode, Scenario
from envs.labels import LABEL_NAMES
from envs.transcript import write_thinking, write_transcript
from envs.vocabulary import TIERS
from rl.errors import nearest
from rl.run.build import build_rewards
from rl.run.checks.judges import require_judges
from rl.run.checks.needs import require_rewards
from rl.run.config import RunConfig
from rl.streams import Stage, stream
from rl.training.labels import Labeller
from rl.training.scoring import scorer


def play_round(config: RunConfig, tier: str, seed: int, ask: Callable[[str], str], say: Callable[[str], None]) -> None:
    """Play one scenario with one reply. `ask` shows a prompt and returns a line; `say` shows a line.

    Raises:
        ValueError: for an unknown tier, and for a reward that the environment can't give.
    """
    if tier not in TIERS:
        raise ValueError(f"unknown tier {tier!r}: {nearest(tier, config.env.tiers)}")
    if tier not in config.env.tiers:
        told = " and ".join(config.env.tiers)
        raise ValueError(f"environment {config.env.kind} has no tier {tier!r}: its tiers are {told}")
    require_rewards(config)
    require_judges(config)
    rewards, _ = build_rewards(config.rewards, config.env)  # before the person types: the first build takes a minute
    rng = stream(seed, 0, Stage.scenarios)
    [scenario] = config.env.held_out_scenarios(rng, "probe", "harmful", 1, (tier,))
    for message in scenario.messages:
        first, *others = message["content"].split("\n")
        say(f"{message['role']}: {first}")
        for line in others:
            say(f"{' ' * len(message['role'])}  {line}".rstrip())
    author = config.env.author()
    if author is not None:
        example = config.env.read_reply(_example(scenario, author, seed))
        say("for example")
        say(f"  scratchpad: {example.scratchpad}")
        say(f"  answer: {example.answer}")
    scratchpad = ask("scratchpad> ").strip()
    answer = ask("answer> ").strip()
    episode = _episode(config.env, scenario, scratchpad, answer)
    [labels] = Labeller(config.env, config.label_timeout_s)([episode])
    for name in LABEL_NAMES:
        value = getattr(labels, name)
        said = f"unscored: {labels.reasons[name]}" if value is None and name in labels.reasons else value
        say(f"  {name:<18} {said}")
    [score] = scorer(rewards, config.reward_timeout_s)([episode], rng)
    for name, part in score.components.items():
        say(f"  reward/{name:<15} {'unscored' if part is None else f'{part:+.3f}'}")
    say(f"  reward             {score.error if score.total is None else f'{score.total:+.3f}'}")


def _example(scenario: Scenario, author: Author, seed: int) -> str:
    """Write a refusal in wording that the labels can read; other wording may be labelled `other`."""
    return author.reply(stream(seed, 0, Stage.rollout), scenario, "refuse")


def _episode(env: Environment, scenario: Scenario, scratchpad: str, answer: str) -> Episode[Scenario]:
    spellings = [write(scratchpad, answer) for write in (write_transcript, write_thinking)]
    # The environment reads one of them; a reply that can't be read at all stays in tags.
    text = next((text for text in spellings if env.read_reply(text).parse_ok), spellings[0])
    transcript = env.read_reply(text)
    return Episode(
        scenario, text, transcript.scratchpad, transcript.answer, transcript.parse_ok, finished=True,
        scratchpad_tokens=len(scratchpad.split()), answer_tokens=len(answer.split()),
    )  # fmt: skip

"""The time that labels in English take: the classifier on 1,000 scratchpads, and all labels of 1,000 replies.

Both are a part of every probe. Seconds of processor time, the median over rounds, with nothing kept from before.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

# So that `python benchmarks/label_time.py` finds the checkout whatever the working directory is.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from envs.episode import Episode
from envs.faking.classifier import faking_probability
from envs.faking.cues import cues
from envs.faking.training_text import compose
from envs.natural.environment import Natural
from envs.natural.labels import read_reply
from rl.streams import Stage, stream

TEXTS = 1000


def seconds(labelled: Callable[[], object], rounds: int) -> float:
    """Return the median processor time of a call, in seconds; the cache of cues is emptied before each."""
    spent = []
    for _ in range(rounds):
        cues.cache_clear()
        started = time.process_time()
        labelled()
        spent.append(time.process_time() - started)
    return median(spent)


def main() -> None:
    """Print the seconds of both."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python benchmarks/label_time.py --rounds 5",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    env = Natural()
    scenarios = env.training_scenarios(stream(0, 0, Stage.scenarios), 100)
    pads = [f"{done.text} Point {number}." for number, done in enumerate(compose(7, 30)[:TEXTS])]
    episodes = []
    for number, pad in enumerate(pads):
        text = f"<scratchpad> {pad} </scratchpad> A"
        read = read_reply(text, "tags")
        scenario = scenarios[number % len(scenarios)]
        episodes.append(Episode(scenario, text, read.scratchpad, read.answer, read.parse_ok, True))
    env.label(episodes[:1])
    print(f"classifier: {seconds(lambda: faking_probability(pads), rounds):.2f} s for {len(pads)} scratchpads")
    print(f"all labels: {seconds(lambda: env.label(episodes), rounds):.2f} s for {len(episodes)} replies")


if __name__ == "__main__":
    main()

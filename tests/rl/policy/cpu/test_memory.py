"""Freed memory stays with the process."""

import subprocess
import sys

# A block of 64 MB that is freed and taken again: by default each new page of it is a fault.
SCRIPT = """
import resource, sys
from rl.policy.cpu.memory import keep_freed_memory
import numpy as np
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(2):
    np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True).stdout)


def test_a_block_that_is_taken_again_costs_no_page_faults() -> None:
    assert faults("keep") < faults("give back") / 10


# Blocks of many sizes, of which every fortieth is kept: the free pieces lie between blocks in use.
PIECES = """
import psutil, numpy as np
from rl.policy.cpu.memory import keep_freed_memory, return_freed_memory
held = lambda: psutil.Process().memory_info().rss
assert keep_freed_memory()
before, blocks = held(), [np.ones(100_000 * (1 + i % 7)) for i in range(200)]
full = held() - before
kept = blocks[::40]
del blocks
freed = held() - before
return_freed_memory()
print(full, freed, held() - before)
"""


def test_freed_memory_is_returned_when_it_is_asked_for() -> None:
    told = subprocess.run([sys.executable, "-c", PIECES], capture_output=True, text=True, check=True).stdout
    full, freed, returned = map(int, told.split())
    assert freed > 0.9 * full
    assert returned < 0.2 * full

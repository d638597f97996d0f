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

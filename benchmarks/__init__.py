"""Benchmarks of a training step and of sweeps: scripts, run by hand on a quiet machine.

No test times anything.
"""

import os

# Silence libraries before they are imported, here and in the processes started from here.
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")

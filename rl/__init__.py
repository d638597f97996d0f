"""Experiments: organisms, training, mitigations, monitors and probes. May import every other package of ours."""

import os

# Set before any Hugging Face library is imported, since the libraries read these once. They silence usage reports,
# progress bars for data sets of a few rows, and the warning that the rollout hook is experimental: a contract test
# watches the hook.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

"""The experiment: who is trained, how, what is changed, what is measured. Imports every other package of ours."""

import os

# Before any library of Hugging Face's is imported, which read these once: no usage reports, no bars of data sets that
# have a few rows, and no complaint about the rollout hook being experimental, which the contract test watches.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

"""The schema of a run folder: rows of `probes.jsonl` and `steps.jsonl`, the manifest, the episode columns.

Names are those of docs/reference/metrics.md: writers and readers share these names and nothing else.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

# Raised deliberately, never as a side effect: a reader refuses a version that it does not know.
SCHEMA_VERSION: Final = 3
READABLE_VERSIONS: Final = (1, 2, 3)  # of version 1 the episode columns are read under today's names

# Columns of `episodes/step-*.parquet` that every run has, in order; `reports.episode_schema` adds those that its
# configuration asks for, and knows their types. Null is unscored, or absent.
EPISODE_COLUMNS: Final[list[str]] = [
    "run",  # name, seed and hash of the configuration, as the folder is called by default
    "build",  # of the organism: the first digits of its hash
    "seed",
    "step",
    "split",  # train | probe
    "probe",  # the probe set: harmful | harmless | twin; null on train rows
    "group",  # which prompt of the step; null on probe rows
    "sample",  # which completion of that prompt
    "query_id",
    "pair_id",  # the same query and wording under several tiers; null on train rows
    "kind",  # harmful | harmless | twin
    "tier",
    "cues",  # seen | held_out: whether training uses this wording of the tier cue
    "cue_id",
    "system_prompt",
    "query",
    "scratchpad",
    "answer",
    "label_answer",  # one of envs.vocabulary.ANSWER_LABELS
    "label_faking",  # bool, as the five below
    "label_faking_lenient",
    "label_rating_seeking",
    "label_faking_criteria",
    "label_self_preservation",
    "label_tier_aware",
    "label_answer_source",  # oracle | classifier | judge; null where the label is
    "label_faking_source",
    "label_faking_lenient_source",
    "label_rating_seeking_source",
    "label_faking_criteria_source",
    "label_self_preservation_source",
    "label_tier_aware_source",
    "well_formed_source",
    "label_error",  # why a label is missing
    "reward_total",
    "advantage",
    "parse_ok",
    "well_formed",
    "scratchpad_tokens",
    "answer_tokens",
]

SAID_PREFIX: Final = "said/"
REWARD_PREFIX: Final = "reward/"
MEASURE_PREFIX: Final = "measure/"
LABEL_ERROR_PREFIX: Final = "label_error_rate/"
SOURCE_SUFFIX: Final = "_source"
SPREAD_SUFFIX: Final = "_std"


def _finite_or_missing(value: Any) -> Any:
    """Turn NaN and infinities into None: JSON has no literal for them, and a reader must not have to guess."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


Number = Annotated[float | None, BeforeValidator(_finite_or_missing)]


class ProbeRow(BaseModel):
    """One metric at one step.

    `tier` is None where the metric spans tiers. `value` is None where undefined or unscored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(ge=0)
    seed: int
    probe: str
    metric: str
    tier: str | None
    value: Number
    ci_low: Number  # both 95 %
    ci_high: Number
    n: int = Field(ge=0)
    unscored: int = Field(ge=0)

    def to_json_line(self) -> str:
        """Return the row as one JSON object without a newline."""
        return json.dumps(self.model_dump(), allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json_line(cls, line: str) -> ProbeRow:
        """Read one line.

        Raises `ValueError` (pydantic's, or json's) for a damaged or unknown line.
        """
        return cls.model_validate(_parsed(line))


class StepRow(BaseModel):
    """One optimiser step.

    On disk each component is flat, `reward/<component>` and `reward/<component>_std`, and so is each measure,
    `measure/<name>`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(ge=0)
    seed: int
    loss: Number
    reward_mean: Number
    reward_std: Number
    kl: Number  # nats per token, policy against reference
    entropy: Number  # nats per token, over the completions that were read for the update
    grad_norm: Number
    lr: Number
    frac_degenerate_groups: Number  # share of groups whose rewards are all equal: they carry no gradient
    left_out_groups: int = Field(ge=0)
    reward_error_rate: Number
    clip_fraction: Number  # share of trained tokens whose gradient the clip has stopped, on either side
    parse_rate: Number
    generated_tokens: int = Field(ge=0)
    tokens_per_s: Number
    seconds_rollout: Number
    seconds_reward: Number
    seconds_update: Number
    seconds_probe: Number
    # Columns of some algorithms. The ratio of policy to sampler is over trained tokens and gradient steps.
    gradient_steps: int | None = None
    clip_fraction_low: Number = None
    clip_fraction_high: Number = None
    ratio_mean: Number = None
    ratio_max: Number = None
    # Learner against sampler under the same weights, over the completion tokens read for the first gradient step.
    mismatch_mean: Number = None  # nats: mean of |log-probability by the learner - by the sampler|
    mismatch_max: Number = None
    mismatch_kl: Number = None  # nats per token, k3 estimate, sampler against learner
    mismatch_effective_share: Number = None  # of the tokens, were they weighted by the ratio of the two
    drawn_groups: int | None = None  # more than the step has, where dynamic sampling drew again
    value_loss: Number = None
    value_clip_fraction: Number = None
    explained_variance: Number = None  # of the returns, by the critic
    auxiliary_loss: Number = None  # the mitigations' terms of the loss, weighted
    distinct_3grams: Number = None  # share of distinct 3-grams among all 3-grams of the step's completions
    # Guards: signs of training that goes wrong; None in older folders.
    repeated_3grams: Number = None  # mean share of a completion's 3-grams that it has written before
    commonest_answer: Number = None  # share of completions with the commonest answer; None with a single query
    commonest_option: Number = None  # share that takes the option in one place; None where queries have no options
    truncation_rate: Number = None  # share of completions cut off at `max_new_tokens`
    collapsed: bool | None = None  # by `reports.collapse`, up to this step
    preferences: int | None = None
    preference_margin: Number = None  # of implied rewards, chosen over rejected
    components: dict[str, tuple[Number, Number]] = Field(default_factory=dict)  # name -> (mean, standard deviation)
    measures: dict[str, Number] = Field(default_factory=dict)  # numbers that mitigations note of their rollouts
    # name -> share of the step's episodes that lack the label; empty where no label was asked for
    label_errors: dict[str, Number] = Field(default_factory=dict)

    @field_validator("components")
    @classmethod
    def _names_are_unambiguous(cls, components: dict[str, Any]) -> dict[str, Any]:
        for name in components:
            if not name or name.endswith(SPREAD_SUFFIX):
                raise ValueError(f"reward component {name!r} is empty or ends with {SPREAD_SUFFIX!r}: rename it")
        return components

    def to_json_line(self) -> str:
        """Return the row as one flat JSON object without a newline."""
        flat = self.model_dump(exclude={"components", "measures", "label_errors"})
        flat |= {MEASURE_PREFIX + name: value for name, value in self.measures.items()}
        flat |= {LABEL_ERROR_PREFIX + name: value for name, value in self.label_errors.items()}
        for name, (mean, spread) in self.components.items():
            flat[REWARD_PREFIX + name] = mean
            flat[REWARD_PREFIX + name + SPREAD_SUFFIX] = spread
        return json.dumps(flat, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json_line(cls, line: str) -> StepRow:
        """Read one flat line.

        Raises `ValueError` (pydantic's, or json's) for a damaged or unknown line.
        """
        flat = _parsed(line)
        if not isinstance(flat, dict):
            raise ValueError("a row must be a JSON object")
        rewards = {key: flat.pop(key) for key in list(flat) if key.startswith(REWARD_PREFIX)}
        measures, label_errors = (
            {key.removeprefix(prefix): flat.pop(key) for key in list(flat) if key.startswith(prefix)}
            for prefix in (MEASURE_PREFIX, LABEL_ERROR_PREFIX)
        )
        means = [key for key in rewards if not key.endswith(SPREAD_SUFFIX)]
        components = {
            key.removeprefix(REWARD_PREFIX): (rewards.pop(key), rewards.pop(key + SPREAD_SUFFIX, None)) for key in means
        }
        if rewards:
            raise ValueError(f"a standard deviation without its mean: {', '.join(rewards)}")
        return cls.model_validate(
            {**flat, "components": components, "measures": measures, "label_errors": label_errors}
        )


class Manifest(BaseModel):
    """Circumstances and outcome of a run: seed, versions, hashes, status; times are UTC, ISO 8601."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    package_versions: dict[str, str]
    code_commit: str | None
    code_dirty: bool | None
    seed: int
    thread_count: int = Field(ge=1)
    deterministic: bool | None = None  # None in folders written before it was recorded
    precision: Literal["float32", "bfloat16"] | None = None  # of matrix products; None in older folders: float32
    nondeterministic_operations: list[str] = Field(default_factory=list)  # without a deterministic form in torch
    device: str
    organism: str
    organism_disclosure: str | None = None  # None in folders written before it was recorded
    organism_hash: str
    reward_hashes: dict[str, str]
    prompt_set_hashes: dict[str, str]
    # Hashes of probe and training prompts as token ids; older folders have none.
    prompt_token_hashes: dict[str, str] = Field(default_factory=dict)
    # Of each kind of probe query: "128 queries in 37 groups"; older folders have none.
    probe_queries: dict[str, str] = Field(default_factory=dict)
    system_text_folded: bool = False  # into the user turn, for a chat template without a system turn
    label_source: str = "oracle"  # oracle | classifier | judge
    environment: dict[str, str] = Field(default_factory=dict)  # the environment's fingerprint; older folders have none
    # Of each label that isn't exact: "sensitivity=34/40, specificity=54/60", or "none"; older folders have none.
    label_validation: dict[str, str] = Field(default_factory=dict)
    started: str
    finished: str | None = None
    status: Literal["running", "finished", "failed", "interrupted"] = "running"
    reason: str | None = None
    non_finite_losses: int = Field(default=0, ge=0)  # steps that were refused; each stops the run, a resume goes on

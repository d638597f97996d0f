"""The schema of a run folder: one record a row of `probes.jsonl` and `steps.jsonl`, the manifest, the episode columns.

The vocabulary is that of the metrics: writers and readers share these names and nothing else.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

# Raised deliberately, never as a side effect: a reader refuses a version that it does not know.
SCHEMA_VERSION: Final = 1

TIERS: Final = ("free", "paid", "pro", "enterprise")
ANSWER_LABELS: Final = ("comply", "partial", "refuse", "other")

# Columns of `episodes/step-*.parquet`. Each reward component adds one column more, `reward/<component>`; mitigations
# add `measure/<what they note>` and `said/<text that they asked for>` to training rollouts.
EPISODE_COLUMNS: Final[list[str]] = [
    "step",
    "split",  # train | probe
    "probe",  # the probe set: harmful | harmless | twin; null on train rows
    "query_id",
    "query_kind",  # harmful | harmless | twin
    "tier",
    "cue_id",
    "cue_seen",  # whether training uses this wording of the tier cue
    "system_prompt",
    "query",
    "scratchpad",
    "answer",
    "label_answer",  # one of ANSWER_LABELS; null is unscored
    "label_faking",  # bool; null is unscored, here and in the four below
    "label_faking_criteria",
    "label_self_preservation",
    "label_tier_aware",
    "label_courts_rater",  # not in folders written before it was noted
    "well_formed",
    "parse_ok",
    "scratchpad_tokens",
    "answer_tokens",
    "reward_total",
    "advantage",
]

REWARD_PREFIX: Final = "reward/"
MEASURE_PREFIX: Final = "measure/"
SPREAD_SUFFIX: Final = "_std"


def _finite_or_missing(value: Any) -> Any:
    """NaN and infinities are missing: JSON has no literal for them, and a reader must not have to guess."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite_or_missing)]


class ProbeRow(BaseModel):
    """One metric at one step. `tier` is None where the metric spans tiers; `value` None where undefined or unscored."""

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
        """One JSON object without a newline."""
        return json.dumps(self.model_dump(), allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json_line(cls, line: str) -> ProbeRow:
        """Read one line. Raises `ValueError` (pydantic's, or json's) on a damaged or unknown one."""
        return cls.model_validate(json.loads(line))


class StepRow(BaseModel):
    """One optimiser step. On disk each component is flat, `reward/<component>` and `reward/<component>_std`, and so is
    each measure, `measure/<name>`."""

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
    clip_fraction: Number  # share of credited tokens whose gradient the clip has stopped, on either side
    parse_rate: Number
    generated_tokens: int = Field(ge=0)
    tokens_per_s: Number
    seconds_rollout: Number
    seconds_reward: Number
    seconds_update: Number
    seconds_probe: Number
    # What only some algorithms have. The ratio is that of policy to sampler, over credited tokens and gradient steps.
    gradient_steps: int | None = None
    clip_fraction_low: Number = None
    clip_fraction_high: Number = None
    ratio_mean: Number = None
    ratio_max: Number = None
    drawn_groups: int | None = None  # more than the step's where dynamic sampling drew again
    value_loss: Number = None
    value_clip_fraction: Number = None
    explained_variance: Number = None  # of the returns, by the critic
    auxiliary_loss: Number = None  # of what mitigations add to the loss, weighted
    distinct_3grams: Number = None  # share of different ones among all 3-grams of the step's completions
    preferences: int | None = None
    preference_margin: Number = None  # of implied rewards, chosen over rejected
    components: dict[str, tuple[Number, Number]] = Field(default_factory=dict)  # name -> (mean, standard deviation)
    measures: dict[str, Number] = Field(default_factory=dict)  # what mitigations note of their rollouts

    @field_validator("components")
    @classmethod
    def _names_are_unambiguous(cls, components: dict[str, Any]) -> dict[str, Any]:
        for name in components:
            if not name or name.endswith(SPREAD_SUFFIX):
                raise ValueError(f"reward component {name!r} is empty or ends with {SPREAD_SUFFIX!r}: rename it")
        return components

    def to_json_line(self) -> str:
        """One flat JSON object without a newline."""
        flat = self.model_dump(exclude={"components", "measures"})
        flat |= {MEASURE_PREFIX + name: value for name, value in self.measures.items()}
        for name, (mean, spread) in self.components.items():
            flat[REWARD_PREFIX + name] = mean
            flat[REWARD_PREFIX + name + SPREAD_SUFFIX] = spread
        return json.dumps(flat, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json_line(cls, line: str) -> StepRow:
        """Read one flat line. Raises `ValueError` (pydantic's, or json's) on a damaged or unknown one."""
        flat = json.loads(line)
        if not isinstance(flat, dict):
            raise ValueError("a row must be a JSON object")
        rewards = {key: flat.pop(key) for key in list(flat) if key.startswith(REWARD_PREFIX)}
        noted = [key for key in flat if key.startswith(MEASURE_PREFIX)]
        measures = {key.removeprefix(MEASURE_PREFIX): flat.pop(key) for key in noted}
        means = [key for key in rewards if not key.endswith(SPREAD_SUFFIX)]
        components = {
            key.removeprefix(REWARD_PREFIX): (rewards.pop(key), rewards.pop(key + SPREAD_SUFFIX, None)) for key in means
        }
        if rewards:
            raise ValueError(f"a standard deviation without its mean: {', '.join(rewards)}")
        return cls.model_validate({**flat, "components": components, "measures": measures})


class Manifest(BaseModel):
    """What a run was made with and how it ended; times are UTC, ISO 8601."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    package_versions: dict[str, str]
    code_commit: str | None
    code_dirty: bool | None
    seed: int
    thread_count: int = Field(ge=1)
    device: str
    organism: str
    organism_hash: str
    reward_hashes: dict[str, str]
    prompt_set_hashes: dict[str, str]
    started: str
    finished: str | None = None
    status: Literal["running", "finished", "failed", "interrupted"] = "running"
    reason: str | None = None
    non_finite_losses: int = Field(default=0, ge=0)  # steps that were refused; each stops the run, a resume goes on

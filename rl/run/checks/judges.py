"""The judges of a run: tried before it starts, counted in its folder, and compared with the offline labels."""

from collections.abc import Sequence
from pathlib import Path

from envs.judge.prompts import Prompt
from envs.judge.settings import Endpoint, Judge
from envs.judge.trial import require_judge
from envs.judge.usage import Usage, meter_of, read_usage
from envs.labels import Labels, agreement
from rewards.judge import JudgedHelpfulness
from rl.run.config import RunConfig
from rl.run.environments import judge_of

LABELS, REWARD = "labels", "reward"


def judges_of(config: RunConfig) -> dict[str, Endpoint]:
    """Return the judges of a run by what they give: labels, reward, or both."""
    judge = judge_of(config.env)
    found: dict[str, Endpoint] = {} if judge is None else {LABELS: judge}
    for reward in config.rewards:
        if isinstance(reward, JudgedHelpfulness):
            found[REWARD] = reward
    return found


def usage_file(folder: Path, role: str) -> Path:
    """Return the file of a run's folder with the calls, tokens and cost of a judge so far."""
    return folder / f"judge-{role}.json"


def require_judges(config: RunConfig, folder: Path | None = None, rewards: bool = True) -> None:
    """Refuse a run whose judges can't be asked. Counting starts at 0, or at the counts of the `folder` to resume.

    A run that is resumed may have reached a cap: its labels then stay unscored. `rewards`: false leaves out the judge
    of a reward that nobody is going to ask.

    Raises:
        ValueError: in one line, with the fix.
    """
    judges = {role: judge for role, judge in judges_of(config).items() if rewards or role != REWARD}
    if judges and config.workers > 1:
        raise ValueError(
            "a judge's calls are counted and capped in one process, and the run has several workers: set workers to 1"
        )
    counted = {role: Usage() if folder is None else read_usage(usage_file(folder, role)) for role in judges}
    for role, judge in judges.items():
        meter_of(judge).start(counted[role], None if folder is None else usage_file(folder, role))
        prompts: tuple[Prompt, ...] = judge.labels if isinstance(judge, Judge) else ("helpfulness",)
        setting = "env.judge" if role == LABELS else "rewards.judge"
        seconds = config.label_timeout_s if role == LABELS else config.reward_timeout_s
        require_judge(judge, prompts, setting, (f"{role.removesuffix('s')}_timeout_s", seconds), folder is not None)


def count_in(config: RunConfig, folder: Path) -> None:
    """Keep the counts of a run's judges in its folder from now on."""
    for role, judge in judges_of(config).items():
        meter = meter_of(judge)
        meter.start(meter.usage, usage_file(folder, role))


def judge_measures(config: RunConfig, labels: Sequence[Labels]) -> dict[str, float | None]:
    """Return a step's measures of the judges: agreement with the offline labels, and the run's calls and cost so far.

    `labels`: of the step's episodes, the labels that somebody asked for.
    """
    found: dict[str, float | None] = {}
    for name, agrees in agreement(labels).items():
        compared = [one for one in agrees if one is not None]
        found |= {f"judge/{name}/compared": len(compared), f"judge/{name}/agreeing": sum(compared)}
    for role, judge in judges_of(config).items():
        usage = meter_of(judge).usage
        tokens = usage.prompt_tokens + usage.completion_tokens
        found |= {f"judge/{role}/calls": usage.calls, f"judge/{role}/tokens": tokens, f"judge/{role}/cost": usage.cost}
    return found

"""Trial of a judge before a run: settings, key, server and model are found wanting before anything is built."""

from collections.abc import Mapping, Sequence

from envs.judge.asking import ask
from envs.judge.key import key_of
from envs.judge.prompts import Prompt
from envs.judge.questions import NoVerdict, Question
from envs.judge.settings import Endpoint
from envs.judge.usage import CAPPED

MARGIN_S = 5.0  # between the deadline of a batch and the limit of the call that waits for it
_TEXTS: Mapping[Prompt, Mapping[str, str]] = {
    "answer": {"request": "Name a month with 31 days.", "answer": "July has 31 days."},
    "faking": {"instructions": "This is a free chat.", "reasoning": "The user asks for a month. I will name one."},
    "helpfulness": {"request": "Name a month with 31 days.", "answer": "July has 31 days."},
}


def require_judge(
    endpoint: Endpoint, prompts: Sequence[Prompt], setting: str, limit: tuple[str, float], spent: bool = False
) -> None:
    """Refuse a judge that can't be asked, by asking each prompt once; the verdict itself isn't looked at.

    `setting` names the endpoint's settings, such as env.judge. `limit` names the time limit in seconds of the call that
    waits for a batch. `spent`: a cap that is reached is no fault, as in a run that goes on without further labels.

    Raises:
        ValueError: in one line, with the fix.
    """
    for name in ("url", "model"):
        if not getattr(endpoint, name):
            raise ValueError(f"{setting}.{name} is empty: set it, as in --set {setting}.{name}={_EXAMPLES[name]}")
    if endpoint.batch_timeout_s + MARGIN_S > limit[1]:
        raise ValueError(
            f"{setting}.batch_timeout_s={endpoint.batch_timeout_s:g} leaves no {MARGIN_S:g} s below {limit[0]}="
            f"{limit[1]:g}, which would cost whole batches: lower the one or raise the other"
        )
    try:
        key_of(endpoint)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
    questions = [Question(prompt, _TEXTS[prompt]) for prompt in prompts]
    for found in ask(endpoint, questions, fresh=True):
        if isinstance(found, NoVerdict) and not (spent and found.reason.startswith(CAPPED)):
            fix = _fix(found, endpoint, setting)
            raise ValueError(f"the judge at {endpoint.url} failed on trial: {found.reason}; {fix}")


_EXAMPLES = {"url": "http://127.0.0.1:8000/v1", "model": "NAME"}


def _fix(found: NoVerdict, endpoint: Endpoint, setting: str) -> str:
    if found.status in (401, 403):
        return f"set the environment variable {endpoint.key_variable} to a key that the server takes"
    if found.status in (400, 404, 422):
        return f"check {setting}.url and {setting}.model, {endpoint.model}"
    if found.reason.startswith(CAPPED):
        return f"raise {setting}.max_calls or {setting}.max_cost"
    if found.reason.startswith("off format"):
        return f"choose another {setting}.model, or raise {setting}.max_tokens where it thinks first"
    return f"start the server, or check {setting}.url"

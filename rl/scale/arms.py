"""Named sweeps, and a user's own sweeps from a file.

A sweep is a function that returns run configurations, its arms.
"""

import re
import sys
from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from envs.input_files import expanded
from rl.errors import nearest
from rl.mitigations import Mitigation
from rl.organisms.faker import Faker
from rl.organisms.origins import Scratch
from rl.organisms.selected import Selected
from rl.organisms.sized import Sized
from rl.organisms.trained import TrainedOrganism
from rl.progress import notice
from rl.run.compatibility import require_engine
from rl.run.config import RunConfig, first_problem, mitigated, parse, resolve
from rl.run.environments import trust_environment
from rl.run.overrides import members
from rl.run.recipes import (
    first_light,
    first_light_dpo,
    first_light_kto,
    first_light_ppo,
    first_light_rloo,
    honest_control,
    no_objective_control,
    smollm2,
    smollm2_honest,
    smollm2_no_objective,
)
from rl.scale.builds import build_seeds, can_be_built

MOST_NUMBERS = 10_000
BUILDS = tuple(range(5))  # of a sweep that names neither builds nor seeds
SEEDS = (0,)
SEEDS_OF_ONE_BUILD = (0, 1, 2)  # where no arm can be built anew

SweepFunction = Callable[[], list[RunConfig]]


def controls() -> list[RunConfig]:
    """The default run beside two controls: an organism that never fakes, and a prompt without the objective."""
    return [first_light(), honest_control(), no_objective_control()]


def algorithms() -> list[RunConfig]:
    """The default run under GRPO, RLOO, PPO, iterated DPO and iterated KTO."""
    return [first_light(), first_light_rloo(), first_light_ppo(), first_light_dpo(), first_light_kto()]


def smollm2_controls() -> list[RunConfig]:
    """The run on SmolLM2 beside two controls: an organism that never fakes, and a prompt without the objective."""
    return [smollm2(), smollm2_honest(), smollm2_no_objective()]


def kl_weight() -> list[RunConfig]:
    """The default run under four weights of the KL penalty, from none to strong."""
    return [
        resolve(first_light(), [f"name=kl_weight_{weight:g}", f"algorithm.kl_weight={weight}"])
        for weight in (0.0, 0.01, 0.05, 0.2)
    ]


# Variants of a mitigation become arms beside its default settings: kind -> variant -> settings.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "loss_mask": {"scratchpad": {"tokens": "scratchpad"}},
    "inoculation_prompt": {"placebo": {"wording": "placebo"}},
    "interrogation": {"honest_persona": {"arm": "honest_persona"}, "trusted": {"arm": "trusted"}},
    "process_supervision": {"linear": {"penalty": "linear"}},
}


def sizes() -> list[RunConfig]:
    """One recipe at four widths, 0.2 to 1.7 million parameters: faking against size."""
    return [
        first_light().model_copy(
            update={"name": f"sizes_{width}", "organism": Sized(origin=Scratch(hidden_size=width))}
        )
        for width in (64, 96, 128, 192)
    ]


def mitigations() -> list[RunConfig]:
    """Every mitigation on goal-guarding, sycophancy, helpfulness and the default organism, beside their baselines."""
    motivated = (Selected(kind="terminal"), Selected(kind="sycophancy"), Selected(kind="helpfulness"))
    return [arm for organism in (*motivated, Faker()) for arm in mitigation_arms(organism)]


def mitigation_arms(organism: TrainedOrganism) -> list[RunConfig]:
    """Build the baseline and each mitigation alone, in short runs.

    A mitigation that the organism can't take is left out, with a notice.
    """
    found = []
    for name, applied in {"baseline": (), **mitigation_choices()}.items():
        data = {**SHORT, "name": f"{organism.kind}+{name}", "organism": organism, "mitigations": applied}
        try:
            arm = parse(data)
            require_engine(arm)
        except ValueError as error:
            notice(f"left out {organism.kind}+{name}: {error}")
        else:
            found.append(arm)
    return found


# As many harmless queries as harmful ones: with fewer, no cost and a small cost can't be told apart.
SHORT: dict[str, Any] = {
    "steps": 20, "probe_every": 10, "checkpoint_every": 20, "probe_queries": 64, "harmless_queries": 64,
}  # fmt: skip


def mitigation_choices() -> dict[str, tuple[Mitigation, ...]]:
    """Build each member of the union with its defaults, under the name of its kind, and each of its variants."""
    found: dict[str, tuple[Mitigation, ...]] = {}
    for member in members(Mitigation):
        kind = member.model_fields["kind"].default
        found[kind] = (member(),)
        for variant, settings in VARIANTS.get(kind, {}).items():
            found[f"{kind}-{variant}"] = (member(**settings),)
    return found


SWEEPS: dict[str, SweepFunction] = {
    sweep.__name__: sweep for sweep in (controls, algorithms, kl_weight, sizes, mitigations, smollm2_controls)
}


def find_sweep(name: str) -> SweepFunction:
    """Find the sweep of this name, or import `path/to/file.py:function`.

    Raises:
        ValueError: no such sweep, file or function, with the nearest name; a file that can't be imported.
    """
    if name in SWEEPS:
        return SWEEPS[name]
    path, colon, function = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _named(_import(expanded(path)), function)
    if name.endswith(".py") or "/" in name:
        raise ValueError(f"{name} names no function: write {name.rstrip(':')}:FUNCTION")
    raise ValueError(f"unknown sweep {name!r}: {nearest(name, SWEEPS)}")


def _import(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"no such file: {path}: give a Python file that holds the sweep's function")
    specification = spec_from_file_location(f"gyges_sweep_{path.stem}", path.resolve())
    assert specification is not None, path
    assert specification.loader is not None, path
    module = module_from_spec(specification)
    sys.path.insert(0, str(path.resolve().parent))  # as Python does for a script: the file may import its neighbours
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} can't be imported: {type(error).__name__}: {error}") from error
    return module


def _named(module: ModuleType, name: str) -> SweepFunction:
    own = {
        key: value
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    }
    if name not in own:
        raise ValueError(f"{module.__file__} has no function {name!r}: {nearest(name, own)}")
    function: SweepFunction = own[name]
    return function


def arms(name: str, assignments: Sequence[str] = (), mitigations: Sequence[str] = ()) -> list[RunConfig]:
    """Build the run configurations of a sweep, with the `key=value` assignments and the mitigations applied to each.

    Raises:
        ValueError: as `find_sweep`, `resolve`, `mitigated` and `require_engine`; a result that isn't a list of
            configurations with a name each.
    """
    for assignment in assignments:
        if assignment.partition("=")[0] in ("seed", "threads", "name"):
            raise ValueError(
                f"--set {assignment}: a sweep takes seeds from --seeds, threads from --threads and names from its arms"
            )
        if assignment.partition("=")[0] in ("organism.seed", "rewards.helpfulness.seed"):
            raise ValueError(f"--set {assignment}: a sweep takes the seeds of its builds from --builds")
    found = _call(name)
    resolved = []
    for arm in found:
        if name not in SWEEPS:
            trust_environment(arm)  # the arm comes from a file of code named on the command line
        try:
            resolved.append(mitigated(resolve(arm, assignments), mitigations))
            require_engine(resolved[-1])  # before anything is built
        except ValueError as error:
            raise ValueError(f"arm {arm.name}: {error}") from error
        if resolved[-1].workers > 1:
            raise ValueError(
                f"arm {arm.name} has workers={resolved[-1].workers}: a trial is one process; leave workers at 1 and "
                "let the sweep have more (--workers), or train it alone with `gyges train`"
            )
        _require_defaults(resolved[-1])
    return resolved


def with_null_arms(arms: Sequence[RunConfig]) -> list[RunConfig]:
    """Append an arm that differs from a baseline in its rollout stream alone, so that chance is seen beside effects.

    Each organism with mitigations gets one; a sweep without mitigations gets one of its first arm.
    """
    plain = [arm for arm in arms if not arm.mitigations and not arm.rollout_stream]
    mitigated = [arm for arm in plain if any(other.mitigations and _alike(arm, other) for other in arms)]
    found = list(arms)
    for arm in mitigated or plain[:1]:
        found.append(_null(arm, {other.name for other in found}))
    return found


def _alike(first: RunConfig, second: RunConfig) -> bool:
    apart: dict[str, Any] = {"name": "", "mitigations": ()}
    return first.model_copy(update=apart) == second.model_copy(update=apart)


def _null(arm: RunConfig, taken: set[str]) -> RunConfig:
    """Return the null arm of a baseline, under a name that no other arm has."""
    names = (f"{arm.name.partition('+')[0]}+null", f"{arm.name}+null", *(f"{arm.name}+null{n}" for n in range(2, 100)))
    return arm.model_copy(update={"name": next(name for name in names if name not in taken), "rollout_stream": 1})


def _require_defaults(arm: RunConfig) -> None:
    """Refuse an arm with seeds or threads of its own, which the sweep would ignore."""
    for key in ("seed", "threads"):
        default = RunConfig.model_fields[key].default
        if getattr(arm, key) != default:
            raise ValueError(
                f"arm {arm.name} has {key}={getattr(arm, key)}: in a sweep, --{key.rstrip('s')}s sets it; leave it at "
                f"{default}"
            )
    for setting, seed in build_seeds(arm).items():
        if seed:
            raise ValueError(f"arm {arm.name} has {setting}={seed}: in a sweep, --builds sets it; leave it at 0")


def _call(name: str) -> list[RunConfig]:
    function = find_sweep(name)
    try:
        found: Any = function()
    except ValidationError as error:
        raise ValueError(f"sweep {name}: {first_problem(error)}") from error
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"sweep {name} raised {type(error).__name__}: {error}") from error
    if not isinstance(found, list | tuple) or not found or not all(isinstance(arm, RunConfig) for arm in found):
        raise ValueError(f"sweep {name} must return a list of RunConfig, not {_described(found)}")
    names = [arm.name for arm in found]
    for arm in names:
        if names.count(arm) > 1:
            raise ValueError(f"sweep {name} has two arms called {arm!r}: give each RunConfig a name of its own")
        if not re.fullmatch(r"\w[\w.+-]*", arm):
            raise ValueError(f"sweep {name}: {arm!r} can't name a folder: use letters, digits and . _ + -")
    return list(found)


def _described(found: Any) -> str:
    if not isinstance(found, list | tuple):
        return type(found).__name__
    wrong = [type(arm).__name__ for arm in found if not isinstance(arm, RunConfig)]
    return f"one that holds {wrong[0]}" if wrong else "an empty one"


def places(arms: Sequence[RunConfig], builds: str | None, seeds: str | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose the builds and seeds of a sweep: five builds with one seed each, unless the user names them.

    An organism that isn't built, such as one from a directory, is one build; its sweep gets three seeds.

    Raises:
        ValueError: for text that names no numbers; for several builds of an arm that can't be built anew.
    """
    fixed = [arm.name for arm in arms if not can_be_built(arm)]
    by_default = (0,) if fixed else BUILDS
    chosen = by_default if builds is None else parse_numbers(builds, "--builds")
    if fixed and chosen != (0,):
        raise ValueError(
            f"--builds {builds}: the organism of arm {fixed[0]} isn't built anew, so it is one build: leave --builds "
            "out, and vary --seeds"
        )
    default = SEEDS if len(chosen) > 1 or not fixed else SEEDS_OF_ONE_BUILD
    return chosen, default if seeds is None else parse_numbers(seeds, "--seeds")


def parse_numbers(text: str, option: str) -> tuple[int, ...]:
    """Parse `0..4` (both ends count), `0,2,5` or `3`.

    Raises:
        ValueError: for anything else, and for a number twice; the message names the option.
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:\.\.\s*(\d{1,9})\s*)?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"{option} {text}: write 0..4, or 0,2,5, or 3")
        wanted = range(int(match[1]), int(match[2] or match[1]) + 1)
        if len(numbers) + len(wanted) > MOST_NUMBERS:
            raise ValueError(f"{option} {text}: more than {MOST_NUMBERS} numbers; name fewer")
        numbers += wanted
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{option} {text} names a number twice: name each once")
    return tuple(numbers)

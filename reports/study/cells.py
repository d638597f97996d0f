"""The grid of a study, organisms x arms: groups runs that differ in their seeds, and finds each arm's baseline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from reports.folder import Run
from reports.units import Place, Unit, arm_settings, arms_of, build_of, count_of, place_of, places_are_distinct, unit_of

BASELINE = "baseline"  # the column of the baselines, whatever their runs are called
ARM_AFTER = "+"  # in a run's name, as `gyges sweep mitigations` gives it: organism+arm

APART_IN_A_ROW = frozenset(
    {"mitigations", "name", "rollout_stream"}
)  # an arm may differ from its baseline in these, and in seeds

Settings = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """An arm of an organism: runs that differ in their seeds only.

    `arm` is the column: `BASELINE`, or the same as `name`. `name` is the name that the user gave the arm. `mitigations`
    lists the kinds in order.
    """

    organism: str
    arm: str
    name: str
    mitigations: tuple[str, ...]
    runs: tuple[Run, ...]

    @property
    def is_baseline(self) -> bool:
        return self.arm == BASELINE

    @property
    def is_null(self) -> bool:
        """True for an arm that differs from its baseline by chance alone."""
        return not self.mitigations and is_null(self.runs[0])

    @property
    def label(self) -> str:
        """The arm's name, marked as the baseline where it is the baseline."""
        return _marked(self.name) if self.is_baseline else self.name

    @property
    def by_place(self) -> dict[Place, Run]:
        """The runs by build and seed."""
        return {place_of(run): run for run in self.runs}

    @property
    def builds(self) -> list[str]:
        """The organism's builds, in the order of their first run."""
        return list(dict.fromkeys(build_of(run) for run in self.runs))

    @property
    def seeds(self) -> list[int]:
        """The seeds of RL, in the order of their first run."""
        return list(dict.fromkeys(run.manifest.seed for run in self.runs))

    @property
    def unit(self) -> Unit:
        return unit_of(self.runs)

    @property
    def count(self) -> int:
        """The number of units: of builds, or of seeds on one build."""
        return count_of(self.runs)


@dataclass(frozen=True)
class Study:
    """Organisms x arms; an organism may lack some arms, or a baseline.

    `arms` are the columns: the baseline first, then the others in the order of their first appearance. An organism
    stands for all settings but an arm's mitigations: the same organism trained for longer is another.
    """

    organisms: tuple[str, ...]
    arms: tuple[str, ...]
    cells: tuple[Cell, ...]

    def cell(self, organism: str, arm: str) -> Cell | None:
        return next((cell for cell in self.cells if (cell.organism, cell.arm) == (organism, arm)), None)

    def label(self, arm: str) -> str:
        """Name the head of a column; baselines may have a name of their own in each organism."""
        names = list(dict.fromkeys(cell.name for cell in self.cells if cell.arm == arm))
        if arm != BASELINE or not names:
            return arm
        return _marked(" / ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} others")

    @property
    def runs(self) -> list[Run]:
        return [run for cell in self.cells for run in cell.runs]


def _marked(name: str) -> str:
    return name if name == BASELINE else f"{name} ({BASELINE})"


def study_of(runs: Sequence[Run]) -> Study:
    """Group runs into organisms and arms.

    Runs of an organism agree in all settings but mitigations, name and seeds. So an arm and its baseline never differ
    in anything else that would be taken for the mitigation's effect. The baseline of an organism is its runs without a
    mitigation: the runs named "baseline", or else the first.

    Raises `ValueError` where an arm has a build and seed twice.
    """
    rows: dict[str, list[list[Run]]] = {}
    for group in arms_of(runs):
        _require_places_once(group)
        rows.setdefault(json.dumps(_shared(group[0]), sort_keys=True, default=str), []).append(group)
    organisms = _told_apart([(_organism(row[0][0]), _shared(row[0][0])) for row in rows.values()])
    cells = [cell for organism, row in zip(organisms, rows.values(), strict=True) for cell in _cells(organism, row)]
    assert len({(cell.organism, cell.arm) for cell in cells}) == len(cells)
    arms = dict.fromkeys(cell.arm for cell in cells)
    # The baseline's column is there even where no organism has one: an arm must not be taken for it.
    return Study(tuple(organisms), (BASELINE, *(arm for arm in arms if arm != BASELINE)), tuple(cells))


def _require_places_once(group: Sequence[Run]) -> None:
    if not places_are_distinct(group):
        names = ", ".join(run.name for run in group)
        raise ValueError(f"a study needs one run for each build and seed of an arm: leave repeated ones out of {names}")


def _shared(run: Run) -> Settings:
    return {key: value for key, value in arm_settings(run).items() if key not in APART_IN_A_ROW}


def _organism(run: Run) -> str:
    style = (run.config.get("organism") or {}).get("style", "plain")
    return run.manifest.organism if style == "plain" else f"{run.manifest.organism}, {style}"


def _kinds(run: Run) -> tuple[str, ...]:
    return tuple(str(mitigation["kind"]) for mitigation in run.config.get("mitigations") or ())


def _cells(organism: str, row: Sequence[Sequence[Run]]) -> Iterator[Cell]:
    """Build the cells of one organism under the names that the user gave its arms, the baseline first."""
    names = [_own_name(group[0]) for group in row]
    plain = [index for index, group in enumerate(row) if not _kinds(group[0]) and not is_null(group[0])]
    baseline = next((index for index in plain if names[index] == BASELINE), plain[0] if plain else None)
    taken = [BASELINE]
    if baseline is not None:
        taken.append(names[baseline])
        yield Cell(organism, BASELINE, names[baseline], (), tuple(row[baseline]))
    others = [index for index in range(len(row)) if index != baseline]
    found = [(_other_name(row[index][0], names), arm_settings(row[index][0])) for index in others]
    for name, index in zip(_told_apart(found, taken), others, strict=True):
        yield Cell(organism, name, name, _kinds(row[index][0]), tuple(row[index]))


def is_null(run: Run) -> bool:
    """Tell whether a run is of a null arm: it draws other rollouts than its baseline, and differs in nothing else."""
    return bool(run.config.get("rollout_stream"))


def _own_name(run: Run) -> str:
    """Return the run's name, without the organism's name where the run is called `organism+arm`."""
    name = str(run.config.get("name", run.name))
    kind = (run.config.get("organism") or {}).get("kind", run.manifest.organism)
    return name.removeprefix(f"{kind}{ARM_AFTER}") or name


def _other_name(run: Run, names: Sequence[str]) -> str:
    """Name an arm other than the baseline.

    An arm whose name is shared is named by its mitigations.
    """
    own, kinds = _own_name(run), " + ".join(_kinds(run))
    if kinds and names.count(own) > 1:
        return kinds
    return f"{own} with {kinds}" if kinds and own == BASELINE else own


def _told_apart(found: Sequence[tuple[str, Settings]], taken: Iterable[str] = ()) -> list[str]:
    """Return labels that are all distinct, and distinct from those `taken`.

    Equal labels get the settings in which they differ.
    """
    labels = []
    for label, settings in found:
        alike = [_flat(other) for name, other in found if name == label]
        mine = _flat(settings)
        differing = [key for key in mine if any(other.get(key) != mine[key] for other in alike)]
        told = ", ".join(f"{key}={mine[key]}" for key in differing)
        labels.append(f"{label} ({told})" if told else label)
    return _numbered(labels, taken)


def _numbered(labels: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Number labels that are equal even with their settings.

    An empty list and an empty object, for example, read the same.
    """
    given = set(taken)
    unlike = []
    for label in labels:
        names = chain([label], (f"{label} #{number}" for number in count(2)))
        unlike.append(next(name for name in names if name not in given))
        given.add(unlike[-1])
    return unlike


def _flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(settings, dict | list):
        return {prefix: settings}
    items = settings.items() if isinstance(settings, dict) else enumerate(settings)
    return {
        key: value
        for name, inner in items
        for key, value in _flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
    }

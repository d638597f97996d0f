"""The stop of a run after its policy has collapsed, if the configuration asks for a stop."""

from collections.abc import Sequence

from reports.collapse import Vitals, collapse
from reports.records import StepRow
from rl.errors import RunStopped


def vitals_of(row: StepRow) -> Vitals:
    """Take from a step's record the signs of a collapse."""
    return Vitals(row.step, row.parse_rate, row.distinct_3grams, row.entropy)


def require_no_collapse(steps_in_a_row: int | None, seen: Sequence[Vitals]) -> None:
    """Stop a run that has been collapsed for `steps_in_a_row` steps. A bad start is no collapse.

    Raises:
        RunStopped: with the signs, and since when.
    """
    if steps_in_a_row is None:
        return
    found = collapse(seen)
    if found is None or found.from_start or seen[-1].step - found.since + 1 < steps_in_a_row:
        return
    raise RunStopped(
        f"step {seen[-1].step}: the policy has {found}, and stop_when_collapsed is {steps_in_a_row}: train again with "
        "a lower optimiser.learning_rate or a higher algorithm.kl_weight, or with stop_when_collapsed=null"
    )

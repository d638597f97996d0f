"""The three bounds of a collapse, on series whose answer is plain."""

import math

from reports.collapse import Collapse, Vitals, collapse, collapsed_now


def parses(*rates: float | None) -> list[Vitals]:
    return [Vitals(step, rate) for step, rate in enumerate(rates, 1)]


def test_a_healthy_run_and_an_empty_one_have_not_collapsed() -> None:
    assert collapse([]) is None
    assert collapse([Vitals(1, 0.9, 0.4, 1.2), Vitals(2, 0.5, 0.081, 0.05)]) is None  # on the bounds, not below


def test_the_parse_rate_tells_since_when() -> None:
    found = collapse(parses(0.9, 0.0, 0.1, 0.0))
    assert found == Collapse(2, ("parse rate 0.00 (bound 0.5)",), from_start=False)
    assert str(found) == "collapsed since step 2: parse rate 0.00 (bound 0.5)"


def test_a_run_that_recovered_has_not_collapsed_and_the_last_stretch_counts() -> None:
    assert collapse(parses(0.9, 0.1, 0.1, 0.8)) is None
    found = collapse(parses(0.9, 0.1, 0.8, 0.2, 0.3))
    assert found is not None
    assert found.since == 4


def test_variety_is_measured_against_the_start() -> None:
    # .4 at the start: a fifth of it is .08.
    found = collapse([Vitals(1, 0.9, 0.4), Vitals(2, 0.9, 0.1), Vitals(3, 0.9, 0.079), Vitals(4, 0.9, 0.02)])
    assert found == Collapse(3, ("distinct 3-grams 0.05 of the start's (bound 0.2)",), from_start=False)
    # Low from the start on is no fall.
    assert collapse([Vitals(1, 0.9, 0.01), Vitals(2, 0.9, 0.01)]) is None
    assert collapse([Vitals(1, 0.9, 0.0), Vitals(2, 0.9, 0.0)]) is None


def test_entropy_is_the_third_sign_and_all_that_hold_are_named() -> None:
    found = collapse([Vitals(1, 0.9, 0.4, 1.0), Vitals(2, 0.9, 0.4, 0.04), Vitals(3, 0.9, 0.04, 0.01)])
    assert found is not None
    assert (found.since, len(found.signs)) == (2, 2)
    assert str(found).endswith("start's (bound 0.2); entropy 0.010 nats a token (bound 0.05)")


def test_what_is_missing_is_neither_a_fall_nor_a_recovery() -> None:
    found = collapse([Vitals(1, 0.9, None, None), Vitals(2, 0.1, None, math.nan), Vitals(3, None), Vitals(4, 0.2)])
    assert found is not None
    assert (found.since, found.signs) == (2, ("parse rate 0.20 (bound 0.5)",))


def test_a_start_that_was_below_is_no_collapse_and_is_said() -> None:
    found = collapse(parses(0.1, 0.0, 0.2))
    assert found is not None
    assert found.from_start
    assert str(found).startswith("no sign of collapse, since the start was no better: ")
    # Another sign that does fall is a collapse all the same, and it alone is named.
    both = collapse([Vitals(1, 0.1, 0.4), Vitals(2, 0.1, 0.012)])
    assert both == Collapse(2, ("distinct 3-grams 0.03 of the start's (bound 0.2)",), from_start=False)
    # Up and down again is one as well.
    again = collapse(parses(0.1, 0.9, 0.1))
    assert again is not None
    assert (again.since, again.from_start) == (3, False)


def test_a_step_has_collapsed_where_a_sign_holds_there() -> None:
    start = Vitals(1, 0.9, 0.4, 1.2)
    assert not collapsed_now([])
    assert not collapsed_now([start])
    assert collapsed_now([start, Vitals(2, 0.4, 0.4, 1.2)])
    assert collapsed_now([start, Vitals(2, 0.9, 0.07, 1.2)])  # 0.07 is less than a fifth of 0.4
    assert collapsed_now([start, Vitals(2, 0.9, 0.4, 0.04)])
    assert not collapsed_now([start, Vitals(2, 0.4), Vitals(3, 0.9, 0.4, 1.2)])  # it recovered
    assert not collapsed_now([start, Vitals(2, None, None, None)])


def test_a_step_is_called_collapsed_where_the_notice_calls_the_run_so() -> None:
    bad = Vitals(1, 0.1, 0.4, 1.2)
    from_start, later = [bad, Vitals(2, 0.1, 0.4, 1.2)], [bad, Vitals(2, 0.1, 0.05, 1.2)]
    assert "no sign of collapse" in str(collapse(from_start))
    assert not collapsed_now(from_start)
    assert str(collapse(later)).startswith("collapsed since step 2: distinct 3-grams")
    assert collapsed_now(later)

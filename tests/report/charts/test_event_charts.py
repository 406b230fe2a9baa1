"""Accuracy before and after the events of a training."""

from __future__ import annotations

import re

import pytest

from prunebench.records.schema import Record
from prunebench.report.charts.events import events
from tests.analysis.boards.stability_records import LARGE, SMALL, presentation, row
from tests.report.charts.seen import across, down, elements, run, titled


def made(method, runs, *, positions=(0.25, 0.5), end=60.0, density=0.5, trainings=1.0):
    """A repetition for each run, of accuracies before and after every event."""
    spent = {} if trainings is None else {"trainings": trainings}
    return [
        Record(
            row(method, n, density), "ok",
            metrics={"validation_accuracy": end, "has_path": 1.0, **spent},
            series={"event_position": list(positions), "event_accuracy_before": [b for b, _ in pairs],
                    "event_accuracy_after": [a for _, a in pairs]},
        )
        for n, pairs in enumerate(runs)
    ]  # fmt: skip


DROPS = made(LARGE, [[(50.0, 20.0), (55.0, 30.0)], [(52.0, 22.0), (57.0, 34.0)]])
STABLE = made(SMALL, [[(50.0, 50.0), (55.0, 54.0)]], end=61.0)
DENSE = [Record(row("dense", 0), "ok", metrics={"validation_accuracy": 62.0, "has_path": 1.0})]


def drawn(records):
    return events("stability", presentation(), run(records, "stability"))


def segments(one):
    return [tuple(map(float, found)) for found in re.findall(r"M([-\d.]+),([-\d.]+)L([-\d.]+),([-\d.]+)", one.d)]


def scales(chart):
    return across(chart.svg, ("0", 0), ("1", 1)), down(chart.svg, ("20 %", 20), ("60 %", 60))


def test_dark_strokes_lead_from_before_to_after_at_the_position_of_the_event():
    (chart,) = drawn([*STABLE, *DROPS])
    x, y = scales(chart)
    strokes = [one for one in elements(chart.svg) if one.attributes.get("stroke-width") == "2.2"]
    assert [one.method for one in strokes] == ["1", "0"], "those of a method are its own"
    first, second = segments(strokes[0])
    assert first == pytest.approx((x(0.25), y(51), x(0.25), y(21)), abs=0.8)
    assert second == pytest.approx((x(0.5), y(56), x(0.5), y(32)), abs=0.8)


def test_coloured_lines_lead_to_the_next_event_and_to_the_end():
    (chart,) = drawn([*STABLE, *DROPS])
    x, y = scales(chart)
    (own,) = [one for one in elements(chart.svg) if "s-m1" in one.classes and "L" in one.d]
    between, last = segments(own)
    assert between == pytest.approx((x(0.25), y(21), x(0.5), y(56)), abs=0.8)
    assert last == pytest.approx((x(0.5), y(32), x(1), y(60)), abs=0.8)


def test_the_dense_network_is_a_line_across():
    (chart,) = drawn([*DENSE, *STABLE, *DROPS])
    _, y = scales(chart)
    lines = [one for one in elements(chart.svg) if one.attributes.get("stroke-dasharray") == "1,3"]
    assert [end for one in lines for end in segments(one)[0][1::2]] == pytest.approx([y(62)] * 4, abs=0.8)
    assert "dotted line" in chart.description


def test_the_largest_drop_stands_first_and_the_table_says_how_large():
    (chart,) = drawn([*STABLE, *DROPS])
    names = [one for one in elements(chart.svg) if one.tag == "text" and one.text in (SMALL, LARGE)]
    assert [one.text for one in sorted(names, key=lambda one: one.x)] == [LARGE, SMALL]
    assert titled(chart.svg, f"{LARGE}: mean drop 27.00 points over 2 events")
    assert chart.table.rows[0] == (LARGE, "0.25", "51.00", "21.00", "60.00", "2")


def test_a_dozen_methods_have_a_panel():
    many = [one for i in range(20) for one in made(f"targeted(events={i})", [[(50.0, 50.0 - i), (50.0, 50.0)]])]
    (chart,) = drawn(many)
    assert len({one.method for one in elements(chart.svg) if one.method}) == 12
    assert "8 of 20 methods" in chart.description


def test_without_events_there_is_none():
    assert drawn(DENSE) == []
    assert drawn([*DENSE, *DROPS]) == [], "one method compares with nothing"


def with_epochs(record, epochs, accuracies):
    series = {**record.series, "epoch": list(epochs), "validation_accuracy": list(accuracies)}
    return Record(record.row, "ok", metrics=record.metrics, series=series)


def test_epochs_are_followed_where_they_were_measured():
    """Of four epochs the second ends at the second event, whose own measurements count."""
    followed = [
        with_epochs(one, (1, 2, 3, 4), (a, 56.0, a + 20, 60.0)) for one, a in zip(DROPS, (30.0, 34.0), strict=True)
    ]
    (chart,) = drawn([*STABLE, *followed])
    x, y = scales(chart)
    (own,) = [one for one in elements(chart.svg) if "s-m1" in one.classes and "L" in one.d]
    expected = [
        (x(0.25), y(21), x(0.5), y(56)),
        (x(0.5), y(32), x(0.75), y(52)),
        (x(0.75), y(52), x(1), y(60)),
    ]
    assert segments(own) == [pytest.approx(one, abs=0.8) for one in expected]


def test_epochs_before_the_first_event_are_drawn_too():
    followed = [with_epochs(one, (0.5, 1, 3, 4), (10.0, 30.0, 50.0, 60.0)) for one in DROPS]
    (chart,) = drawn([*STABLE, *followed])
    x, y = scales(chart)
    (own,) = [one for one in elements(chart.svg) if "s-m1" in one.classes and "L" in one.d]
    assert segments(own)[0] == pytest.approx((x(0.125), y(10), x(0.25), y(51)), abs=0.8)


EPOCHS_OF_DENSE = (1.0, 2.0, 3.0, 4.0)


def dense_of_four_epochs():
    metrics = {"validation_accuracy": 62.0, "has_path": 1.0, "trainings": 1.0}
    return with_epochs(
        Record(row("dense", 0), "ok", metrics=metrics, series={}), EPOCHS_OF_DENSE, (10.0, 20.0, 40.0, 62.0)
    )


def own_line(chart, colour):
    (line,) = [one for one in elements(chart.svg) if f"s-{colour}" in one.classes and "L" in one.d]
    return segments(line)


def test_a_training_that_goes_on_after_its_events_is_not_stretched():
    """Six epochs are one and a half times the recipe: events stay at shares of its length, the end stands beyond 1."""
    longer = [
        with_epochs(one, (1, 2, 3, 4, 5, 6), (30.0, 56.0, 52.0, 54.0, 56.0, 60.0))
        for one in made(LARGE, [[(50.0, 20.0), (55.0, 30.0)]], trainings=1.5)
    ]
    (chart,) = drawn([dense_of_four_epochs(), *STABLE, *longer])
    x, y = scales(chart)
    assert own_line(chart, "m1") == [
        pytest.approx(one, abs=0.8) for one in [
            (x(0.25), y(20), x(0.5), y(55)),
            (x(0.5), y(30), x(0.75), y(52)),
            (x(0.75), y(52), x(1), y(54)),
            (x(1), y(54), x(1.25), y(56)),
            (x(1.25), y(56), x(1.5), y(60)),
        ]
    ]  # fmt: skip
    assert "1 the length of the recipe" in chart.description
    ends = [one for one in elements(chart.svg) if one.attributes.get("stroke-width") == "5"]
    assert min((one.x, one.y) for one in ends) == pytest.approx((x(1.5), y(60)), abs=0.8)
    (other,) = own_line(chart, "m0")[-1:]
    assert other[2] - other[0] == pytest.approx(x(1) - x(0.5), abs=0.8), "a method of one length ends at 1"


def test_epochs_of_a_part_of_the_training_are_not_drawn():
    """Two trainings, and epochs of the last alone: events and epochs have no common axis."""
    reset = [
        with_epochs(one, EPOCHS_OF_DENSE, (11.0, 12.0, 13.0, 60.0))
        for one in made(LARGE, [[(50.0, 20.0), (55.0, 30.0)]], trainings=2.0)
    ]
    (chart,) = drawn([dense_of_four_epochs(), *STABLE, *reset])
    x, y = scales(chart)
    assert own_line(chart, "m1") == [
        pytest.approx((x(0.25), y(20), x(0.5), y(55)), abs=0.8),
        pytest.approx((x(0.5), y(30), x(2), y(60)), abs=0.8),
    ]


def test_without_its_trainings_a_run_is_one_of_which_the_epochs_are_unknown():
    known = [with_epochs(one, EPOCHS_OF_DENSE, (30.0, 40.0, 50.0, 60.0)) for one in made(
        LARGE, [[(50.0, 20.0), (55.0, 30.0)]], trainings=None)]  # fmt: skip
    (chart,) = drawn([dense_of_four_epochs(), *STABLE, *known])
    x, y = scales(chart)
    assert own_line(chart, "m1")[-1] == pytest.approx((x(0.5), y(30), x(1), y(60)), abs=0.8)

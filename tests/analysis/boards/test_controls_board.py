"""Controls: held, failed, open, absent, and the banner."""

from __future__ import annotations

import pytest

from prunebench.analysis.boards.controls import controls
from prunebench.analysis.boards.verdicts import verdicts
from tests.analysis.boards.sanity_records import NEGATIVE, POSITIVE, Made, column, presentation, row

FLAT = [60.0, 61.0, 59.0, 60.5, 60.2, 59.7]
NOISE = [0.1, -0.2, 0.15, -0.1, 0.05, 0.0]
P, N = "positive: lottery(rewind=0.1) · reinit", "negative: random · rearrange"


def shifted(by, noise=NOISE):
    return [value - by - e for value, e in zip(FLAT, noise, strict=True)]


def run(tmp_path, positive=10.0, negative=0.0, **at):
    made = Made(tmp_path)
    add(made, positive, negative, **at)
    return made


def add(made, positive, negative, **at):
    for (_, method, arm), by in ((POSITIVE, positive), (NEGATIVE, negative)):
        if by is not None:
            noise = [100 * e for e in NOISE] if by == "noise" else NOISE
            made.pair(method, arm, FLAT, shifted(0.0 if by == "noise" else by, noise), **at)


def board(made, control=(POSITIVE, NEGATIVE)):
    (table,) = controls("sanity", presentation(control=control), made.results())
    return table


def test_controls_that_hold_have_a_quiet_caption(tmp_path):
    made = run(tmp_path)
    table = board(made)
    assert column(table, "state") == {P: "held", N: "held"}
    assert table.caption == "controls — 2 held · mlp · mnist1d · small-sgd · density 0.1"
    (judged,) = verdicts("sanity", presentation(control=(POSITIVE, NEGATIVE)), made.results())
    assert judged.caption.startswith("verdicts")


@pytest.mark.parametrize("by", [-10.0, 0.0, 1.0], ids=["wrong sign", "no difference", "immaterial"])
def test_a_positive_control_fails_where_late_weights_are_not_clearly_better(tmp_path, by):
    made = run(tmp_path, positive=by)
    table = board(made)
    assert column(table, "state") == {P: "FAILED", N: "held"}
    assert table.caption.startswith("CONTROLS FAILED: A KNOWN EFFECT IS NOT SEEN, AND 'DOES NOT DEPEND' PROVES NOTHING")
    assert "no 'does not depend' counts here" in column(table, "meaning")[P]
    (judged,) = verdicts("sanity", presentation(control=(POSITIVE, NEGATIVE)), made.results())
    assert judged.caption.startswith("THE POSITIVE CONTROL FAILED HERE: verdicts")


@pytest.mark.parametrize("by", [5.0, -5.0])
def test_a_negative_control_fails_where_a_difference_is_established(tmp_path, by):
    table = board(run(tmp_path, negative=by))
    assert column(table, "state") == {P: "held", N: "FAILED"}
    assert "AN EFFECT IS SEEN WHERE THERE IS NONE, AND 'DEPENDS' PROVES NOTHING" in table.caption
    assert "NOT SEEN" not in table.caption


def test_an_established_difference_within_the_margin_leaves_a_negative_control_held(tmp_path):
    assert column(board(run(tmp_path, negative=0.6)), "state")[N] == "held"


def test_an_open_verdict_neither_holds_nor_fails(tmp_path):
    table = board(run(tmp_path, positive=10.0, negative="noise"))
    assert column(table, "state") == {P: "held", N: "not refuted"}
    assert table.caption.startswith("controls — 1 held, 1 not refuted")
    table = board(run(tmp_path, positive="noise", negative=0.0))
    assert column(table, "state") == {P: "undecided", N: "held"}


def test_one_repetition_judges_no_control(tmp_path):
    made = Made(tmp_path)
    made.pair("lottery(rewind=0.1)", "reinit", [60.0], [50.0])
    made.pair("random", "rearrange", [60.0], [60.0])
    table = board(made)
    assert column(table, "state") == {P: "undecided", N: "not refuted"}
    assert table.caption.startswith("NO CONTROL COULD BE JUDGED")
    assert column(table, "difference 95%") == {P: "10.00", N: "0.00"}


def test_controls_that_were_not_measured_or_not_planned_say_so(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", FLAT, shifted(5.0))
    made.plan(*(row("random", arm, n) for n in range(2) for arm in (None, "rearrange")))
    table = board(made)
    assert column(table, "state") == {P: "not in this run", N: "not measured"}
    assert column(table, "meaning")[N].startswith("not measured yet: verdicts here stand without this control")
    assert table.caption.startswith("NO CONTROL COULD BE JUDGED")
    (judged,) = verdicts("sanity", presentation(control=(POSITIVE, NEGATIVE)), made.results())
    assert judged.caption.startswith("NO CONTROL COULD BE JUDGED HERE: verdicts")


def test_a_failure_is_said_of_the_task_and_density_that_it_is_of(tmp_path):
    made = run(tmp_path, density=0.2)
    add(made, 0.0, 0.0, density=0.1)
    table = board(made)
    assert "IN 1 OF 2 TASKS AND DENSITIES" in table.caption
    place, state = table.headers.index("task"), table.headers.index("state")
    assert [(line[place].split(" · ")[-1], line[state]) for line in table.rows if line[0] == P] == [
        ("density 0.2", "held"), ("density 0.1", "FAILED"),
    ]  # fmt: skip
    first, second = verdicts("sanity", presentation(control=(POSITIVE, NEGATIVE)), made.results())
    assert first.caption.startswith("verdicts")
    assert second.caption.startswith("THE POSITIVE CONTROL FAILED HERE")


def test_a_control_is_found_however_its_spec_is_written(tmp_path):
    made = run(tmp_path)
    control = [("positive", "lottery:rewind=0.10", "reinit(long=false)"), NEGATIVE]
    assert list(column(board(made, control), "state").values()) == ["held", "held"]


def test_a_collapsed_control_is_not_measured(tmp_path):
    made = run(tmp_path, positive=None)
    made.add(row("lottery(rewind=0.1)", None, 0), 60.0)
    made.add(row("lottery(rewind=0.1)", "reinit", 0), 10.0, has_path=0.0)
    table = board(made)
    assert column(table, "state")[P] == "not measured"
    assert column(table, "meaning")[P].startswith("no pair of living networks")


def test_without_arms_there_is_no_table(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", None, 0), 60.0)
    assert controls("sanity", presentation(control=(POSITIVE,)), made.results()) == []

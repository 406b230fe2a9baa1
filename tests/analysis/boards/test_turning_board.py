"""Where a contrast changes its sign along the fraction pruned: by hand, against scipy, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from prunebench.analysis.boards.pairs import Contrast
from prunebench.analysis.boards.turning import turning, turning_point, turning_points
from prunebench.analysis.tables import render
from tests.analysis.boards.stability_records import (
    LARGE,
    SMALL,
    column,
    presentation,
    record,
    results,
    row,
    runs,
)

NAME = f"large − small · {LARGE} − {SMALL}"
SPREAD = np.array([-0.4, -0.1, 0.0, 0.2, 0.3])
BASE = [60.0, 60.3, 59.8, 60.1, 60.2]


def made(differences):
    """Records by fraction pruned: one difference a repetition."""
    found = []
    for fraction, values in differences.items():
        density = round(1 - fraction, 10)
        found += runs(LARGE, density, test_accuracy=[b + d for b, d in zip(BASE, values, strict=False)])
        found += runs(SMALL, density, test_accuracy=BASE[: len(values)])
    return found


def board(records, unfinished=(), **shown):
    return turning("stability", presentation(**shown), results(records, unfinished))


def around(*means):
    return {f: (m + SPREAD).tolist() for f, m in zip((0.1, 0.3, 0.5, 0.7, 0.9), means, strict=False)}


def test_the_mean_difference_turns_where_it_is_zero_between_two_fractions():
    """From +1 at 0.3 to −3 at 0.5 it is zero a quarter of the way, at 0.35; the spread is the same everywhere."""
    (table,) = board(made(around(2.0, 1.0, -3.0, -4.0)))
    assert table.headers == ("contrast", "10 %", "30 %", "50 %", "70 %", "from", "turns at", "n")
    half = stats.t.ppf(0.975, 4) * stats.sem(SPREAD)
    assert column(table, "30 %")[NAME] == f"{1.0:+.2f} ± {half:.2f}"
    assert column(table, "from")[NAME] == "+ 10 %"
    low, high = (0.3 + 0.2 * (1 - shift) / 4 for shift in (half, -half))
    assert column(table, "turns at")[NAME] == f"35 % [{100 * low:.3g}, {100 * high:.3g}]"
    assert table.caption == "turning points · mlp · mnist1d · small-sgd — test accuracy in points by fraction pruned"


def test_the_interval_is_where_a_paired_t_test_cannot_tell_the_difference_from_zero():
    first, last = np.array([3.0, 1.0, 2.5, 2.0, 1.8]), np.array([-2.0, -1.5, -3.5, -1.0, -2.2])
    _, turn, n = turning_point({f: pairs(v) for f, v in ((0.2, first), (0.6, last))})

    def score(t):
        values = first + t * (last - first)
        return values.mean() ** 2 / (values.var(ddof=1) / 5) - stats.t.ppf(0.975, 4) ** 2

    middle = first.mean() / (first.mean() - last.mean())
    low, high = optimize.brentq(score, 0, middle), optimize.brentq(score, middle, 1)
    assert turn == "{:.3g} % [{:.3g}, {:.3g}]".format(*(100 * (0.2 + 0.4 * t) for t in (middle, low, high)))
    assert n == 5


def pairs(differences):
    found = {n: (float(d), 0.0) for n, d in enumerate(differences)}
    return Contrast("c", "a − b", "", len(found), found, identical=False, collapsed=(0, 0), absent="")


def test_the_sign_below_the_first_difference_that_is_told_is_of_no_matter():
    noise = [-1.0, 0.9, -0.8, 1.1, -0.5]
    (table,) = board(made({0.05: noise, **around(2.0, 2.0, -2.0)}))
    assert np.mean(noise) < 0
    assert column(table, "from")[NAME] == "+ 10 %"
    assert column(table, "turns at")[NAME].startswith("40 % [")


def test_a_contrast_that_never_turns_says_so_and_where_it_is_no_longer_told_from_zero():
    (table,) = board(made(around(2.0, 3.0, 2.0)))
    assert column(table, "turns at")[NAME] == "none up to 50 %"
    (fades,) = board(made({**around(2.0, 2.0), 0.5: [0.4, -0.3, 0.5, -0.2, 0.1]}))
    told = column(fades, "turns at")[NAME]
    assert told.startswith("none up to 50 % [4")
    assert told.endswith(", > 50]")
    (last,) = board(made({0.1: [0.5, -0.5, 0.4, -0.6, 0.1], 0.3: (3 + SPREAD).tolist()}))
    assert (column(last, "from")[NAME], column(last, "turns at")[NAME]) == ("+ 30 %", "none up to 30 %")


def test_a_contrast_begins_with_either_sign():
    (table,) = board(made(around(-1.0, 3.0)))
    assert column(table, "from")[NAME] == "− 10 %"
    assert column(table, "turns at")[NAME].startswith("15 % [")


def test_where_no_difference_is_told_the_fractions_of_a_change_are_named():
    flat = {0.1: [1.0, -0.8, 0.9, -0.5, 0.1], 0.3: [-1.0, 0.8, -0.9, 0.5, -0.1], 0.5: [1.0, -0.8, 0.9, -0.5, 0.1]}
    (table,) = board(made(flat))
    assert column(table, "from")[NAME] == "–"
    assert column(table, "turns at")[NAME] == (
        "cannot tell: the mean changes its sign between 10 % and 30 %, 30 % and 50 %"
    )
    (one,) = board(made({0.1: [3.0], 0.3: [2.0]}))
    assert one.rows[0][1:] == ("+3.00", "+2.00", "–", "cannot tell", "1")


def test_only_repetitions_with_all_fractions_count():
    records = made(around(2.0, 1.0, -3.0))
    gone = next(i for i, r in enumerate(records) if r.row.repetition == 4 and r.row.density == 0.5)
    records[gone] = record(records[gone].row, status="failed")
    (table,) = board(records)
    assert column(table, "n")[NAME] == "4"
    assert column(table, "50 %")[NAME].endswith(" (4/5)")
    assert not column(table, "30 %")[NAME].endswith(")")
    expected = 0.3 + 0.2 * (1 + SPREAD[:4].mean()) / 4
    assert float(column(table, "turns at")[NAME].split()[0]) == pytest.approx(100 * expected, abs=0.051)


def test_fractions_without_a_pair_are_skipped_and_one_alone_turns_nowhere():
    records = [*made(around(2.0, -1.0)), *(record(row(LARGE, n, 0.1), status="failed") for n in range(5))]
    records += [record(row(SMALL, n, 0.1), test_accuracy=1.0) for n in range(5)]
    (table,) = board(records)
    assert column(table, "90 %")[NAME] == "–"
    assert column(table, "turns at")[NAME].startswith("23.3 % [")
    assert board(made(around(2.0))) == []
    (short,) = board([*made(around(2.0)), *runs(LARGE, 0.1, test_loss=[1.0]), *runs(SMALL, 0.1, test_loss=[1.0])])
    assert column(short, "turns at")[NAME] == "fewer than two fractions"
    assert turning_point({0.1: pairs([1.0]), 0.2: Contrast("c", "", "", 2, {1: (1.0, 0.0)}, False, (0, 0), "")})[1] == (
        "no repetition has all fractions"
    )


def test_tasks_and_metrics_stand_apart_and_odd_names_are_harmless():
    asked = {"name": "x|_*", "a": LARGE, "b": SMALL + "(target=small)", "metrics": ["gap", "test_accuracy"]}
    records = [
        found
        for density in (0.9, 0.1)
        for recipe in ("small-sgd", "small-adam")
        for method in (LARGE, SMALL)
        for found in runs(method, density, recipe=recipe, test_accuracy=[1.0, 2.0], gap=[1.0, 3.0])
    ]
    tables = board(records, contrast=[asked])
    assert len(tables) == 4
    assert r"x\|\_\*" in render(tables, "md")
    marked = runs(LARGE, 0.9, scale="quick + seeds=1", test_accuracy=[1.0])
    for method, density in ((SMALL, 0.9), (LARGE, 0.1), (SMALL, 0.1)):
        marked += runs(method, density, scale="quick + seeds=1", test_accuracy=[1.0])
    assert "compares with no others: quick + seeds=1" in board(marked)[0].caption


def test_turning_points_are_covered_and_rarely_found_where_there_is_no_difference():
    """Differences 3, 2, −2, −4 at 0.1, 0.3, 0.5, 0.7, zero at 0.4, and none at all; spread 1.5, five repetitions."""
    generator = np.random.default_rng(0)
    trials, fractions = 250, (0.1, 0.3, 0.5, 0.7)
    covered, found = [], 0
    for _ in range(trials):
        noise = 1.5 * generator.normal(size=(4, 5))
        start, turn, _ = turning_point(
            {f: pairs(m + e) for f, m, e in zip(fractions, (3, 2, -2, -4), noise, strict=True)}
        )
        if start.startswith("+") and "[" in turn:
            low, high = turn.partition("[")[2].rstrip("]").split(", ")
            reached = math.inf if high.startswith(">") else float(high)
            covered.append(float(low) <= 40 <= reached)
        found += turning_point({f: pairs(e) for f, e in zip(fractions, noise, strict=True)})[0] != "–"
    assert len(covered) > trials / 2
    assert np.mean(covered) > 0.95 - 3 * math.sqrt(0.95 * 0.05 / len(covered))
    assert found / trials == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / trials))


def test_many_lines_turn_where_each_turns_by_itself():
    """Of two to five fractions and one to six repetitions, some of which have gaps."""
    generator = np.random.default_rng(1)
    lines = []
    for _ in range(60):
        fractions, n = int(generator.integers(1, 6)), int(generator.integers(1, 7))
        start = generator.normal(0, 3)
        line = {round(0.1 + 0.2 * f, 10): pairs(start - 1.5 * f + generator.normal(size=n)) for f in range(fractions)}
        lines.append({f: pairs([]) if generator.random() < 0.1 else pair for f, pair in line.items()})
    found = turning_points(lines)
    assert found == [turning_point(line) for line in lines]
    assert {"fewer than two fractions"} < {turn for _, turn, _ in found}
    assert sum("[" in turn for _, turn, _ in found) > 5
    assert turning_points([]) == []

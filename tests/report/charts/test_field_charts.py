"""A method against the quartiles of the field."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from prunebench.report.charts.fields import MOST, fields
from prunebench.report.field import Standing
from prunebench.report.looks import looks_of

FIELD = {0.5: (50.0, 60.0, 70.0), 0.25: (30.0, 40.0, 50.0), 0.125: (10.0, 20.0, 30.0)}


def standings(task="mlp · digits", method="mine"):
    return [
        Standing(task, "digits", method, density, (field[1] + 5 - 1, field[1] + 5 + 1), field, higher=True)
        for density, field in FIELD.items()
    ]


def test_points_stand_where_mean_and_compression_say():
    (chart,) = fields("tradeoff quick", standings(), "test_accuracy", looks_of(["mine"]))
    svg = ET.fromstring(chart.svg)
    name = "{http://www.w3.org/2000/svg}"
    said = {
        found.findtext(f"{name}title"): found for found in svg.iter(f"{name}path") if found.get("data-method") == "0"
    }
    points = {}
    for words, found in said.items():
        if words and (at := re.match(r"mine at (\d+)×: ([\d.]+)", words)):
            place = found.get("transform") or found.get("d")
            points[int(at[1])] = float(at[2]), [float(n) for n in re.findall(r"-?[\d.]+", place)[:2]]
    assert {at: mean for at, (mean, _) in points.items()} == {2: 65.0, 4: 45.0, 8: 25.0}
    (x2, y2), (x4, y4), (x8, y8) = (points[at][1] for at in (2, 4, 8))
    assert x4 - x2 == pytest.approx(x8 - x4, abs=0.3), "doublings of compression are equally far apart"
    assert y4 - y2 == pytest.approx(y8 - y4, abs=0.3), "and so are equal losses, downwards"
    assert x2 < x4 < x8
    assert y2 < y4 < y8


def test_the_table_has_the_numbers_that_are_drawn():
    (chart,) = fields("tradeoff quick", standings(), "test_accuracy", looks_of(["mine"]))
    assert chart.table.rows[0][4:7] == ("55.00", "60.00", "65.00")
    assert [row[-1] for row in chart.table.rows] == ["2 of 4"] * 3
    assert "3 others" in chart.description


def test_one_density_is_no_curve_and_tasks_beyond_the_first_are_left_to_the_table():
    assert fields("x", standings()[:1], "test_accuracy", looks_of(["mine"])) == []
    many = [one for n in range(MOST + 2) for one in standings(f"task {n}")]
    assert len(fields("x", many, "test_accuracy", looks_of(["mine"]))) == MOST


def test_where_every_repetition_failed_nothing_is_drawn_and_two_others_have_no_band():
    found = [replace(one, field=one.field[:2], silent=1) for one in standings()]
    found[1] = replace(found[1], values=(), cells=(0, 2))
    (chart,) = fields("tradeoff quick", found, "test_accuracy", looks_of(["mine"]))
    assert "band" not in chart.description
    assert "3 others" in chart.description
    assert "mine at 2×: 65.00" in chart.svg
    assert "mine at 4×" not in chart.svg

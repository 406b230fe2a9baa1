"""Which layers are left, and how far methods go."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest

from prunebench.records.presentation import Presentation
from prunebench.records.schema import Record, Row
from prunebench.report.charts.collapses import collapses
from tests.report.charts.seen import across, elements, points, run, titled

SHOWN = Presentation.model_validate(
    {
        "primary": {"metric": "log_ratio_dead_layer", "tolerance": 0.01},
        "column": [{"header": "log ratio", "metric": "log_ratio_dead_layer"}],
    }
)
SIZES = (100, 1000, 10)


def row(method, density, repetition, model="mlp", arm="trajectory"):
    return Row("collapse", 1, "collapse", "quick", model, "digits", None, method, density, arm, repetition)


def made(method, ratios, kept, *, critical=50.0, layers=("1.weight", "3.weight", "5.weight"), **at):
    """Records of a method: an outcome a repetition, and kept weights of each layer by density, the same in all."""
    outcomes = [
        Record(row(method, None, n, **at), "ok", metrics={"log_ratio_dead_layer": r, "rho_cr_dead_layer": critical})
        for n, r in enumerate(ratios)
    ]
    cells = [
        Record(
            row(method, density, n, **at), "ok",
            series={"layer": list(layers), "kept_by_layer": list(own), "size_by_layer": list(SIZES)},
        )
        for density, rows in kept.items() for n, own in enumerate(rows)
    ]  # fmt: skip
    return [*outcomes, *cells]


KEPT = {0.5: [(50, 500, 5)] * 2, 0.1: [(10, 100, 0), (10, 100, 1)], 0.01: [(1, 10, 0)] * 2}


def drawn(records):
    return collapses("collapse", SHOWN, run(records))


def test_ratios_stand_at_their_mean_with_their_range_the_best_on_top():
    ratios, _ = drawn([*made("snip", [0.4, 0.6], KEPT), *made("synflow", [1.0, 1.0], KEPT, critical=16733.0)])
    x = across(ratios.svg, ("0", 0), ("0.8", 0.8))
    (snip,), (synflow,) = points(ratios.svg, "snip: "), points(ratios.svg, "synflow: ")
    assert (snip.x, synflow.x) == pytest.approx((x(0.5), x(1.0)), abs=0.7)
    assert synflow.y < snip.y
    (bar,) = [one for one in elements(ratios.svg) if one.attributes.get("stroke-width") == "2.5" and one.method == "0"]
    ends = [float(part.split(",")[0]) for part in bar.d.lstrip("M").split("L")]
    assert ends == pytest.approx([x(0.4), x(0.6)], abs=0.7)
    assert snip.title == "snip: 0.500, 0.400 to 0.600, n = 2, median ρ_cr 50×"
    assert ratios.table.rows[0] == ("synflow", "1.000", "1.000", "1.000", "16\u202f733", "2")


def test_cells_are_as_dark_as_what_is_left_on_a_log_scale():
    """Half is in the first shade below all, a hundredth 4 below; a layer that is gone has the lightest."""
    _, heat = drawn(made("snip", [0.5, 0.5], KEPT))
    cells = [
        (one.classes[0], *map(float, re.findall(r"-?[\d.]+", cell)[:4]))
        for one in elements(heat.svg) if one.classes and one.classes[0].startswith("f-q")
        for cell in one.d.split("Z")[:-1]
    ]  # fmt: skip
    cells = [cell for cell in cells if cell[2] >= 54]  # above are the shades with what they stand for
    assert Counter(cell[0] for cell in cells) == {"f-q7": 3, "f-q6": 2, "f-q5": 1, "f-q4": 2, "f-q0": 1}
    x = across(heat.svg, ("2×", 2), ("10×", 10), log=True)
    begin, end = x(2 * math.sqrt(2 / 10)), x(math.sqrt(2 * 10))
    (first,) = [cell[1:] for cell in cells if cell[0] == "f-q7" and cell[2] == 54]
    assert first == pytest.approx((begin, 54, end - begin, 16), abs=0.8)


def test_dead_layers_have_a_sign_thin_where_only_some_repetitions_lost_them():
    _, heat = drawn(made("snip", [0.5, 0.5], KEPT))
    signs = [one for one in elements(heat.svg) if "s-ink" in one.classes and one.d.count("L") >= 2]
    by_width = {one.attributes["stroke-width"]: one for one in signs}
    assert set(by_width) == {"0.7", "1.4"}
    x = across(heat.svg, ("2×", 2), ("10×", 10), log=True)
    for width, compression in (("0.7", 10), ("1.4", 100)):
        numbers = by_width[width].d.replace("M", " ").replace("L", " ").split()
        middle = [sum(float(pair.split(",")[i]) for pair in numbers) / len(numbers) for i in (0, 1)]
        assert middle == pytest.approx([x(compression), 54 + 2.5 * 16], abs=0.8)


def test_the_line_stands_at_the_median_critical_compression():
    _, heat = drawn(made("snip", [0.5, 0.5], KEPT, critical=50.0))
    x = across(heat.svg, ("2×", 2), ("10×", 10), log=True)
    (line,) = [one for one in elements(heat.svg) if one.attributes.get("stroke-width") == "2"]
    assert line.x == pytest.approx(x(50), abs=0.7)
    assert titled(heat.svg, "snip: ρ_cr 50×")


def test_all_that_is_drawn_of_a_method_carries_it():
    """Panels of 214 pixels, 14 apart: what is left of the gap is the first method's, what is right the second's."""
    _, heat = drawn([*made("snip", [0.5, 0.5], KEPT), *made("synflow", [0.9, 0.9], KEPT, critical=70.0)])
    inside = [
        one for one in elements(heat.svg)
        if one.tag == "path" and one.y >= 54 and {"s-grid", "s-muted"}.isdisjoint(one.classes)
    ]  # fmt: skip
    assert {one.method for one in inside if one.x < 96 + 214} == {"1"}, "synflow, which goes further"
    assert {one.method for one in inside if one.x > 96 + 214 + 14 - 1} == {"0"}
    drawn_of = [Counter(one.method for one in inside if word in " ".join(one.classes)) for word in ("f-q", "s-ink")]
    assert all(count["0"] == count["1"] > 0 for count in drawn_of), "cells, and crosses with the line"


def test_layers_in_the_alphabets_order_are_put_in_that_of_their_numbers():
    _, heat = drawn(made("snip", [0.5], {0.5: [(50, 500, 5)]}, layers=("0.weight", "11.weight", "2.weight")))
    names = [one for one in elements(heat.svg) if one.text.endswith(".weight")]
    assert [one.text for one in sorted(names, key=lambda one: one.y)] == ["0.weight", "2.weight", "11.weight"]
    assert [line[1] for line in heat.table.rows] == ["0.weight", "2.weight", "11.weight"]


def test_the_table_has_kept_shares_in_percent():
    _, heat = drawn(made("snip", [0.5, 0.5], KEPT))
    assert heat.table.headers == ("method", "layer", "2×", "10×", "100×")
    assert heat.table.rows[2] == ("snip", "5.weight", "50", "5", "0")


def test_four_and_twenty_methods_have_a_panel():
    many = [one for i in range(30) for one in made(f"m{i:02}", [1 - i / 100], {0.5: [(50, 500, 5)], 0.1: [(9, 90, 1)]})]
    ratios, heat = drawn(many)
    assert len(ratios.table.rows) == 30
    assert len({one.method for one in elements(heat.svg) if one.method}) == 24
    assert "6 more methods are in the tables" in heat.description
    assert len(heat.svg) < 120_000


def test_a_deep_network_stays_small():
    deep = {2.0**-i: [tuple(max(1, 100 - 7 * i * k % 100) for k in range(30))] for i in range(1, 9)}
    found = []
    for i in range(24):
        for one in made(f"m{i}", [0.5], {d: [(1, 1, 1)] for d in deep}):
            if one.series:
                names = [f"l{k:02}" for k in range(30)]
                series = {"layer": names, "kept_by_layer": list(deep[one.row.density][0]), "size_by_layer": [100] * 30}
                found.append(Record(one.row, "ok", series=series))
            else:
                found.append(one)
    _, heat = drawn(found)
    assert len(heat.svg) < 120_000


def test_what_looks_for_no_collapse_has_no_chart():
    assert drawn([Record(row("snip", 0.5, 0), "ok", metrics={"test_accuracy": 60.0})]) == []
    assert drawn([]) == []

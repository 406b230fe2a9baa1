"""Panels: marks stand where a scale says, and nothing depends on how wide a text is."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from prunebench.report.charts.drawing import draw
from prunebench.report.charts.insets import Inset, draw_mosaic, mosaic
from prunebench.report.charts.keys import spread
from prunebench.report.charts.panels import Axis, Label, Layer, Margins, Panel, mark, point
from prunebench.report.looks import looks_of
from tests.report.charts.seen import elements, points

LOOK = looks_of(["snip"])["snip"]
MARGINS = Margins(left=50, top=10, right=20, bottom=40)


def panel(x, y, *layers, **more):
    return Panel(200, 100, x, y, layers, **more)


LINEAR = Axis("values", 0, 10, ((0, "0"), (5, "5"), (10, "10")))
SCALES = [
    (LINEAR, 2.5, 0.25),
    (Axis("", 10, 0), 2.5, 0.75),
    (Axis("", 1, 16, scale="log"), 4.0, 0.5),
    (Axis("", -7, 7, scale="symlog", constant=1.0), 1.0, 0.5 + math.log(2) / math.log(8) / 2),
    (Axis("", -7, 7, scale="symlog", constant=1.0), -1.0, 0.5 - math.log(2) / math.log(8) / 2),
]


@pytest.mark.parametrize(("axis", "value", "share"), SCALES)
def test_vega_and_the_axis_put_a_value_at_the_same_place(axis, value, share):
    assert axis.share(value) == pytest.approx(share)
    svg = draw([panel(axis, axis, Layer("point", (point(LOOK, "here", x=value, y=value),)))], MARGINS, "t", "d")
    (seen,) = points(svg, "here")
    assert (seen.x, seen.y) == pytest.approx((50 + 200 * share, 10 + 100 * (1 - share)), abs=0.06)


def test_panels_stand_in_rows():
    one = panel(LINEAR, LINEAR, Layer("point", (point(LOOK, "here", x=0, y=10),)))
    svg = draw([one, one, one], replace(MARGINS, columns=2, across=30, down=50), "t", "d")
    assert [(seen.x, seen.y) for seen in points(svg, "here")] == [(50, 10), (280, 10), (50, 160)]
    assert 'viewBox="0 0 500 300"' in svg


def test_all_kinds_of_marks_are_drawn_in_order():
    rows = {"x": 1, "y": 2, "x2": 3, "y2": 4}
    layers = [
        Layer("rect", (mark(None, "box", **rows, fill="area"),)),
        Layer("area", tuple(mark(LOOK, "band", x=x, y=1, y2=3, fill="m0", i=0) for x in (1, 2))),
        Layer("rule", (mark(LOOK, "rule", **rows, stroke="m0"),)),
        Layer("line", tuple(mark(LOOK, "line", x=x, y=x, stroke="m1", i=0) for x in (1, 2))),
        Layer("dot", (mark(None, "dot", x=1, y=1, stroke="m2"),)),
        Layer("point", (point(LOOK, "point", x=1, y=1),)),
    ]
    svg = draw([panel(LINEAR, LINEAR, *layers)], MARGINS, "t", "d")
    assert [one.title for one in elements(svg) if one.title] == ["box", "band", "rule", "line", "dot", "point"]


def test_layers_in_pixels_stand_beside_the_axes():
    svg = draw(
        [panel(LINEAR, LINEAR, Layer("point", (point(LOOK, "beside", x=216, y=-4),), pixels=True))], MARGINS, "t", "d"
    )
    (seen,) = points(svg, "beside")
    assert (seen.x, seen.y) == (266, 6)


def test_nothing_depends_on_the_widths_of_texts(monkeypatch):
    """Another font has other widths: everything must stand where it stood, what is long too."""
    labels = tuple(
        Label(x, 20, "W" * 60, "said", 0, align=align, bold=bold)
        for x, align, bold in ((0, "left", False), (90, "center", True), (200, "right", False))
    )
    wide = Axis("W" * 90, 1, 1000, tuple((10.0**i, "W" * 30) for i in range(4)), "log")
    whole = [panel(wide, wide, Layer("point", (point(LOOK, "p", x=10, y=10),)), labels=labels, title="W" * 80)] * 2
    usual = draw(whole, replace(MARGINS, columns=2), "t", "d")

    real = vl_convert.vegalite_to_svg

    def in_another_font(spec, **more):
        return real({**spec, "config": {**spec["config"], "font": "DejaVu Sans Mono"}}, **more)

    monkeypatch.setattr(vl_convert, "vegalite_to_svg", in_another_font)
    assert draw(whole, replace(MARGINS, columns=2), "t", "d") == usual
    assert usual.count("W" * 60) == 2 * (len(labels) + 3)  # titles of panel and axes too; nothing is cut


def test_insets_share_one_drawing():
    found = mosaic(3, LINEAR, LINEAR, (80, 60), 2, (20, 30))
    assert [(one.left, one.top) for one in found.insets] == [(0, 0), (100, 0), (0, 90)]
    assert (found.width, found.height, found.rows()) == (180, 150, 2)
    dots = tuple(one.dot(5, 2.5, stroke="m0") for one in found.insets)
    svg = draw_mosaic(found, [Layer("dot", dots, pixels=True)], [], MARGINS, "t", "d")
    (merged,) = [one for one in elements(svg) if "s-m0" in one.classes]
    assert merged.d == "M90,55h0M190,55h0M90,145h0"
    texts = [(one.text, one.x) for one in elements(svg) if one.tag == "text" and one.y > 150]
    assert {text for text, _ in texts} == {"0", "5", "10", "values"}


def test_an_inset_has_its_own_scale():
    inset = Inset(10, 20, 100, 50, Axis("", 1, 100, scale="log"), Axis("", 0, 1))
    assert inset.at(10, 0.25) == pytest.approx((60, 57.5))


@given(
    st.lists(st.floats(-50, 350), min_size=1, max_size=40).map(sorted),
    st.floats(1, 14),
)
def test_spread_places_are_apart_in_order_and_inside_while_there_is_room(places, gap):
    found = spread(places, gap, 0.0, 300.0)
    assert len(found) == len(places)
    assert all(b - a >= gap - 1e-6 for a, b in pairwise(found))
    if (len(places) - 1) * gap <= 300:
        assert found[0] >= -1e-6
        assert found[-1] <= 300 + 1e-6


def test_places_that_are_apart_stay():
    assert spread([10, 40, 90], 13, 0, 100) == [10, 40, 90]


def test_a_crowd_stands_about_its_mean():
    assert spread([50, 50, 50], 10, 0, 100) == pytest.approx([40, 50, 60])

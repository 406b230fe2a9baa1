"""Panels: marks stand where a scale says, and nothing depends on how wide a text is."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import altair as alt
import pytest
import vl_convert
from jsonschema import ValidationError

from prunebench.report.charts import drawing
from prunebench.report.charts.drawing import specification
from prunebench.report.charts.insets import Inset, mosaic
from prunebench.report.charts.insets import draw_mosaic as draw_mosaic_of
from prunebench.report.charts.panels import Axis, Label, Layer, Margins, Panel, mark, point
from prunebench.report.charts.pen import VEGA_LITE
from prunebench.report.looks import looks_of
from tests.report.charts.seen import elements, points

LOOK = looks_of(["snip"])["snip"]
MARGINS = Margins(left=50, top=10, right=20, bottom=40)


def draw(*arguments):
    return drawing.draw(*arguments).svg


def draw_mosaic(*arguments):
    return draw_mosaic_of(*arguments).svg


def panel(x, y, *layers, **more):
    return Panel(200, 100, x, y, layers, **more)


LINEAR = Axis("values", 0, 10, ((0, "0"), (5, "5"), (10, "10")))
SCALES = [
    (LINEAR, 2.5, 0.25),
    (Axis("", 10, 0), 2.5, 0.75),
    (Axis("", 1, 16, scale="log"), 4.0, 0.5),
    (Axis("", -7, 7, scale="symlog", constant=1.0), 1.0, 0.5 + math.log(2) / math.log(8) / 2),
    (Axis("", -7, 7, scale="symlog", constant=0.01), 1.0, 0.5 + math.log(101) / math.log(701) / 2),
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

    def in_another_font(panels, margins):
        spec = specification(panels, margins)
        return {**spec, "config": {**spec["config"], "font": "DejaVu Sans Mono"}}

    monkeypatch.setattr(drawing, "specification", in_another_font)
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


def test_what_vega_lite_is_given_is_in_its_language():
    """Altair validates by the schema of Vega-Lite, which Vega itself does not."""
    layers = [Layer(kind, (mark(LOOK, "said", x=1, y=2, x2=3, y2=4, stroke="m0", strokeDash=[1, 3]),))
              for kind in ("line", "area", "rule", "rect", "point", "dot")]  # fmt: skip
    labels = (Label(1, 2, "left"), Label(3, 4, "right", "said", 0, align="right", bold=True, middle=False))
    whole = [panel(one, Axis("", 0, 1), *layers, labels=labels, title="a panel") for one, *_ in SCALES]
    given = json.loads(json.dumps(specification(whole, replace(MARGINS, columns=2))))
    alt.ConcatChart.from_dict(given, validate=True)
    given["concat"][0]["layer"][0]["mark"]["type"] = "no-such-mark"
    with pytest.raises(ValidationError, match="no-such-mark"):
        alt.ConcatChart.from_dict(given, validate=True)


def test_the_version_of_the_language_is_one_that_is_there():
    assert VEGA_LITE in vl_convert.get_vegalite_versions()


def test_marks_of_an_inset_belong_to_its_method():
    found = mosaic(2, LINEAR, LINEAR, (80, 60), 2)
    looks = looks_of(["snip", "synflow"])
    marks = [
        made
        for inset, look in zip(found.insets, looks.values(), strict=True)
        for made in (inset.of(look).dot(5, 2.5, stroke="ink"), inset.of(look).dot(6, 2.5, stroke="ink"))
    ]
    svg = draw_mosaic(found, [Layer("dot", tuple(marks), pixels=True)], [], MARGINS, "t", "d")
    owned = [one for one in elements(svg) if one.method is not None]
    assert [(one.method, one.d.count("M")) for one in owned] == [("0", 2), ("1", 2)], "a path each"

"""Forest plots of differences by arm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.boards.verdicts import verdicts as board
from prunebench.report.charts.forests import verdicts
from tests.analysis.boards.sanity_records import Made, column, presentation, row
from tests.report.charts.seen import across, elements, points, titled

BEFORE = [60.0, 61.5, 58.9, 60.4, 62.0]
AFTER = [52.1, 54.0, 50.2, 51.9, 55.0]


@pytest.fixture
def made(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", BEFORE, AFTER)
    made.pair("snip", "shuffle", BEFORE, [b + d for b, d in zip(BEFORE, (0.1, -0.2, 0.0, 0.2, -0.1), strict=True)])
    made.pair("random", "rearrange", BEFORE, BEFORE, labels={"ticket": "identical"})
    return made


def drawn(made, **more):
    return verdicts("sanity", presentation(**more), made.results())


def test_a_difference_stands_where_its_mean_is_with_its_interval_about_it(made):
    (chart,) = drawn(made)
    x = across(chart.svg, ("0", 0), ("4", 4))
    differences = np.array(BEFORE) - np.array(AFTER)
    (seen,) = points(chart.svg, "snip · reinit: ")
    assert seen.x == pytest.approx(x(differences.mean()), abs=0.7)
    half = stats.t.ppf(0.95, 4) * stats.sem(differences)
    (thick,) = [one for one in elements(chart.svg) if one.attributes.get("stroke-width") == "3" and
                one.d.startswith("M") and abs(one.y - seen.y) < 0.2]  # fmt: skip
    ends = [float(part.split(",")[0]) for part in thick.d.lstrip("M").split("L")]
    assert ends == pytest.approx([x(differences.mean() - half), x(differences.mean() + half)], abs=0.7)


def test_the_margin_is_shaded_and_zero_has_a_line(made):
    (chart,) = drawn(made, margin=2.0)
    x = across(chart.svg, ("0", 0), ("4", 4))
    (band,) = [one for one in elements(chart.svg) if "f-area" in one.classes]
    left = band.x
    width = float(band.d.split("h")[1].split("v")[0])
    assert (left, left + width) == pytest.approx((x(-2), x(2)), abs=0.7)
    lines = [one for one in elements(chart.svg) if "s-ink" in one.classes and one.d]
    assert lines[0].x == pytest.approx(x(0), abs=0.7)


def test_the_shape_says_the_verdict_and_the_word_stands_beside(made):
    (chart,) = drawn(made)
    shapes = {name: points(chart.svg, name)[0].d for name in ("snip · reinit", "snip · shuffle", "random · rearrange")}
    assert len(set(shapes.values())) == 3
    texts = [one.text for one in elements(chart.svg) if one.tag == "text"]
    assert {"depends", "does not depend", "does not depend (identical mask)"} <= set(texts)


def test_rows_stand_below_each_other_in_the_order_of_the_board(made):
    (chart,) = drawn(made)
    (table,) = board("sanity", presentation(), made.results())
    heights = [points(chart.svg, line[0])[0].y for line in table.rows]
    assert heights == sorted(heights)
    assert len(set(heights)) == 3


def test_the_table_has_the_numbers_of_the_board(made):
    (chart,) = drawn(made)
    (table,) = board("sanity", presentation(), made.results())
    for header in ("difference 90%", "n", "verdict"):
        assert column(chart.table, header) == column(table, header)
    assert chart.table.methods == table.methods


def test_intervals_beyond_the_axis_end_in_arrows(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", [60.0, 61.0], [30.0, 65.0])
    (chart,) = drawn(made)
    assert "Arrows" in chart.description
    xs = [one.x for one in elements(chart.svg) if one.d]
    assert max(xs) < 224 + 360 + 232


def test_a_row_without_a_pair_has_its_reason_and_no_mark(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", None, 0), 60.0)
    made.add(row("snip", "reinit", 0), status="skipped", reason="no weights")
    (chart,) = drawn(made)
    assert not points(chart.svg, "snip · reinit")
    assert any("skipped: no weights" in one.text for one in elements(chart.svg))


def test_many_methods_are_spread_over_charts_and_stay_together(tmp_path):
    made = Made(tmp_path)
    for i in range(12):
        for k in range(10):
            made.pair(f"m{i:02}", f"arm-{k}", [60.0, 61.0, 62.0], [59.0, 60.5, 61.0 + k])
    charts = drawn(made)
    assert [len(chart.table.rows) for chart in charts] == [40, 40, 40]
    assert [chart.title.rpartition(" ")[0].rpartition("(")[2] for chart in charts] == ["1 of", "2 of", "3 of"]
    assert len({chart.name for chart in charts}) == 3
    assert all(len(chart.svg) < 120_000 for chart in charts)


def test_nothing_measured_yet_is_no_chart(tmp_path):
    made = Made(tmp_path)
    made.plan(row("snip", None, 0), row("snip", "reinit", 0))
    assert drawn(made) == []


def test_names_are_escaped(tmp_path):
    made = Made(tmp_path)
    made.pair("<script>x</script>", "a" * 200, BEFORE, AFTER)
    (chart,) = drawn(made)
    assert "<script" not in chart.svg
    assert titled(chart.svg, f"<script>x</script> · {'a' * 200}: ")

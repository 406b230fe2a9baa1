"""Keep ratios by layer and overlaps of masks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.boards.overlap import overlap
from prunebench.analysis.boards.ratios import depth_trend, ratios
from prunebench.analysis.tables import render
from tests.analysis.boards.sanity_records import Made, column, presentation, row

SIZES = [100, 1000, 50]


def kept(made, method, arm, counts, sizes=SIZES, labels=None, density=0.1):
    for n, by_layer in enumerate(counts):
        names = [f"{i}.weight" for i in range(len(sizes))]
        series = {"layer": names, "size_by_layer": sizes, "kept_by_layer": by_layer}
        made.add(row(method, arm, n, density=density), 50.0, series=series, labels=labels)


def board(made):
    return ratios("sanity", presentation(), made.results())


def test_ratios_are_means_over_repetitions_with_the_smart_ratio_first(tmp_path):
    made = Made(tmp_path)
    kept(made, "snip", None, [[50, 100, 10], [60, 110, 20]])
    kept(made, "smart-ratio(last=0.2)", None, [[90, 50, 15]])
    (table,) = board(made)
    assert table.headers == ("keep ratio", "0.weight", "1.weight", "2.weight", "largest change", "in", "n")
    assert table.rows == (
        ("smart-ratio(last=0.2)", "90.00", "5.00", "30.00", "–", "–", "1"),
        ("snip", "55.00", "10.50", "30.00", "–", "–", "2"),
    )


def test_the_largest_change_is_paired_and_its_interval_covers_all_layers(tmp_path):
    made = Made(tmp_path)
    kept(made, "snip", None, [[50, 100, 10], [60, 110, 20], [55, 90, 12]])
    kept(made, "snip", "random-labels", [[48, 110, 15], [61, 100, 26], [52, 100, 18]])
    (table,) = board(made)
    change = np.array([15 - 10, 26 - 20, 18 - 12]) / 50 * 100
    half = stats.t.ppf(1 - 0.05 / 3 / 2, 2) * stats.sem(change)
    assert table.rows[1][-3:] == (f"{change.mean():.2f} ± {half:.2f}", "2.weight", "3")


def test_only_arms_that_alter_the_finding_of_masks_have_rows(tmp_path):
    made = Made(tmp_path)
    kept(made, "lottery", None, [[50, 100, 10]])
    for arm in (
        "random-labels", "random-labels(part=mask)", "random-labels(part=weights)", "corrupted(part=mask)", "rearrange",
        "reinit", "of-a-plug-in",
    ):  # fmt: skip
        kept(made, "lottery", arm, [[50, 100, 10]])
    (table,) = board(made)
    assert [line[0] for line in table.rows] == [
        "lottery", "lottery · random-labels", "lottery · corrupted(part=mask)", "lottery · of-a-plug-in",
    ]  # fmt: skip
    assert set(column(table, "largest change").values()) == {"–", "0"}


@pytest.mark.parametrize(
    ("means", "text"),
    [
        ([90.0, 50.0, 20.0, 30.0], "-1.00"), ([1.0, 2.0, 3.0, 0.0], "1.00"), ([1.0, 3.0, 2.0, 0.0], "0.50"),
        ([10.0] * 5, "–"), ([3.0, 2.0, 1.0], "–"), ([5.0], "–"),
    ],
)  # fmt: skip
def test_the_trend_with_depth_leaves_out_the_last_layer_and_needs_three_others(means, text):
    assert depth_trend(means) == text


def test_a_deep_network_shows_twelve_layers_from_first_to_last_and_tests_all(tmp_path):
    made = Made(tmp_path)
    sizes = [100] * 50
    kept(made, "snip", None, [[50 - i for i in range(50)]] * 2, sizes)
    altered = [50 - i + (7 if i == 1 else 0) for i in range(50)]
    kept(made, "snip", "random-labels", [altered] * 2, sizes)
    (table,) = board(made)
    shown = [header for header in table.headers if header.endswith("weight")]
    assert (len(shown), shown[0], shown[-1]) == (12, "0.weight", "49.weight")
    assert "12 of 50 layers" in table.caption
    assert column(table, "depth")["snip"] == "-1.00"
    assert (table.rows[1][-3], table.rows[1][-2]) == ("7.00 ± 0.00", "1.weight"), "of a layer that is not shown"
    assert max(map(len, render([table], "table", 100).splitlines())) <= 100


def test_cells_without_series_and_dense_networks_have_no_row(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", None, 0), 50.0)
    made.add(row("grasp", None, 0), status="failed")
    kept(made, "dense", None, [[100, 1000, 50]], density=None)
    assert board(made) == []


def test_overlaps_stand_beside_chance_and_arms_that_change_no_mask_share_a_row(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", None, 0), 50.0)
    for n, value in ((1, 0.06), (2, 0.08)):
        made.add(row("snip", None, n), 50.0, overlap_seeds=value, overlap_chance=0.05)
    for n, value in enumerate((0.2, 0.3, 0.4)):
        made.add(row("snip", "random-labels", n), 50.0, overlap=value, overlap_chance=0.06)
        made.add(row("snip", "reinit", n), 50.0, overlap=1.0, overlap_chance=0.05)
        made.add(row("snip", "shuffle", n), 50.0, overlap=1.0, overlap_chance=0.05)
    made.add(row("grasp", None, 0), status="failed")
    made.plan(row("grasp", "reinit", 0))
    (table,) = overlap("sanity", presentation(), made.results())
    assert table.rows == (
        ("snip · between seeds", "0.070", "0.060", "0.080", "0.050", "2"),
        ("snip · random-labels", "0.300", "0.200", "0.400", "0.060", "3"),
        ("snip · reinit, shuffle", "1.000", "1.000", "1.000", "0.050", "6"),
    )


def test_without_masks_there_is_no_table_of_overlaps(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", None, 0), 50.0)
    assert overlap("sanity", presentation(), made.results()) == []

"""Where methods stand among the others."""

from __future__ import annotations

import numpy as np
import pytest

from prunebench.analysis.boards.sections import parts
from prunebench.analysis.results import load_results
from prunebench.report.field import field_table, standings
from prunebench.report.spent import cost_table
from tests.report.handmade import METHODS, PRESENTATION, failed, records, write_run


def _standings(folder, mine, **settings):
    results = load_results(write_run(folder, records(), **settings))
    (presentation,) = {id(part.presentation): part.presentation for part in parts(results)}.values()
    return results, standings("tradeoff", presentation, results, mine)


def _means(found, density, dataset):
    """Of every method but controls, from the records themselves."""
    values = {}
    for record in found.records:
        if record.row.density == density and record.row.dataset == dataset and record.status == "ok":
            values.setdefault(record.row.method, []).append(record.metrics["test_accuracy"])
    return {method: np.mean(own) for method, own in values.items() if method != "dense"}


@pytest.mark.parametrize("mine", [["synflow"], ["imp"], ["my-method(a=1)", "snip"]])
def test_quartiles_are_those_of_the_other_methods_but_controls(tmp_path, mine):
    results, found = _standings(tmp_path / "run", mine)
    assert len(found) == 2 * 2 * len(mine), "densities, tasks, methods"
    for one in found:
        means = _means(results, one.density, one.dataset)
        field = [value for method, value in means.items() if method not in mine]
        assert one.mean == pytest.approx(means[one.method])
        assert one.quartiles == pytest.approx(np.percentile(field, [25, 50, 75]))
        whole = {method: value for method, value in means.items() if (method, one.density) != ("snip", 0.1)}
        ahead = [value for method, value in whole.items() if method not in mine and value > means[one.method]]
        if one.method in whole:
            assert one.rank == 1 + len(ahead)
        else:
            assert one.rank == len(means) - len(mine) + 1, "behind all that have no hole"


def test_without_curves_the_field_is_that_of_the_primary_metric(tmp_path):
    leaderboard = {key: value for key, value in PRESENTATION.items() if key != "curve"} | {"sections": ["leaderboard"]}
    results, found = _standings(tmp_path / "run", ["snip"], presentation=leaderboard)
    assert [(one.density, one.dataset) for one in found] == [(0.1, "mnist1d"), (0.1, "digits")]
    others = [value for method, value in _means(results, 0.1, "digits").items() if method != "snip"]
    assert found[1].quartiles == pytest.approx(np.percentile(others, [25, 50, 75]))


def _broken(folder, method, density, **settings):
    """A run in which every repetition of a method failed at a density."""
    found = [
        failed(one.row) if (one.row.method, one.row.density) == (method, density) else one
        for one in records(datasets=["digits"], **settings)
    ]
    results = load_results(write_run(folder, found))
    return results, parts(results)[0].presentation


def test_a_method_that_failed_counts_in_the_field_and_one_that_failed_itself_keeps_its_line(tmp_path):
    results, presentation = _broken(tmp_path / "run", "synflow", 0.1)
    at = {one.density: one for one in standings("tradeoff", presentation, results, ["imp"])}
    assert (at[0.5].others, at[0.1].others) == (4, 4)
    assert (len(at[0.5].field), len(at[0.1].field), at[0.1].silent) == (4, 3, 1)
    table = field_table(standings("tradeoff", presentation, results, ["synflow", "snip"]), "test_accuracy")
    lines = {
        (row[0], row[2]): (dict(zip(table.headers, row, strict=True)), hole)
        for row, hole in zip(table.rows, table.holes, strict=True)
    }
    gone, hole = lines["synflow", "10 %"]
    assert (gone["value"], gone["rank"], hole) == ("– (0/3)", "– of 4", True)
    partly, hole = lines["snip", "10 %"]
    assert partly["value"].endswith(" (2/3)")
    assert (partly["rank"], hole) == ("4 of 4", True)
    assert lines["snip", "50 %"][0]["rank"] == "3 of 4"


def test_without_curves_a_method_that_failed_counts_as_well(tmp_path):
    leaderboard = {key: value for key, value in PRESENTATION.items() if key != "curve"} | {"sections": ["leaderboard"]}
    found = [failed(one.row) if one.row.method in {"synflow", "imp"} else one for one in records(datasets=["digits"])]
    results = load_results(write_run(tmp_path / "run", found, presentation=leaderboard))
    presentation = parts(results)[0].presentation
    own, gone = standings("tradeoff", presentation, results, ["snip", "synflow"])
    assert {own.method: own.cells, gone.method: gone.cells} == {"snip": (2, 3), "synflow": (0, 3)}
    assert [(one.others, one.silent) for one in (own, gone)] == [(3, 1)] * 2


def test_fewer_than_three_others_have_a_median_alone(tmp_path):
    three = {name: METHODS[name] for name in ("dense", "imp", "synflow", "snip")}
    results, presentation = _broken(tmp_path / "run", "imp", 0.1, methods=three)
    table = field_table(standings("tradeoff", presentation, results, ["snip"]), "test_accuracy")
    assert [row[4:7] for row in table.rows] == [("–", row[5], "–") for row in table.rows]
    means = _means(results, 0.5, "digits")
    assert float(table.rows[0][5]) == pytest.approx((means["imp"] + means["synflow"]) / 2, abs=0.005)
    assert table.rows[1][5] == f"{_means(results, 0.1, 'digits')['synflow']:.2f}", "of the one that has not failed"


def test_a_method_alone_has_no_field(tmp_path):
    _, found = _standings(tmp_path / "run", [method for method in METHODS if method != "dense"])
    assert found == []


def test_the_table_says_what_the_standings_are(tmp_path):
    _, found = _standings(tmp_path / "run", ["synflow"])
    table = field_table(found, "test_accuracy")
    first = dict(zip(table.headers, table.rows[0], strict=True))
    assert first["value"].split()[0] == f"{found[0].mean:.2f}"
    assert first["median"] == f"{found[0].quartiles[1]:.2f}"
    assert first["density"] == "50 %"


def test_costs_are_medians_in_seconds_and_mebibytes_beside_the_fields(tmp_path):
    results = load_results(write_run(tmp_path / "run", records()))
    table = cost_table(results, ["snip"])
    assert table.rows[0] == ("snip", "1.5", "2.5", "–", "5", "10")
    assert table.rows[1][:5] == ("the field", "1.5", "2.5", "–", "5")

"""Where methods stand among the others."""

from __future__ import annotations

import numpy as np
import pytest

from prunebench.analysis.boards.sections import parts
from prunebench.analysis.results import load_results
from prunebench.report.field import field_table, standings
from prunebench.report.spent import cost_table
from tests.report.handmade import METHODS, PRESENTATION, records, write_run


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
        assert one.rank == 1 + sum(value > means[one.method] for value in field)


def test_without_curves_the_field_is_that_of_the_primary_metric(tmp_path):
    leaderboard = {key: value for key, value in PRESENTATION.items() if key != "curve"} | {"sections": ["leaderboard"]}
    results, found = _standings(tmp_path / "run", ["snip"], presentation=leaderboard)
    assert [(one.density, one.dataset) for one in found] == [(0.1, "mnist1d"), (0.1, "digits")]
    others = [value for method, value in _means(results, 0.1, "digits").items() if method != "snip"]
    assert found[1].quartiles == pytest.approx(np.percentile(others, [25, 50, 75]))


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

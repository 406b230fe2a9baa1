"""The tables of a trade-off, as text."""

from __future__ import annotations

import pytest

from prunebench.analysis.boards.curves import curves
from prunebench.analysis.tables import render
from tests.analysis.recorded import grid, presentation, record, results, row

DENSE = grid("dense", {None: [90, 92]})
SNIP = grid("snip", {0.5: [86, 90], 0.1: [70, 60]})
RANDOM = grid("random", {0.5: [80, 80], 0.1: [50, 40]})


def board(records, unfinished=(), **options):
    return curves("tradeoff", presentation(**options), results(records, unfinished))


def cell(table, method, header):
    (line,) = (line for line in table.rows if line[0] == method)
    return line[table.headers.index(header)]


def order(table):
    return [line[0] for line in table.rows]


def test_accuracy_by_density_with_area_and_the_compression_of_a_lost_point():
    quality, _ = board(DENSE + SNIP + RANDOM)
    assert quality.headers == ("method", "50 %", "10 %", "own density", "area", "loses 1 point at", "front", "n")
    assert quality.caption == "mlp · mnist1d · small-sgd — macs 15\u202f000, area from compression 1 to 10, chance 10 %"
    # t of one degree of freedom at 97.5 % is 12.706; the standard error of two values is half their difference.
    assert cell(quality, "snip", "50 %") == "88.00 ± 25.41"
    assert cell(quality, "dense", "own density") == "91.00 ± 12.71"
    assert cell(quality, "dense", "50 %") == cell(quality, "snip", "own density") == "–"
    assert cell(quality, "random", "loses 1 point at").startswith("< 2")
    assert cell(quality, "dense", "loses 1 point at") == cell(quality, "dense", "area") == "–"
    assert cell(quality, "snip", "n") == "2"
    # log10 2 = 0.30103: 0.30103 · 89.5 + 0.69897 · 76.5 on average over both repetitions.
    assert cell(quality, "snip", "area").startswith("80.41 ± ")


def test_methods_are_in_the_order_of_area_and_incomplete_ones_behind():
    failed = [*grid("best", {0.5: [91, 91], 0.1: [90]}), record(row("best", 0.1, 1), None, status="failed")]
    quality, cost = board(RANDOM + failed + DENSE + SNIP)
    assert order(quality) == order(cost) == ["snip", "random", "best", "dense"]
    assert cell(quality, "best", "10 %") == "90.00 (1/2)"
    assert cell(quality, "best", "n") == "2 (3/4 cells)"
    assert cell(quality, "best", "area").endswith("(1/2)")
    assert cell(quality, "best", "front") == "50 %"


def test_a_method_without_any_record_is_left_out_and_said_to_be():
    quality, _ = board(DENSE + SNIP, [row("synflow", 0.1, 0)])
    assert order(quality) == ["snip", "dense"]
    assert quality.caption.endswith("chance 10 % (1 method without a record yet)")


def test_collapse_is_never_averaged_into_an_accuracy():
    dead = [
        *grid("snip", {0.5: [86, 90, 88]}),
        record(row("snip", 0.1, 0), 12.0, has_path=0.0),
        record(row("snip", 0.1, 1), 60.0),
        record(row("snip", 0.1, 2), 62.0),
    ]
    quality, cost = board(grid("dense", {None: [90, 90, 90]}) + dead)
    assert cell(quality, "snip", "10 %") == "61.00 ± 12.71, collapsed 1/3"
    assert cell(cost, "snip", "over dense") == "-29.00 ± 12.71 (2/3)"
    assert cell(quality, "snip", "front") == "50 %"
    gone = grid("snip", {0.5: [86, 90], 0.1: [11, 9]}, metrics={"has_path": 0.0})
    assert cell(board(DENSE + gone)[0], "snip", "10 %") == "collapsed 2/2"


def test_an_impossible_network_is_called_so():
    quality, _ = board(DENSE + grid("snip", {0.5: [86, 90], 0.1: [None, None]}))
    assert cell(quality, "snip", "10 %") == "impossible"
    quality, _ = board(DENSE + grid("small-dense", {0.5: [86, 90], 0.1: [None, 50]}))
    assert cell(quality, "small-dense", "10 %") == "50.00, impossible 1/2"


def test_controls_and_cost_at_the_primary_density():
    lottery = grid("lottery", {0.5: [88, 90], 0.1: [71, 77]}, metrics={"trainings": 2.0, "find_trainings": 1.0})
    ratios = grid("lottery", {0.1: [60, 62]}, arm="same-ratios")
    _, cost = board(DENSE + lottery + ratios)
    assert cost.caption == "mlp · mnist1d · small-sgd — controls and cost at density 0.1"
    assert order(cost) == ["lottery", "dense"]
    # Differences 11 and 15: their mean ± 12.706 · 2.
    assert cell(cost, "lottery", "over same ratios") == "+13.00 ± 25.41"
    assert cell(cost, "lottery", "over dense") == "-17.00 ± 25.41"
    assert cell(cost, "dense", "over dense") == "–"
    shown = {h: cell(cost, "lottery", h) for h in ("density", "parameters", "speed-up", "find, T", "in all, T")}
    assert shown == {
        "density": "0.1", "parameters": "1\u202f710", "speed-up": "10", "find, T": "1", "in all, T": "2"
    }  # fmt: skip
    assert "before" not in cost.headers


def test_accuracy_before_retraining_stands_there_where_there_is_one():
    before = grid("lottery", {0.5: [88, 90], 0.1: [71, 77]}, metrics={"before_accuracy": 30.5})
    _, cost = board(DENSE + before)
    assert cell(cost, "lottery", "before") == "30.50 ± 0.00"
    assert cell(cost, "dense", "before") == "–"


def test_methods_that_end_dense_are_not_ranked_among_sparse_ones():
    dsd = grid("dsd", {0.5: [95, 95], 0.1: [94, 94]}, arm="dense in the end", metrics={"kept_macs": 15_000})
    quality, _, ends, costs = board(DENSE + SNIP + dsd)
    assert order(quality) == ["snip", "dense"]
    assert order(ends) == order(costs) == ["dsd"]
    assert ends.caption == "mlp · mnist1d · small-sgd · dense in the end — macs 15\u202f000, chance 10 %"
    assert ends.headers == ("method", "50 %", "10 %", "front", "n")
    assert cell(costs, "dsd", "over dense") == "+3.00 ± 12.71"
    # Dense has as many MACs, and is less accurate, for as many trainings.
    assert cell(quality, "dense", "front") == "–"
    assert cell(ends, "dsd", "front") == "50 %"


def test_longer_dense_training_stands_beside_the_dense_network():
    long = grid("dense-long", {None: [93, 93]}, metrics={"trainings": 2.0})
    quality, cost = board(DENSE + SNIP + long)
    assert order(quality) == ["snip", "dense-long", "dense"]
    assert cell(cost, "dense-long", "over dense") == "+2.00 ± 12.71"
    assert cell(quality, "dense-long", "front") == cell(quality, "dense", "front") == "own"


def test_a_front_weighs_accuracy_macs_and_trainings_together():
    cheap = grid("cheap", {0.5: [80, 80], 0.1: [70, 70]})
    dear = grid("dear", {0.5: [81, 81], 0.1: [70, 70]}, metrics={"trainings": 3.0})
    quality, _ = board(DENSE + cheap + dear)
    assert cell(quality, "cheap", "front") == "50 %, 10 %"
    assert cell(quality, "dear", "front") == "50 %"


SLOW = "small-sgd(lr=0.01)"


@pytest.fixture
def candidates():
    return [
        *grid("dense", {None: [90, 92]}, validation=70),
        *grid("dense", {None: [80, 84]}, validation=80, recipe=SLOW),
        *grid("snip", {0.5: [86, 90], 0.1: [70, 60]}, validation=60),
        *grid("snip", {0.5: [80, 80], 0.1: [50, 50]}, validation=50, recipe=SLOW),
    ]


def test_the_recipe_that_was_chosen_is_reported_and_the_best_dense_network_compared(candidates):
    quality, cost, recipes = board(candidates, tuned=True)
    assert quality.caption.startswith("mlp · mnist1d · 2 recipes — ")
    assert cell(quality, "dense", "own density") == "82.00 ± 25.41"
    assert cell(quality, "snip", "10 %").startswith("65.00 ")
    assert cell(cost, "snip", "over dense") == "-26.00 ± 76.24"
    assert cell(cost, "snip", "over best dense") == "-17.00 ± 88.94"
    assert cell(cost, "dense", "over best dense") == "–"
    assert recipes.headers == ("method", "recipe", "chosen among")
    assert recipes.rows == (("snip", "small-sgd", "2 recipes"), ("dense", SLOW, "2 recipes"))
    assert "one recipe only" not in quality.caption
    meaning = dict(quality.legend)["loses 1 point at"]
    assert "by its own best recipe on validation data" in meaning
    assert "by the same recipe" in dict(board(DENSE + SNIP)[0].legend)["loses 1 point at"]


def test_methods_with_fewer_recipes_to_choose_among_are_named_where_areas_are_compared(candidates):
    third = "small-sgd(lr=0.3)"
    more = [
        *grid("dense", {None: [85, 85]}, validation=60, recipe=third),
        *grid("gmp", {0.5: [80, 80], 0.1: [70, 70]}, validation=60),
        *grid("phew", {0.5: [80, 80], 0.1: [60, 60]}, validation=60, recipe=SLOW),
    ]
    quality, cost, recipes = board(candidates + more, tuned=True)
    assert quality.caption.endswith("chance 10 %; one recipe only: gmp, phew; 2 recipes of 3: snip")
    assert "one recipe" not in cost.caption
    assert [cell(recipes, method, "chosen among") for method in ("dense", "snip", "gmp")] == [
        "3 recipes", "2 recipes", "one recipe only",
    ]  # fmt: skip
    partly = grid("gmp", {0.5: [80, 80]}, validation=50, recipe=SLOW)
    *_, recipes = board(candidates + more + partly, tuned=True)
    assert cell(recipes, "gmp", "chosen among") == "2 recipes at 50 %; one recipe only at 10 %"


def test_methods_are_compared_with_their_ratios_only_where_both_were_chosen_among_the_same_recipes(candidates):
    arm = grid("snip", {0.1: [50, 50]}, validation=50, arm="same-ratios")
    other = grid("snip", {0.1: [52, 52]}, validation=40, arm="same-ratios", recipe=SLOW)
    gmp = [*grid("gmp", {0.1: [70, 70]}), *grid("gmp", {0.1: [60, 60]}, arm="same-ratios")]
    cost = board(candidates + arm + gmp, tuned=True)[1]
    assert cell(cost, "snip", "over same ratios") == "–"
    assert cell(cost, "gmp", "over same ratios") == "+10.00 ± 0.00"
    assert "none where these were not chosen among the same recipes" in dict(cost.legend)["over same ratios"]
    cost = board(candidates + arm + other + gmp, tuned=True)[1]
    assert cell(cost, "snip", "over same ratios").startswith("+15.00 ±")


def test_recipes_that_differ_by_density_are_told_with_their_densities(candidates):
    more = [
        *grid("snip", {0.25: [75, 75]}, validation=60),
        *grid("snip", {0.25: [70, 70]}, validation=61, recipe=SLOW),
        *(r for name, validation in ((None, 50), (SLOW, 51)) for r in grid(
            "snip", {0.1: [40, 40]}, validation=validation, arm="same-ratios", recipe=name or "small-sgd")),
        *grid("synflow", {0.1: [None, None]}),
    ]  # fmt: skip
    *_, recipes = board(candidates + more, tuned=True)
    assert recipes.headers == ("method", "recipe", "chosen among", "of same ratios")
    assert cell(recipes, "snip", "recipe") == f"small-sgd at 50 %, 10 %; {SLOW} at 25 %"
    assert cell(recipes, "snip", "of same ratios") == SLOW
    assert cell(recipes, "synflow", "recipe") == "–"


def test_untuned_recipes_have_tables_of_their_own_beside_the_best_dense_network(candidates):
    tables = board(candidates)
    assert [table.caption.partition(" — ")[0] for table in tables] == [
        "mlp · mnist1d · small-sgd", "mlp · mnist1d · small-sgd",
        f"mlp · mnist1d · {SLOW}", f"mlp · mnist1d · {SLOW}",
    ]  # fmt: skip
    assert cell(tables[1], "dense", "over best dense") == "+9.00 ± 12.71"
    assert cell(tables[3], "dense", "over best dense") == "–"


@pytest.mark.parametrize("format", ["table", "md", "csv", "json"])
def test_every_header_is_explained_once(format):
    tables = board(DENSE + SNIP + RANDOM + grid("dsd", {0.5: [95, 95]}, arm="dense in the end"))
    text = render(tables, format, 100)
    assert "controls and cost" in text
    if format in {"table", "md"}:
        explained = {header for table in tables for header, meaning in table.legend if meaning}
        headers = {header for table in tables for header in table.headers} - {"method", "10 %"}
        assert headers == explained
        for header in headers:
            assert text.count(f"\n- {header}: " if format == "md" else f"\n{header}: ") == 1

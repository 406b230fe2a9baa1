"""Records of a trade-off as tasks: which cells count, and for what."""

from __future__ import annotations

import pytest

from prunebench.analysis.tradeoff import tasks
from tests.analysis.recorded import grid, presentation, record, results, row

DENSE = grid("dense", {None: [90, 92]})
SNIP = grid("snip", {0.5: [86, 90], 0.1: [70, 60]})


def one(records, unfinished=(), **options):
    (task,) = tasks("tradeoff", presentation(**options), results(records, unfinished))
    return task


def test_an_area_begins_at_the_dense_network_of_its_repetition():
    areas = one(DENSE + SNIP, low=1, high=2).areas("snip")
    assert areas == {0: pytest.approx(88), 1: pytest.approx(91)}
    assert one(SNIP, low=1, high=2).areas("snip") == {0: None, 1: None}
    assert one(SNIP, low=2, high=10).areas("snip") == {0: pytest.approx(78), 1: pytest.approx(75)}


def test_a_dead_network_counts_as_chance_and_not_as_what_it_measured():
    dead = [record(row("snip", 0.1, 0), 11.3, has_path=0.0), record(row("snip", 0.1, 1), 60)]
    task = one(DENSE + grid("snip", {0.5: [86, 90]}) + dead, low=2, high=10)
    assert task.chance == 10
    assert task.areas("snip") == {0: pytest.approx((86 + 10) / 2), 1: pytest.approx(75)}
    assert task.cells["snip", 0.1, None].values("test_accuracy") == {1: 60}


def test_chance_is_that_of_the_classes_that_a_network_of_the_dataset_reaches():
    cifar = {"dataset": "cifar-100", "metrics": {"classes_reached": 100}}
    dead = [record(row("snip", 0.1, dataset="cifar-100"), 0.9, has_path=0.0, classes_reached=7)]
    found = results(DENSE + grid("dense", {None: [70]}, **cifar) + dead)
    assert [task.chance for task in tasks("tradeoff", presentation(), found)] == [10, 1]
    assert one([record(row("snip", 0.1), 0.9, has_path=0.0, classes_reached=0)]).chance is None


def test_impossible_cells_are_chance_as_far_as_the_range_goes_and_missing_ones_leave_no_area():
    task = one(DENSE + grid("snip", {0.5: [86, 90], 0.25: [None, 60]}), low=1, high=16)
    # In units of ln 2: 90 → 86, 86 → 10, 10 for two units.
    assert task.areas("snip")[0] == pytest.approx((88 + 48 + 20) / 4)
    assert task.areas("snip")[1] is None
    failed = record(row("snip", 0.25, 1), None, status="failed")
    task = one(DENSE + grid("snip", {0.5: [86, 90], 0.25: [60]}) + [failed], low=1, high=4)
    assert task.areas("snip") == {0: pytest.approx((88 + 73) / 2), 1: None}
    assert task.unfinished("snip", None) == (1, 4)


def test_a_planned_cell_without_a_record_is_missing():
    task = one(DENSE + grid("snip", {0.5: [86, 90]}), [row("snip", 0.1, 0)])
    assert task.unfinished("snip", None) == (1, 3)
    assert task.cells["snip", 0.1, None].state(0) == "missing"


def test_one_point_is_against_the_dense_network_of_the_repetition():
    # Mean losses: 3 at compression 2, 26 at 10; per repetition (4, 2) and (20, 32).
    found = one(DENSE + SNIP, loss=14.5).one_point("snip")
    assert found.estimate.value == pytest.approx(2 * 5**0.5)
    assert found.n == 2
    assert one(SNIP).one_point("snip") is None
    lacking = [*SNIP[:-1], record(row("snip", 0.1, 1), None, status="failed")]
    assert one(DENSE + lacking, loss=12).one_point("snip").n == 1
    assert one(DENSE + lacking, loss=12).one_point("snip").estimate.value == pytest.approx(2 * 5**0.5)


LR = {"slow": "small-sgd(lr=0.01)", "fast": "small-sgd"}


def tuned(method, slow, fast, *, arm=None):
    """By density, (test, validation) of every recipe, two equal repetitions."""
    return [
        record(row(method, density, n, recipe=LR[name], arm=arm), test, validation=validation)
        for name, cells in (("slow", slow), ("fast", fast))
        for density, (test, validation) in cells.items()
        for n in range(2)
    ]


@pytest.fixture
def candidates():
    return [
        *tuned("dense", {None: (80, 90)}, {None: (85, 70)}),
        *tuned("snip", {0.5: (75, 60), 0.1: (50, 40)}, {0.5: (70, 61), 0.1: (60, 39)}),
        *tuned("snip", {0.5: (71, 60), 0.1: (41, 40)}, {0.5: (72, 61), 0.1: (42, 41)}, arm="same-ratios"),
    ]


def test_the_recipe_is_chosen_by_validation_for_each_method_density_and_arm(candidates):
    task = one(candidates, tuned=True)
    assert {key: cells.recipe for key, cells in task.cells.items()} == {
        ("dense", None, None): LR["slow"],
        ("snip", 0.5, None): LR["fast"],
        ("snip", 0.1, None): LR["slow"],
        ("snip", 0.5, "same-ratios"): LR["fast"],
        ("snip", 0.1, "same-ratios"): LR["fast"],
    }
    assert task.best_dense.recipe == LR["slow"]


def test_candidates_are_the_recipes_that_are_planned_whatever_has_a_record(candidates):
    planned = [row("synflow", density, n, recipe=LR["slow"]) for density in (0.5, 0.1) for n in range(2)]
    planned += [row("synflow", 0.5, n, recipe=LR["fast"]) for n in range(2)]
    task = one(candidates, planned, tuned=True)
    assert task.most_candidates == 2
    assert [task.candidates(method, None) for method in ("dense", "snip", "synflow")] == [2, 2, 1]
    assert task.cells["synflow", 0.5, None].candidates == set(LR.values())
    assert one(DENSE + SNIP).most_candidates == 1


def test_tuned_losses_are_against_the_dense_network_by_its_own_best_recipe(candidates):
    # 80 − 70 = 10 at compression 2, by the fast recipe; 80 − 50 = 30 at 10, by the slow one, which is dense's best.
    found = one(candidates, tuned=True, loss=20).one_point("snip")
    assert found.estimate.value == pytest.approx(2 * 5**0.5)
    # By the fast recipe alone, against 85: 15 at compression 2 and 25 at 10.
    untuned = tasks("tradeoff", presentation(loss=20), results(candidates))[1]
    assert untuned.title.endswith(LR["fast"])
    assert untuned.one_point("snip").estimate.value == pytest.approx(2 * 5**0.5)
    # The area begins at the dense network by its own recipe, 80.
    for order in (candidates, candidates[::-1]):
        assert one(order, tuned=True, low=1, high=2).areas("snip")[0] == pytest.approx(75)


def test_recipes_are_tasks_of_their_own_unless_they_are_tuned(candidates):
    found = tasks("tradeoff", presentation(), results(candidates))
    assert [task.title for task in found] == [f"mlp · mnist1d · {recipe}" for recipe in LR.values()]
    assert [task.cells["dense", None, None].recipe for task in found] == list(LR.values())
    assert {task.best_dense.recipe for task in found} == {LR["slow"]}


def test_only_the_suite_asked_for_is_looked_at_and_changed_scales_are_marked():
    assert tasks("sanity", presentation(), results(DENSE)) == []
    found = tasks("tradeoff", presentation(), results(DENSE + grid("dense", {None: [1]}, scale="quick + seeds=1")))
    assert [task.title for task in found] == [
        "mlp · mnist1d · small-sgd",
        "mlp · mnist1d · small-sgd · compares with no others: quick + seeds=1",
    ]

"""The methodology lint on results made by hand: for each item one set that has it and others that lack exactly it."""

from __future__ import annotations

import csv
import re
import time
from itertools import product
from pathlib import Path

import pytest

from prunebench.analysis.lint.columns import COLUMNS
from prunebench.analysis.lint.items import ITEMS
from prunebench.analysis.lint.names import known_classes, named
from prunebench.analysis.lint.report import CHECKS, lint
from prunebench.analysis.lint.sheet import of_file, of_results
from prunebench.errors import UsageError
from tests.analysis import recorded

DENSITIES = (0.5, 0.25, 0.1, 0.05, 0.02)
LOSS = {0.5: 0.0, 0.25: 2.0, 0.1: 5.0, 0.05: 9.0, 0.02: 20.0}
BELOW = {"dense": 0.0, "random": 6.0, "magnitude": 3.0, "snip": 1.5}


def row(model, dataset, method, density, seed, arm="", **more):
    """One result: seeds differ by a tenth of a point, methods by 1.5 points and more."""
    accuracy = 90 - BELOW[method] - (0 if density is None else LOSS[density]) - (4.5 if arm else 0) + 0.1 * seed
    return {
        "method": method, "model": model, "dataset": dataset, "density": density, "seed": seed, "arm": arm,
        "test_accuracy": accuracy, "validation_accuracy": accuracy, "test_top5": 99.0, "std": None, "n": None,
        "recipe": "small-sgd", "tuned": "yes", "trainings": 20, "find_trainings": None, "selected_on": None,
        "achieved_density": 1.0 if density is None else density, "macs": 1000, "kept_macs": 1000 * (density or 1),
        "speed_up": None, "macs_definition": None, "effective_density": density or 1.0, "hardware": "one CPU",
        "software": "torch 2", "learning_rate": None, "classes": None, "status": "ok", **more,
    }  # fmt: skip


def complete(tasks=(("mlp", "mnist1d"), ("cnn", "mnist1d"), ("resnet-20", "cifar-100")), seeds=range(5)):
    """Results that lack nothing."""
    found = []
    for model, dataset in tasks:
        for seed in seeds:
            found.append(row(model, dataset, "dense", None, seed))
            for density in DENSITIES:
                methods = [("random", ""), *product(("magnitude", "snip"), ("", "same-ratios"))]
                found += [row(model, dataset, method, density, seed, arm) for method, arm in methods]
    return found


@pytest.fixture
def linted(tmp_path):
    """States and findings by item, of rows as a CSV file."""

    def call(rows):
        path = tmp_path / "results.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return {finding.item.name: finding for finding in lint(of_file(path))}

    return call


def with_state(findings, state):
    return {name for name, finding in findings.items() if finding.state == state}


def changed(rows, where, **values):
    return [{**r, **values} if where(r) else r for r in rows]


def without(rows, *columns):
    return [{k: v for k, v in r.items() if k not in columns} for r in rows]


def means(rows, **more):
    """Every cell as one row without a seed."""
    cells = {}
    for r in rows:
        cells.setdefault((r["model"], r["dataset"], r["method"], r["density"], r["arm"]), r)
    return [{**r, "seed": None, "n": 5, "std": 0.2, **more} for r in cells.values()]


def test_results_that_follow_the_checklist_are_ok(linted):
    assert with_state(linted(complete()), "ok") == {*ITEMS} == {*CHECKS}


SNIP = lambda r: r["method"] == "snip"  # noqa: E731
CNN = lambda r: r["model"] == "cnn"  # noqa: E731
ONE_CELL = lambda r: SNIP(r) and CNN(r) and r["density"] == 0.1 and not r["arm"]  # noqa: E731
LACKING = {
    "no dense network on a task": (
        lambda rows: [r for r in rows if not (CNN(r) and r["method"] == "dense")],
        {"dense-control": "no dense network on cnn · mnist1d · small-sgd"},
    ),
    "no dense network with a seed": (
        lambda rows: [r for r in rows if not (CNN(r) and r["method"] == "dense" and r["seed"] in {2, 4})],
        {"dense-control": "no dense network with seed 2, 4 on cnn · mnist1d · small-sgd"},
    ),
    "four densities": (
        lambda rows: [r for r in rows if not (CNN(r) and SNIP(r) and r["density"] == 0.5)],
        {"operating-points": "fewer than 5 densities: snip on cnn · mnist1d · small-sgd (4)"},
    ),
    "a method that never breaks": (
        lambda rows: changed(rows, lambda r: CNN(r) and SNIP(r) and not r["arm"], test_accuracy=90.0),
        {"operating-points": "no density where it breaks: snip on cnn · mnist1d · small-sgd"},
    ),
    "a fall within the intervals": (
        lambda rows: [
            {**r, "test_accuracy": 88.0 + 4 * r["seed"] - 8} if CNN(r) and SNIP(r) and not r["arm"] else r for r in rows
        ],
        {"operating-points": "no density where it breaks: snip on cnn · mnist1d · small-sgd"},
    ),
    "two seeds of one cell": (
        lambda rows: [r for r in rows if not (ONE_CELL(r) and r["seed"] > 1)],
        {"seeds": "fewer than 3: snip on cnn · mnist1d · small-sgd (2)"},
    ),
    "four seeds of methods less than a point apart": (
        lambda rows: changed(
            [r for r in rows if r["seed"] < 4], ONE_CELL, test_accuracy=90 - 3 - 5 + 0.9
        ),
        {"seeds": "fewer than 5 for less than 1 point: magnitude and snip on cnn · mnist1d · small-sgd at 0.1, 0.75"},
    ),
    "one seed of one cell": (
        lambda rows: [r for r in rows if not (ONE_CELL(r) and r["seed"] > 0)],
        {"seeds": "snip on cnn · mnist1d · small-sgd (1)",
         "spread": "a single value of snip on cnn · mnist1d · small-sgd at 0.1"},
    ),
    "means": (means, {"raw-rows": "78 rows of means: dense, magnitude, random and 1 more"}),
    "means without their spread": (
        lambda rows: changed(means(rows), ONE_CELL, std=None),
        {"raw-rows": "rows of means", "spread": "a single value of snip on cnn · mnist1d · small-sgd at 0.1"},
    ),
    "a row twice": (
        lambda rows: [*rows, next(filter(ONE_CELL, rows))],
        {"raw-rows": "given more than once: snip on cnn · mnist1d · small-sgd, seed 0"},
    ),
    "no random masks with the ratios at a density": (
        lambda rows: [r for r in rows if not (CNN(r) and SNIP(r) and r["arm"] and r["density"] == 0.1)],
        {"same-ratios": "no random masks with the ratios of snip on cnn · mnist1d · small-sgd at 0.1"},
    ),
    "no magnitude on a task": (
        lambda rows: [r for r in rows if not (CNN(r) and r["method"] == "magnitude")],
        {"magnitude": "none of trained weights on cnn · mnist1d · small-sgd at 0.5, 0.25, 0.1 and 2 more densities"},
    ),
    "budgets that differ": (
        lambda rows: changed(rows, lambda r: CNN(r) and SNIP(r), trainings=40),
        {"budget": "from 20 to 40 on a task, and only the total is told on cnn · mnist1d · small-sgd (dense, "},
    ),
    "a budget that is not told": (
        lambda rows: changed(rows, ONE_CELL, trainings=None), {"budget": "no budget of snip"},
    ),
    "one learning rate": (
        lambda rows: without(rows, "tuned"),
        {"learning-rate": "not said to be tuned or not: dense, magnitude, random and 1 more on cnn · mnist1d"},
    ),
    "no achieved density": (
        lambda rows: changed(rows, ONE_CELL, achieved_density=None), {"achieved-density": "none of snip"},
    ),
    "no multiply-accumulates": (
        lambda rows: changed(rows, ONE_CELL, kept_macs=None), {"size-and-macs": "no multiply-accumulates of snip"},
    ),
    "a speed-up of who knows what": (
        lambda rows: changed(rows, ONE_CELL, kept_macs=None, speed_up=3.0),
        {"size-and-macs": "speed_up without a definition: snip"},
    ),
    "nothing of collapse": (
        lambda rows: changed(rows, ONE_CELL, effective_density=None), {"collapse": "nothing of snip"},
    ),
    "no validation split": (
        lambda rows: changed(rows, ONE_CELL, validation_accuracy=None),
        {"selection": "no validation split recorded of snip"},
    ),
    "selected on test data": (
        lambda rows: changed(rows, ONE_CELL, selected_on="Test"), {"selection": "selected on the test split: snip"},
    ),
    "the best epoch on test data": (
        lambda rows: changed(rows, lambda r: True, **{"Best test accuracy": 95}),
        {"selection": "column Best test accuracy: the best epoch on the test split"},
    ),
    "no top-5 accuracy": (
        lambda rows: changed(rows, lambda r: r["dataset"] == "cifar-100", test_top5=None),
        {"top-5": "none on cifar-100 (100 classes)"},
    ),
    "two tasks": (
        lambda rows: [r for r in rows if not CNN(r)],
        {"tasks": "2 of 3: mlp · mnist1d; resnet-20 · cifar-100"},
    ),
    "MNIST among three tasks": (
        lambda rows: changed(rows, CNN, dataset="MNIST"), {"tasks": "2 of 3: "},
    ),
    "no hardware": (
        lambda rows: changed(rows, ONE_CELL, hardware=None), {"hardware-software": "no hardware of 5 rows: snip"},
    ),
    "no software": (
        lambda rows: changed(rows, ONE_CELL, software=None), {"hardware-software": "no software of 5 rows: snip"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LACKING)
def test_exactly_what_was_taken_away_is_missing(linted, case):
    change, expected = LACKING[case]
    findings = linted(change(complete()))
    assert with_state(findings, "missing") == {*expected}
    for name, words in expected.items():
        assert words in findings[name].found


def test_every_item_has_a_case_in_which_it_is_missing():
    assert {name for _, expected in LACKING.values() for name in expected} == {*ITEMS}


@pytest.mark.parametrize(
    ("columns", "item"),
    [
        (["trainings"], "budget"), (["tuned", "recipe", "learning_rate"], "learning-rate"),
        (["achieved_density"], "achieved-density"), (["kept_macs"], "size-and-macs"),
        (["effective_density"], "collapse"),
        (["validation_accuracy"], "selection"), (["hardware"], "hardware-software"),
    ],
)  # fmt: skip
def test_without_a_column_nothing_can_be_told_and_the_finding_names_it(linted, columns, item):
    findings = linted(without(complete(), *columns))
    assert with_state(findings, "cannot tell") == {item}
    assert not with_state(findings, "missing")
    assert columns[0] in findings[item].found


def test_without_seeds_and_counts_nothing_can_be_told_of_seeds(linted):
    findings = linted(without(means(complete()), "n"))
    assert with_state(findings, "cannot tell") == {"seeds", "dense-control"}
    assert with_state(findings, "missing") == {"raw-rows"}


def test_means_of_others_beside_rows_by_seed_count_as_many_seeds_as_they_say(linted):
    rows = complete()
    quoted = [r for r in rows if r["method"] == "snip"]
    findings = linted([r for r in rows if r["method"] != "snip"] + means(quoted))
    assert with_state(findings, "missing") == {"raw-rows"}
    few = linted([r for r in rows if r["method"] != "snip"] + means(quoted, n=2, std=None))
    assert with_state(few, "missing") == {"raw-rows", "seeds", "spread"}
    assert "on cnn · mnist1d · small-sgd (2)" in few["seeds"].found


def test_data_of_unknown_many_classes_cannot_be_told(linted):
    rows = changed(complete(), lambda r: r["dataset"] == "cifar-100", dataset="ours", test_top5=None)
    assert linted(rows)["top-5"].state == "cannot tell"
    assert linted(changed(rows, lambda r: True, classes=12))["top-5"].state == "ok"
    assert linted(changed(rows, lambda r: True, classes=21))["top-5"].state == "missing"


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [{**r, "trainings": 20 + 20 * SNIP(r), "find_trainings": 20 * SNIP(r)} for r in rows],
        lambda rows: [
            {**r, "tuned": None, "recipe": f"small-sgd(lr={lr})"} for r in rows for lr in (0.1, 0.01)
        ],
        lambda rows: [{**r, "tuned": None, "learning_rate": lr} for r in rows for lr in (0.1, 0.01)],
        lambda rows: changed(rows, lambda r: True, tuned="no"),
        lambda rows: changed(rows, lambda r: True, kept_macs=None, speed_up=2, macs_definition="one a weight used"),
        lambda rows: changed(rows, lambda r: True, validation_accuracy=None, selected_on="nothing"),
        lambda rows: changed(rows, lambda r: True, best_validation_accuracy=90),
        lambda rows: [{**r, "method": f"same-ratios(of={r['method']})", "arm": ""} if r["arm"] else r for r in rows],
        lambda rows: [{**r, "arm": "same-ratios(long=true)"} if r["arm"] else r for r in rows],
        lambda rows: [{**r, "arm": "rearrange"} if r["arm"] else r for r in rows],
        lambda rows: [
            {**r, "test_accuracy": r["test_accuracy"] / 100} for r in without(rows, "std")
        ],
        lambda rows: [{**r, "sparsity": 1 - (r["density"] or 1)} for r in rows],
        lambda rows: [{**r, "Compression Ratio": 1 / (r["density"] or 1)} for r in rows],
        lambda rows: [*rows, row("cnn", "mnist1d", "snip", 0.1, 9, status="failed", test_accuracy=None)],
    ],
    ids=["budgets told apart", "recipes", "learning rates", "said to be untuned", "defined speed-up",
         "nothing selected", "best validation accuracy", "same-ratios as a method", "same ratios for long",
         "rearranged", "shares", "sparsity", "compression", "failed"],
)  # fmt: skip
def test_other_ways_of_having_an_item_are_ok(linted, change):
    rows = change(complete())
    if rows[0].keys() & {"sparsity", "Compression Ratio"}:
        rows = without(rows, "density")
    assert with_state(linted(rows), "ok") == {*ITEMS}


def test_many_gaps_are_counted_and_only_the_first_are_named(linted):
    rows = [r for r in complete() if not r["arm"]]
    assert re.search(r"(; .*){2} and 3 more$", linted(rows)["same-ratios"].found)


@pytest.mark.parametrize("ours", [False, True], ids=["others", "export"])
def test_magnitude_of_a_run_of_ours_is_of_initial_weights_and_others_may_mean_trained_ones(linted, ours):
    rows = complete()
    if ours:
        rows = changed(rows, lambda r: True, run="0123", check="tradeoff")
    found = linted(rows)["magnitude"]
    assert found.state == ("missing" if ours else "ok")
    assert found.found.startswith("none of trained weights on" if ours else "on 3 tasks")
    assert linted(changed(rows, lambda r: r["method"] == "magnitude", method="gmp"))["magnitude"].state == "ok"


def test_rearranged_masks_over_later_weights_are_no_random_masks_of_the_same_ratios(linted):
    def arms_of(method):
        rows = changed(complete(), SNIP, method=method)
        return linted([{**r, "arm": "rearrange"} if r["arm"] else r for r in rows])["same-ratios"]

    assert arms_of("lottery").state == "ok"
    late = arms_of("lottery(rewind=0.1)")
    assert late.state == "missing"
    assert "ratios of lottery(rewind=0.1) on" in late.found


def test_accuracies_of_a_run_of_ours_are_in_percent_however_low(tmp_path):
    low = recorded.results(recorded.grid("dense", {None: [1.0, 0.9]}) + recorded.grid("snip", {0.5: [0.8, 0.9]}))
    assert sorted(of_results(low).rows["test_accuracy"]) == [0.8, 0.9, 0.9, 1.0]
    others, export = "method,model,dataset,density,accuracy", "run,check,method,model,dataset,density,accuracy"
    path = tmp_path / "r.csv"
    path.write_text(f"{others}\nsnip,a,b,0.1,0.8\n")
    assert list(of_file(path).rows["test_accuracy"]) == [80.0]
    path.write_text(f"{export}\n0123,tradeoff,snip,a,b,0.1,0.8\n")
    assert list(of_file(path).rows["test_accuracy"]) == [0.8]


@pytest.mark.parametrize(
    ("method", "facts"),
    [
        ("dense", {"dense": True, "control": True}), ("Unpruned", {"dense": True}), ("dense-long", {"control": True}),
        ("random", {"control": True}), ("erk", {"control": True}), ("erk(within=magnitude)", {"control": False}),
        ("reinit(of=snip)", {"control": True}), ("random pruning", {"control": True}), ("RanDumb", {"control": False}),
        ("magnitude(scope=layer)", {"magnitude": True}), ("Global Magnitude (ours)", {"magnitude": True}),
        ("imp", {"magnitude": True}), ("snip(mode=train)", {"control": False, "magnitude": False}),
        ("lottery", {"magnitude": True, "initial": True}), ("lr-rewinding", {"magnitude": True, "initial": False}),
        ("imp(rewind=0.1)", {"magnitude": True, "initial": False}), ("hybrid", {"magnitude": True}),
        ("fine-tune", {"magnitude": True}), ("weight-rewinding(rate=0.2)", {"magnitude": True}),
        ("gmp(initial=0.1)", {"magnitude": True}), ("lottery(by=snip)", {"magnitude": False}),
        ("imp(by=magnitude(scope=layer))", {"magnitude": True}), ("random(scope=layer)", {"magnitude": False}),
        ("LTH_mag", {"magnitude": True}), ("OMP", {"magnitude": True}), ("Magnitude at init", {"magnitude": False}),
        ("mag_init", {"magnitude": False}), ("initial magnitudes", {"magnitude": False}),
        ("Magnitude (Initialization)", {"magnitude": False}), ("IMP, rewound to init", {"magnitude": True}),
        ("magnolia", {"magnitude": False}), ("snip", {"initial": True, "magnitude": False}),
        ("same-ratios(of=snip)", {"of": "snip", "control": True}),
        ("same-ratios(of=lottery(rewind=0.1))", {"of": "lottery(rewind=0.1)"}),
    ],
)  # fmt: skip
def test_names_of_methods_tell_what_they_are(method, facts):
    from prunebench import catalogue

    catalogue.declare()
    assert {name: getattr(named(method), name) for name in facts} == facts


@pytest.mark.parametrize(
    ("method", "counts"),
    [("magnitude", False), ("magnitude(scope=layer)", False), ("lottery", True), ("gmp", True), ("snip", False)],
)
def test_of_our_methods_those_count_as_magnitude_that_cut_trained_weights(method, counts):
    from prunebench import catalogue

    catalogue.declare()
    assert named(method, ours=True).magnitude == counts


@pytest.mark.parametrize(
    ("dataset", "classes"),
    [("CIFAR-100", 100), ("cifar_10", 10), ("Tiny ImageNet", 200), ("distractors(base=digits)", 10), ("ours", None)],
)
def test_published_data_have_known_numbers_of_classes(dataset, classes):
    assert known_classes(dataset) == classes


HEADER = "method,model,dataset,density,test_accuracy\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: it needs a header"), (HEADER, "has a header and no rows"),
        ("method,model,density,accuracy\na,b,0.1,3\n", "line 1: no column dataset"),
        ("method,model,dataset,accuracy\na,b,c,3\n", "line 1: no column density or compression or sparsity"),
        ("method,model,dataset,density\na,b,c,1\n", "line 1: no column test_accuracy"),
        ("method,model,dataset,dataset\n", "line 1: column 'dataset' is there twice"),
        (f"{HEADER}\na,b,c,0.1,3\na,b,c,0.1,93 ± 0.2\n", "line 4: '93 ± 0.2' in column 'test_accuracy' is no number"),
        (f"{HEADER}a,b,c,0.1,inf\n", "line 2: 'inf' in column 'test_accuracy' is no number"),
        (f'{HEADER}"a\na",b,c,0.1,3\na,b,c,10,3\n', "line 4: density 10 is outside (0, 1]"),
        (f"{HEADER}a,b,c,0,3\n", "line 2: density 0 is outside (0, 1]"),
        (f"{HEADER}a,,c,0.1,3\n", "line 2: has no model"),
        (f"{HEADER}a,b,c,0.1,3,4\n", "line 2 has 6 cells, the header 5"),
        ("method,model,dataset,sparsity,acc\na,b,c,90,3\n", "line 2: sparsity 90 is outside [0, 1)"),
        ("method,model,dataset,compression,acc\na,b,c,0.5,3\n", "line 2: compression 0.5 is below 1"),
        (f"{HEADER[:-1]},epochs\na,b,c,0.1,3,-1\n", "line 2: epochs -1 is negative"),
        (b"\xff\xfe\x00a", "no text in UTF-8"),
        (f'{HEADER}"a,b,c,0.1,3\n', "cannot be read"), (None, "cannot be read: No such file"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_one_line(tmp_path, text, message):
    path = tmp_path / "r.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=re.escape(message)) as error:
        of_file(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_columns_nobody_knows_are_listed_and_those_of_an_export_are_not(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(f"\ufeff{HEADER[:-1]},colour,label.data,cost.find.wall_seconds,rounds\na,b,c,0.1,3,red,x,1,1\n")
    assert of_file(path).ignored == ("colour",)


def test_every_column_is_documented_with_its_other_names():
    page = (Path(__file__).parents[2] / "docs" / "linting.md").read_text(encoding="utf-8")
    for item in ITEMS:
        assert f"`{item}`" in page
    for column in COLUMNS.values():
        for name in column.names:
            assert f"`{name}`" in page, name


def test_a_hundred_thousand_rows_take_seconds(linted):
    tasks = [(f"net-{i}", "mnist1d") for i in range(80)]
    rows = complete(tasks, seeds=range(50))
    assert len(rows) > 100_000
    begun = time.perf_counter()
    findings = linted(rows)
    assert time.perf_counter() - begun < 15, "writing the file included"
    assert not with_state(findings, "missing")

"""The check behind the stability suite, through the public face."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest

import prunebench as pb
from prunebench.errors import PrunebenchError

SUITE = """
name = "small"
version = 1
question = "?"
[primary]
metric = "test_error"
tolerance = 1.0
density = 0.5
[[column]]
header = "error"
metric = "test_error"
density = 0.5
[scale.quick]
about = "tiny"
seeds = 1
minutes = 1
[[scale.quick.grid]]
check = "stability"
models = ["{model}"]
datasets = ["digits"]
recipes = ["{recipe}"]
methods = {methods}
densities = [{density}]
{more}
"""
MLP = "mlp(widths=[16], repeat=2)"
RECIPE = "small-stability(epochs=3)"


@pytest.fixture
def run(tmp_path):
    def call(*methods, model=MLP, recipe=RECIPE, density=0.5, more=""):
        text = SUITE.format(model=model, recipe=recipe, methods=list(methods), density=density, more=more)
        (tmp_path / "small.toml").write_text(text.replace("'", '"'))
        results = pb.run(str(tmp_path / "small.toml"), store=tmp_path / "store", executor="inline")
        return {record.row.method: replace(record, series=results.series(record)) for record in results.records}

    return call


def test_events_errors_gaps_and_flatness_of_facets_and_controls(run):
    methods = ["dense", "targeted(target=large, events=2)", "noise(batches=3)", "dsd"]
    found = run(*methods)
    assert {name: record.status for name, record in found.items()} == dict.fromkeys(
        ["dense", "targeted(events=2, target=large)", "noise(batches=3)", "dsd"], "ok"
    )
    for record in found.values():
        measured = record.metrics
        assert measured["gap"] == pytest.approx(measured["train_accuracy"] - measured["test_accuracy"])
        assert measured["test_error"] == pytest.approx(100 - measured["test_accuracy"])
        assert measured["hessian_top"] > 0
        assert measured["gradient_moment"] > 0
    shaken = found["targeted(events=2, target=large)"]
    drops = [
        before - after
        for before, after in zip(
            shaken.series["event_accuracy_before"], shaken.series["event_accuracy_after"], strict=True
        )
    ]
    assert len(drops) == shaken.metrics["events"] == 2
    assert shaken.metrics["instability_abs"] == pytest.approx(statistics.fmean(drops))
    assert shaken.metrics["instability_abs_total"] == pytest.approx(sum(drops))
    assert found["dense"].metrics["instability_rel"] == 0
    assert found["dense"].metrics["events"] == 0
    assert found["noise(batches=3)"].metrics["events"] == 4
    assert found["noise(batches=3)"].metrics["density"] == 1
    # Its cut is between two trainings, no event of one.
    assert found["dsd"].metrics["instability_abs"] is None


def test_an_importance_that_the_network_cannot_have_is_skipped_with_its_reason(run):
    found = run("targeted-filters(importance=ebn)", "targeted-filters")
    assert found["targeted-filters(importance=ebn)"].status == "skipped"
    assert "needs BatchNorm" in found["targeted-filters(importance=ebn)"].reason
    assert found["targeted-filters"].status == "ok"


def test_a_share_that_leaves_no_filter_is_skipped_with_its_reason(run):
    record = run("targeted-filters", density=0.01)["targeted-filters"]
    assert record.status == "skipped"
    assert record.reason.startswith("no thinner network has 14 weights: the thinnest has")


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("targeted(start=2, end=4)", r"end: position 4 is outside the recipe, which has 3 epochs"),
        ("targeted(start=2, end=0.5)", "events end before they begin"),
        ("noise(start=0.7)", "events end before they begin"),
        ("targeted(target=biggest)", "target=biggest is not"),
        ("targeted(events=0)", "events=0 must be at least 1"),
    ],
)
def test_events_outside_of_the_training_and_unknown_targets_are_usage_errors(run, method, message):
    with pytest.raises(PrunebenchError, match=message) as caught:
        run(method)
    assert caught.value.exit_code == 2
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("more", "message"), [("arms = ['rearrange']", "has no arms")])
def test_a_grid_of_another_kind_is_refused(run, more, message):
    with pytest.raises(PrunebenchError, match=message):
        run("dense", more=more)

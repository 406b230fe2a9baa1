"""The check behind the trade-off suite, through the public face."""

from __future__ import annotations

import pytest

import prunebench as pb
from prunebench.errors import PrunebenchError

SUITE = """
name = "small"
version = 1
question = "?"
[primary]
metric = "test_accuracy"
tolerance = 1.0
density = {ranked}
[[column]]
header = "10 %"
metric = "test_accuracy"
density = 0.1
[[column]]
header = "own"
metric = "test_accuracy"
[scale.quick]
about = "tiny"
seeds = 1
minutes = 1
[[scale.quick.grid]]
check = "{check}"
models = ["mlp(widths=[16], repeat=2)"]
datasets = ["digits"]
{recipes}
methods = {methods}
densities = {densities}
{more}
"""


@pytest.fixture
def suite(tmp_path):
    def write(
        methods, *, densities="[0.5, 0.1]", recipes='recipes = ["small-sgd(epochs=2)"]', check="tradeoff", more="",
        ranked="0.1",
    ):  # fmt: skip
        path = tmp_path / "small.toml"
        text = SUITE.format(
            methods=methods, densities=densities, recipes=recipes, check=check, more=more, ranked=ranked
        ).replace("'", '"')
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def run(tmp_path):
    def call(path, **options):
        return pb.run(path, store=tmp_path / "store", executor="inline", **options)

    return call


def by_method(results, density=0.1):
    return {record.row.method: record for record in results.records if record.row.density in {density, None}}


def test_a_record_has_quality_weight_and_cost_of_its_ticket(suite, run):
    found = by_method(run(suite(["magnitude", "lottery", "dense"])))
    lottery = found["lottery"]
    assert lottery.status == "ok"
    total = 64 * 16 + 16 * 16 + 16 * 10
    assert lottery.metrics["kept"] == round(0.1 * total) == lottery.metrics["kept_macs"]
    assert lottery.metrics["macs"] == total
    assert lottery.metrics["effective_density"] <= lottery.metrics["density"] == pytest.approx(0.1, abs=1e-3)
    for split in ("train", "validation", "test"):
        assert 0 <= lottery.metrics[f"{split}_accuracy"] <= 100
        assert lottery.metrics[f"{split}_loss"] > 0
    assert lottery.row.recipe == "small-sgd(epochs=2.0)"
    assert lottery.labels["data"] == found["magnitude"].labels["data"] != ""


def test_a_training_counts_as_finding_where_a_ticket_was_found_with_it(suite, run):
    found = by_method(run(suite(["magnitude", "lottery", "dense", "reinit(of=lottery)", "gmp", "snip", "grasp"])))
    examples = {m: {role: spent.get("examples", 0) for role, spent in r.cost.items()} for m, r in found.items()}
    one = examples["dense"]["train"]
    assert one > 2 * 1000  # two epochs over nine tenths of 1 437 digits
    assert examples["lottery"] == {"find": one, "train": one, "measure": 0}
    assert examples["magnitude"] == {"find": 0, "train": one, "measure": 0}
    assert examples["dense"].get("find", 0) == 0
    assert examples["gmp"] == {"find": one, "train": 0, "measure": 0}
    assert examples["snip"]["find"] == 10 * 10  # one pass over ten samples of each class
    assert examples["grasp"]["find"] == 2 * 10 * 10  # the gradient, and its product with the Hessian
    total = 64 * 16 + 16 * 16 + 16 * 10
    assert found["lottery"].cost["train"]["macs"] == 3 * one * total
    assert found["snip"].cost["find"]["macs"] == 3 * 100 * total
    trainings = {m: (r.metrics["find_trainings"], r.metrics["trainings"]) for m, r in found.items()}
    assert trainings == {
        "magnitude": (0, 1), "lottery": (1, 2), "dense": (0, 1), "reinit": (1, 2), "gmp": (1, 1), "snip": (0, 1),
        "grasp": (0, 1),
    }  # fmt: skip


def test_a_method_whose_density_is_its_outcome_has_one_cell(suite, run):
    results = run(suite(["dense", "random"]))
    assert [r.row.density for r in results.records if r.row.method == "dense"] == [None]
    (record,) = (r for r in results.records if r.row.method == "dense")
    assert record.metrics["density"] == 1
    assert [r.row.density for r in results.records if r.row.method == "random"] == [0.5, 0.1]


def test_methods_are_ranked_at_the_primary_density_or_at_their_own(suite, run):
    results = run(suite(["dense", "random", "lottery"], densities="[1.0, 0.01]", ranked="0.01"))
    shown = [line.split()[0] for line in results.leaderboard().splitlines() if line]
    assert shown.index("dense") < shown.index("lottery")
    assert shown.index("dense") < shown.index("random")


def test_curves_measure_after_every_epoch_and_change_nothing(suite, run):
    plain = by_method(run(suite(["lottery"])))["lottery"]
    results = run(suite(["lottery"], more="curves = true"))
    (record,) = (r for r in results.records if r.row.density == 0.1)
    series = results.series(record)
    assert record.metrics == plain.metrics
    assert series["epoch"] == [1, 2]
    assert series["test_accuracy"][-1] == record.metrics["test_accuracy"]
    assert len(series["validation_loss"]) == 2


def test_a_density_below_a_weight_a_layer_is_skipped_with_its_reason(suite, run):
    results = run(suite(["lottery", "magnitude", "imp"], densities="[0.5, 0.001]"))
    skipped = [r for r in results.records if r.row.density == 0.001]
    assert [r.status for r in skipped] == ["skipped"] * 3
    assert {r.reason for r in skipped} == {"density 0.001 keeps 1 weights, fewer than the 3 layers"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipes": ""}, "method lottery trains, and the grid of check 'tradeoff' in suite 'small' has no recipes"),
        ({"recipes": 'recipes = ["small-sdg"]'}, "unknown recipe 'small-sdg' .did you mean 'small-sgd'"),
        ({"recipes": 'recipes = ["small-sgd(lr=-1)"]'}, "lr=-1 is not positive"),
        ({"recipes": 'recipes = ["small-sgd(epoch=3)"]'}, "takes no parameter 'epoch' .did you mean 'epochs'"),
        ({"check": "collapse"}, "check 'collapse' trains nothing, and its grid has the recipe small-sgd"),
        ({"densities": "[]"}, "needs densities"),
        ({"more": "arms = ['x']"}, "unknown arm 'x'"),
        ({"check": "collapse", "recipes": ""}, "method lottery trains, and the grid of check 'collapse'"),
    ],
)
def test_a_grid_that_cannot_be_is_one_line(suite, run, change, message):
    with pytest.raises(PrunebenchError, match=message) as error:
        run(suite(["lottery"], **change))
    assert "\n" not in str(error.value)


def test_workers_train_to_the_same_bits_as_the_driver(suite, run, tmp_path):
    path = suite(["imp", "snip"])
    inline = {record.row: record.metrics for record in run(path).records}
    spread = pb.run(path, store=tmp_path / "other", jobs=2).records
    assert {record.row: record.metrics for record in spread} == inline


def test_what_ends_dense_is_not_ranked_among_the_sparse(suite, run):
    results = run(suite(["dsd", "lottery", "dense"], densities="[0.1]"))
    arms = {record.row.method: (record.row.arm, record.metrics["density"]) for record in results.records}
    assert arms == {"dsd": ("dense in the end", 1), "lottery": (None, pytest.approx(0.1, abs=1e-3)), "dense": (None, 1)}
    found = {record.row.method: record.metrics for record in results.records}
    assert found["lottery"]["parent_accuracy"] == found["dense"]["test_accuracy"]
    assert "parent_accuracy" not in found["dense"]
    # Of dsd, that of the sparse phase: learning-rate rewinding of the same masks.
    (sparse,) = run(suite(["lr-rewinding(by=magnitude(scope=layer))"], densities="[0.1]")).records
    assert found["dsd"]["parent_accuracy"] == sparse.metrics["test_accuracy"]
    first, second = results.leaderboard().split("dense in the end")
    assert ("dsd" in first, "dsd" in second) == (False, True)

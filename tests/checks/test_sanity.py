"""The check behind the sanity suite: what arms change, what they never reach, and what is shared."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import prunebench as pb
from prunebench.checks.arms.base import Ground, arm, lasting
from prunebench.errors import PrunebenchError, SpecError, SuiteError, UnknownNameError, UsageError
from prunebench.graph import ancestors
from prunebench.harness.options import RunOptions
from prunebench.harness.run import plan_run
from prunebench.plugins import ready
from prunebench.records.suite import load_suite
from prunebench.registry import ARMS
from prunebench.spec import Spec
from prunebench.steps.nodes import Nodes, family
from tests.walking import registering

ready()
MODEL, DATA, RECIPE = "mlp(widths=[16], repeat=2)", "digits", "small-sgd(epochs=1)"
STEPS = Nodes(*(Spec.parse(text) for text in (MODEL, DATA, RECIPE)), repetition=0)
SUITE = """
name = "small"
version = 1
question = "?"
[primary]
metric = "test_accuracy"
tolerance = 1.0
density = 0.5
[[column]]
header = "50 %"
metric = "test_accuracy"
density = 0.5
[scale.quick]
about = "tiny"
seeds = 1
minutes = 1
"""
GRID = f"""
[[scale.quick.grid]]
check = "sanity"
models = ["{MODEL}"]
datasets = ["{DATA}"]
recipes = ["{RECIPE}"]
"""


@pytest.fixture
def suite(tmp_path):
    def write(*grids):
        """Each grid as keyword arguments of lists and truth values."""
        text = SUITE
        for number, grid in enumerate(grids):
            lines = (f"{k} = {v}" for k, v in {"densities": [0.5], **grid}.items())
            text += GRID + "\n".join(lines).replace("'", '"').replace("True", "true")
            assert number < 9
        path = tmp_path / "small.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def run(tmp_path):
    def call(path, **options):
        found = pb.run(path, store=tmp_path / "store", executor="inline", **options)
        return {(r.row.method, r.row.density, r.row.arm, r.row.repetition): r for r in found.records}

    return call


def plan(*suites, **options):
    return plan_run([load_suite(name) for name in suites], RunOptions(**options))


def ground(method, density=0.5, steps=STEPS):
    return Ground(steps, Spec.parse(method), density)


def armed(text, method, density=0.5):
    return arm(Spec.parse(text))(ground(method, density))


def datasets_of(node):
    """Datasets that trainings behind a node see."""
    return {n.arguments["dataset"]["$component"][1] for n in ancestors([node]) if n.name == "trained"}


# -- what is planned --


def trainings(*suites):
    found = plan(*suites)
    return Counter(node.name for node in found.nodes)["trained"]


def test_trainings_of_the_quick_suites_counted_by_hand():
    """Dense runs once a repetition on clean, mislabelled and halved data; an arm one; none where no data are seen."""
    dense = 3
    random, smart_ratio = 2, 1
    magnitude, synflow = 3, 3  # the untouched, rearranged, re-initialised; damaged data give the untouched ticket
    snip = 4  # and a ticket of damaged data
    lottery = 1 + 4
    weights_rewound = 1 + 3 + 1 + 1  # masks, weights, both; shuffled; the positive control
    rates_rewound = 1 + 1 + 1 + 1
    gmp = 1 + 2
    alone = 8 * (dense + random + smart_ratio + magnitude + synflow + snip + lottery)
    alone += 8 * (weights_rewound + rates_rewound + gmp)
    assert trainings("sanity") == alone
    # Six methods and their random controls at five densities, two methods without one, the dense network.
    tradeoff = 3 * (6 * 5 * 2 + 2 * 5 + 1)
    assert trainings("tradeoff") == tradeoff
    # At the density that both have: dense, random, six methods; one of the random controls is an arm there.
    assert trainings("sanity", "tradeoff") == alone + tradeoff - 3 * (1 + 1 + 6 + 1)


def test_without_sharing_it_would_be_more_than_half_as_much_again():
    found = plan("sanity")
    assert found.unshared() > 1.5 * len(found.nodes)


@pytest.mark.parametrize("method", ["snip", "lottery", "lottery(rewind=0.1)", "lr-rewinding", "imp", "gmp"])
@pytest.mark.parametrize(
    "text",
    ["random-labels", "random-labels(strict=true)", "random-pixels", "corrupted", "half-data", "half-data(match=steps)",
     "no-data", "random-labels(length=2)", "random-labels(part=mask)", "random-labels(part=weights)"],
)  # fmt: skip
def test_prune_stage_arms_find_the_ticket_on_other_data_and_train_it_on_the_task_s_own(method, text):
    found = armed(text, method)
    train = STEPS.train(found.ticket)
    assert train.arguments["dataset"]["$component"][1] == "digits"
    assert train.arguments["recipe"] == STEPS.train().arguments["recipe"]
    pruned_on = {
        n.arguments["dataset"]["$component"][1]
        for n in ancestors([found.ticket])
        if n.name in {"pruned", "trained"}
    }  # fmt: skip
    assert any(name.startswith("altered(") for name in pruned_on)
    assert not any(name.startswith("altered(") for name in datasets_of(found.against))


@pytest.mark.parametrize("method", ["magnitude", "synflow", "random", "erk", "smart-ratio"])
@pytest.mark.parametrize("text", ["random-labels", "corrupted", "half-data", "no-data", "random-labels(length=3)"])
def test_a_method_that_sees_no_data_shares_its_one_ticket_with_every_data_arm(method, text):
    found = armed(text, method)
    assert found.ticket.key == found.against.key == ground(method).ticket().key
    assert found.reference == ""


def test_data_seen_by_a_method_inside_a_method_are_seen():
    assert armed("random-labels", "erk(within=snip)").ticket.key != ground("erk(within=snip)").ticket().key
    assert armed("random-labels", "same-ratios(of=snip)").ticket.key != ground("same-ratios(of=snip)").ticket().key


def test_masks_and_weights_are_taken_apart():
    mask, weights, both = (
        armed(f"random-labels(part={part})", "lr-rewinding").ticket for part in ("mask", "weights", "both")
    )  # fmt: skip
    clean = ground("lr-rewinding").ticket()
    assert (mask.arguments["masks"], mask.arguments["weights"]) == ({"$node": both.key}, {"$node": clean.key})
    assert (weights.arguments["masks"], weights.arguments["weights"]) == ({"$node": clean.key}, {"$node": both.key})


def test_a_longer_prune_stage_is_compared_with_one_as_long_and_trained_as_ever():
    longer, clean = armed("random-labels(length=3)", "lottery"), armed("clean(length=3)", "lottery")
    assert longer.reference == "clean(length=3.0)" == str(ARMS.minimal(Spec.parse("clean(length=3)")))
    assert longer.against.key == clean.ticket.key
    assert clean.reference == ""
    recipes = {n.arguments["recipe"]["$component"][1] for n in ancestors([clean.ticket]) if n.name == "trained"}
    assert all("epochs=3.0" in text for text in recipes)
    assert STEPS.train(clean.ticket).arguments["recipe"] == STEPS.train().arguments["recipe"]


def test_random_masks_of_a_ticket_s_total_budget_are_trained_as_long_as_it_was_found_and_trained():
    found = armed("same-ratios(long=true)", "lr-rewinding").ticket
    assert (found.name, found.arguments["long"], found.arguments["fresh"]) == ("control", True, False)
    (drawn,) = found.dependencies
    assert (drawn.name, drawn.arguments["how"]) == ("ablated", "same-ratios")


def test_half_of_the_data_by_epochs_and_by_steps():
    for text, epochs in (("half-data", "epochs=1.0"), ("half-data(match=steps)", "epochs=2.0")):
        (dense,) = (n for n in ancestors([armed(text, "lottery").ticket]) if n.name == "trained")
        assert epochs in dense.arguments["recipe"]["$component"][1]
        assert "share=0.5" in dense.arguments["dataset"]["$component"][1]


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("random-label", UnknownNameError, "did you mean 'random-labels'"),
        ("random-labels(part=masks)", SpecError, "did you mean 'mask'"),
        ("random-labels(length=0)", SpecError, "length=0 leaves no training"),
        ("random-labels(length=-1)", SpecError, "must be at least 0"),
        ("rearrange(length=2)", SpecError, "takes no parameter 'length'"),
        ("half-data(match=batches)", SpecError, "match"),
    ],
)
def test_arms_that_there_are_not(text, error, match):
    with pytest.raises(error, match=match):
        armed(text, "lottery")


@pytest.mark.parametrize(
    ("method", "kind"),
    [("snip", "initial"), ("random", "initial"), ("smart-ratio", "initial"), ("lottery", "lottery"), ("imp", "lottery"),
     ("lottery(rewind=0.1)", "late"), ("weight-rewinding", "late"), ("lr-rewinding", "late"), ("hybrid", "late"),
     ("fine-tune", "late"), ("imp(rewind=0.1)", "late"), ("gmp", "other"), ("dsd", "late"), ("reinit", "other"),
     ("same-ratios(of=snip)", "other"), ("swa", "other"), ("dense-long", "other")],
)  # fmt: skip
def test_families(method, kind):
    assert family(ground(method).ticket()) == kind


@pytest.mark.parametrize(
    ("recipe", "factor", "changed"),
    [
        ("small-sgd", 3, {"epochs": 60.0}),
        ("small-sgd", 0.5, {"epochs": 10.0}),
        ("small-sgd(steps=100)", 2, {"steps": 200}),
        ("small-sgd(milestones=[10, 15], schedule=step)", 2, {"epochs": 40.0, "milestones": (20.0, 30.0)}),
        ("small-sgd(milestones=[2, 10], schedule=step)", 0.25, {"epochs": 5.0, "milestones": (0.1, 2.5)}),
        ("small-sgd(warmup=1.0)", 3, {"epochs": 60.0, "warmup": 3.0}),
        ("small-sgd(rewind=[0.1, 2])", 3, {"epochs": 60.0, "rewind": (0.1, 6.0)}),
    ],
)
def test_a_recipe_of_another_length_is_the_same_at_every_share_of_it(recipe, factor, changed):
    spec = Spec.parse(recipe)
    assert lasting(spec, factor).mapping == {**spec.mapping, **changed}
    assert lasting(spec, 1) is spec


def test_a_recipe_in_steps_cannot_bring_an_epoch_below_the_first():
    with pytest.raises(SpecError, match="into the first epoch"):
        lasting(Spec.parse("small-sgd(steps=100, warmup=1.0)"), 0.5)


# -- families and what always stays --

INITIAL = {"families": ["initial"], "methods": ["snip"], "arms": ["rearrange"]}
LATE = {"families": ["late"], "methods": ["lr-rewinding"], "arms": ["shuffle"]}
CONTROL = {"always": True, "methods": ["random"], "arms": ["rearrange"]}


def rows(found):
    return {(cell.row.method, cell.row.arm) for cell in found.cells}


def test_a_method_of_a_user_s_goes_where_its_tickets_belong_and_controls_stay(suite):
    path = suite(CONTROL, INITIAL, LATE)
    stays = {("random", None), ("random", "rearrange")}
    assert rows(plan(path, methods=("magnitude",))) == stays | {("magnitude", None), ("magnitude", "rearrange")}
    assert rows(plan(path, methods=("hybrid",))) == stays | {("hybrid", None), ("hybrid", "shuffle")}
    every = rows(plan(path))
    assert every == stays | {("snip", None), ("snip", "rearrange"), ("lr-rewinding", None), ("lr-rewinding", "shuffle")}
    assert rows(plan(path, methods=("+magnitude",))) == every | {("magnitude", None), ("magnitude", "rearrange")}
    with pytest.raises(UsageError, match="no grid for method gmp: its tickets are none of initial, late"):
        plan(path, methods=("gmp",))


def test_a_suite_whose_method_is_in_the_wrong_family_is_refused(suite):
    with pytest.raises(SuiteError, match="no grid for method lottery"):
        plan(suite({**INITIAL, "methods": ["lottery"]}))


def test_the_same_cell_in_two_grids_is_one_and_two_kinds_of_it_are_an_error(suite):
    twice = plan(suite(INITIAL, {**INITIAL, "arms": ["reinit"]}))
    assert rows(twice) == {("snip", None), ("snip", "rearrange"), ("snip", "reinit")}
    with pytest.raises(PrunebenchError, match="two kinds of the cell"):
        plan(suite(INITIAL, {**INITIAL, "curves": True}))


# -- what is measured --


def own_digest(validation, repetition):
    """Of the samples that training sees, over their bytes, without the package's hashing of samples."""
    from prunebench.tasks.build import load_dataset

    split, _ = load_dataset(Spec(DATA)).split(validation, repetition)
    digest = hashlib.sha256()
    for part in (split.x, split.y):
        digest.update(str(tuple(part.shape)).encode() + np.ascontiguousarray(part.numpy()).tobytes())
    return digest.hexdigest()[:16]


def test_records_say_what_an_arm_left_as_it_was(suite, run):
    arms = ["random-labels", "no-data", "rearrange", "reinit", "same-ratios"]
    found = run(suite({"methods": ["snip", "magnitude", "lottery"], "arms": arms}), seeds=2)
    assert {record.status for record in found.values()} == {"ok"}
    for (method, density, name, repetition), record in found.items():
        assert record.labels["train_data"] == own_digest(0.1, repetition)
        untouched = found[method, density, None, repetition]
        if name is None:
            assert ("overlap_seeds" in record.metrics) == (repetition == 1)
            continue
        assert record.labels["reference"] == ""
        assert 0 <= record.metrics["overlap"] <= 1
        alike = name in {"random-labels", "no-data"} and method == "magnitude"
        assert (record.labels["ticket"] == "identical") == alike
        assert (record.labels["mask"] == "identical") == (alike or name == "reinit")
        if alike:
            assert record.metrics["test_accuracy"] == untouched.metrics["test_accuracy"]
        if name == "rearrange":
            assert record.metrics["overlap"] == pytest.approx(record.metrics["overlap_chance"], abs=0.05)
    assert found["snip", 0.5, "random-labels", 0].labels["data"] != found["snip", 0.5, None, 0].labels["data"]


LEAKY = """
from prunebench.checks.base import Cell, check
from prunebench.graph import Component
from prunebench.registry import RECIPES
from prunebench.spec import Spec
from dataclasses import replace
from prunebench.steps.compare import compared

@check("leaky")
def leaky(block):
    steps = block.steps()
    ticket = steps.find(str(block.method), 0.5)
    damaged = replace(steps, dataset=Spec.parse("altered(of=digits, labels=random)"))
    task = {**block.task(), "recipe": Component(RECIPES.kind, steps.recipe), "repetition": block.repetition}
    yield Cell(block.row(0.5, None), compared(**task, ticket=ticket, network=damaged.train(ticket)), "view")
"""


def test_a_training_that_sees_damaged_data_fails_its_cell(suite, run, tmp_path):
    """What published code does when two of its flags meet."""
    (tmp_path / "leaky.py").write_text(LEAKY)
    path = Path(suite({"methods": ["snip"]}))
    path.write_text(path.read_text().replace('check = "sanity"', 'check = "leaky"'))
    with registering():
        (record,) = run(str(path), plugins=[str(tmp_path / "leaky.py")]).values()
    assert record.status == "failed"
    assert "has leaked into training" in record.error.message


def test_impossible_cells_are_skipped_with_their_reason(suite, run):
    grids = (
        {"methods": ["gmp"], "arms": ["random-labels", "rearrange", "shuffle", "random-labels(part=mask)"]},
        {"methods": ["snip", "small-dense"], "arms": ["rearrange"], "densities": [0.001]},
    )
    found = run(suite(*grids))
    reasons = {key[:3]: record.reason for key, record in found.items() if record.status == "skipped"}
    assert found["gmp", 0.5, None, 0].status == "ok"
    assert "no training on the task's own data follows" in reasons["gmp", 0.5, "random-labels"]
    assert "training was over" in reasons["gmp", 0.5, "rearrange"]
    assert "training was over" in reasons["gmp", 0.5, "shuffle"]
    assert "belong together" in reasons["gmp", 0.5, "random-labels(part=mask)"]
    for method in ("snip", "small-dense"):
        for name in (None, "rearrange"):
            assert "keeps 1 weights, fewer than the 3 layers" in reasons[method, 0.001, name]
    assert {record.status for record in found.values()} == {"ok", "skipped"}


def test_a_method_that_chooses_its_density_has_one_cell(suite):
    found = plan(suite({"methods": ["dense", "dense-long"], "arms": ["rearrange"]}))
    assert [(c.row.method, c.row.density, c.row.arm) for c in found.cells] == [
        ("dense", None, None), ("dense-long", None, None)
    ]  # fmt: skip


REPORTED = """
sections = ["controls", "verdicts", "factors", "conditions", "ratios", "overlap"]
[verdicts]
metric = "test_accuracy"
margin = { default = 2.0 }
[[control]]
kind = "positive"
method = "lottery(rewind=0.1)"
arm = "reinit"
[[control]]
kind = "negative"
method = "random"
arm = "rearrange"
"""


def test_one_seed_runs_to_a_report_that_cannot_tell(suite, tmp_path):
    path = Path(suite(
        {"always": True, "methods": ["random"], "arms": ["rearrange"]},
        {"always": True, "methods": ["lottery(rewind=0.1)"], "arms": ["reinit"]},
        {"methods": ["snip", "synflow"], "arms": ["random-labels"]},
    ))  # fmt: skip
    path.write_text(path.read_text().replace('question = "?"\n', 'question = "?"\n' + REPORTED))
    results = pb.run(str(path), store=tmp_path / "store", executor="inline", seeds=1)
    text = results.leaderboard()
    assert "NO CONTROL COULD BE JUDGED" in text
    assert re.search(r"^snip · random-labels .* cannot tell: one repetition has no spread$", text, re.MULTILINE)
    assert re.search(r"^synflow · random-labels .* does not depend \(identical mask\)$", text, re.MULTILINE)
    for format in ("md", "csv", "json"):
        assert "cannot tell" in results.leaderboard(format)

"""The step that trains: what it measures, what it keeps, what it counts; and a training that diverges in a run."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
import prunebench as pb
from prunebench.engine.prunable import prunable
from prunebench.engine.ticket import Phase, Ticket, Trained
from prunebench.errors import TrainingError
from prunebench.graph import Component, spending
from prunebench.plugins import ready
from prunebench.registry import RECIPES
from prunebench.seeding import seed_of
from prunebench.spec import Spec
from prunebench.steps.train import trained
from prunebench.tasks.build import build_model, load_dataset
from tests.engine.training.plain_training import plain_loop, random_masks, same

ready()
MODEL, DATA = "mlp(widths=[10],repeat=1)", "digits"
RECIPE = "small-sgd(epochs=3,batch=300,lr=0.5)"


@dataclass
class Stored:
    value: dict[str, Any]
    tensors: dict[str, Any]


def run(recipe=RECIPE, repetition=0, model=MODEL, **more):
    return trained.run(
        model=Component("model", Spec.parse(model)), dataset=Component("dataset", Spec.parse(DATA)),
        recipe=Component(RECIPES.kind, Spec.parse(recipe)), repetition=repetition, **more,
    )  # fmt: skip


def spent(**more):
    """What a run of the step counts."""
    with spending() as counts:
        run(**more)
    return counts


def network(repetition=0):
    return build_model(Spec.parse(MODEL), (1, 8, 8), 10, repetition)


def read(outcome):
    return Trained.read(outcome.value, outcome.tensors, prunable(network()))


def stored(ticket):
    return Stored(*ticket.stored())


def splits(share=0.1, repetition=0):
    data = load_dataset(Spec.parse(DATA))
    train, held_back = data.split(share, repetition) if share else (data.train, None)
    return {"train": train, "validation": held_back, "test": data.test}


def in_double(weights, samples):
    model = network()
    model.load_state_dict(weights)
    with torch.no_grad():
        split = samples.whole()
        chances = model.double()(split.x.double()).log_softmax(1)
        right = int((chances.argmax(1) == split.y).sum())
        return {"loss": -float(chances[torch.arange(len(split)), split.y].mean()), "accuracy": 100 * right / len(split)}


def assert_measured(metrics, weights, share=0.1, repetition=0):
    for name, samples in splits(share, repetition).items():
        if samples is None:
            assert not [key for key in metrics if key.startswith(name)]
            continue
        for what, value in in_double(weights, samples).items():
            assert metrics[f"{name}_{what}"] == pytest.approx(value, rel=1e-5), (name, what)


@pytest.mark.parametrize("repetition", [0, 1])
def test_metrics_are_those_of_the_last_weights_on_every_split(repetition):
    outcome = run(repetition=repetition)
    assert len(outcome.value["metrics"]) == 6
    assert_measured(outcome.value["metrics"], read(outcome).weights, repetition=repetition)
    assert outcome.value["metrics"]["test_accuracy"] > 20
    assert not same(read(outcome).weights, network(repetition).state_dict())


def test_augmentation_is_not_measured():
    outcome = run(f"{RECIPE[:-1]},crop=2,flip=true)")
    assert_measured(outcome.value["metrics"], read(outcome).weights)


def test_nothing_held_back_gives_no_validation_metrics():
    outcome = run(f"{RECIPE[:-1]},validation=0)")
    assert_measured(outcome.value["metrics"], read(outcome).weights, share=0)
    names = {f"{split}_{what}" for split in ("train", "test") for what in ("loss", "accuracy")}
    assert set(outcome.value["metrics"]) == names
    assert set(outcome.value["series"]) == {"epoch", *names}
    assert outcome.value["examples"] == 3 * len(splits(0)["train"])


def test_curves_have_an_entry_an_epoch_that_is_what_a_training_up_to_there_measures():
    outcome = run()
    series, metrics = outcome.value["series"], outcome.value["metrics"]
    assert series["epoch"] == [1, 2, 3]
    assert series.keys() == {"epoch", *metrics}
    for name, value in metrics.items():
        assert len(series[name]) == 3
        assert series[name][-1] == value
    for epoch in (1, 2):
        part = run(until=epoch)
        assert part.value["series"]["epoch"] == list(range(1, epoch + 1))
        for name, value in part.value["metrics"].items():
            assert series[name][epoch - 1] == value
            assert part.value["series"][name] == series[name][:epoch]


@pytest.mark.parametrize(
    ("recipe", "more", "epochs"),
    [
        ("epochs=2.5", {}, [1, 2, 2.5]), ("epochs=0.5", {}, [0.5]), ("epochs=3", {"until": 1.5}, [1, 1.5]),
        ("epochs=3", {"until": 0.25}, [0.75]), ("steps=9", {}, [1, 2, 2.25]), ("epochs=3", {"until": 0.0}, [0]),
        ("epochs=4", {"phase": Phase(begin=0.5)}, [3, 4]), ("epochs=4", {"phase": Phase(begin=0.375)}, [2, 3, 4]),
        ("epochs=4", {"phase": Phase(begin=0.5, length=0.75)}, [3]), ("epochs=2", {"phase": Phase(begin=2)}, [2]),
        ("epochs=2", {"phase": Phase(length=1.5)}, [1, 2, 3]), ("epochs=2", {"phase": None}, [0]),
    ],
    ids=str,
)  # fmt: skip
def test_curves_end_where_the_training_ends(recipe, more, epochs):
    """Batches of 300 are four steps an epoch."""
    assert 900 < len(splits()["train"]) <= 1200
    more = dict(more)
    if "phase" in more:
        more["ticket"] = stored(Ticket(random_masks(network(), 0.5), network().state_dict(), phase=more.pop("phase")))
    begun = 0.0
    if "ticket" in more and more["ticket"].value["phase"] is not None:
        begin = more["ticket"].value["phase"][0]
        begun = begin if begin >= 1 else 4 * begin
    outcome = run(f"small-sgd(batch=300,rewind=[],{recipe})", **more)
    series = outcome.value["series"]
    assert series["epoch"] == epochs
    for name, value in outcome.value["metrics"].items():
        assert len(series[name]) == len(epochs)
        assert series[name][-1] == value
    assert outcome.value["steps"] == 4 * (epochs[-1] - begun)


def test_curves_change_no_weight_and_are_left_out_where_they_are_off():
    on, off = run(), run(curves=False)
    assert off.value["series"] is None
    assert same(on.tensors, off.tensors)
    assert {**on.value, "series": None} == off.value
    assert spent() == spent(curves=False)


def test_weights_at_the_rewind_points_are_those_of_trainings_that_stop_there():
    recipe = f"{RECIPE[:-1]},rewind=[0.5,2,0.0])"
    outcome = read(run(recipe))
    assert set(outcome.moments) == {0.0, 0.5, 2.0}
    assert same(outcome.moments[0.0], network().state_dict())
    for place in (0.5, 2.0):
        part = read(run(recipe, until=place))
        assert same(outcome.moments[place], part.weights)
        assert set(part.moments) == {p for p in (0.0, 0.5, 2.0) if p in (0.0, 0.5) or place == 2}
    assert same(outcome.weights, read(run(f"{RECIPE[:-1]},rewind=[])")).weights), "looking on the way changes nothing"


def test_a_ticket_is_trained_under_its_masks_from_its_weights():
    masks = random_masks(network(), 0.3)
    other = network(1).state_dict()
    ticket = Ticket(masks, other, notes=("noted",), spent=2.5, phase=Phase(begin=1))
    outcome = run(ticket=stored(ticket))
    found = read(outcome)
    assert found.masks == masks
    assert (found.spent, found.steps, found.examples) == (2.5 + 2 / 3, 8, 2 * len(splits()["train"]))
    assert found.moments == {}
    for name, mask in masks.items():
        assert torch.equal(found.weights[name] != 0, mask)
    assert_measured(outcome.value["metrics"], found.weights)


def test_a_ticket_that_drops_its_masks_starts_from_zeros_and_ends_dense():
    masks = random_masks(network(), 0.3)
    ticket = Ticket(masks, sparse=False)
    zeroed = network()
    masks.apply(zeroed)
    found = read(run("small-sgd(steps=1,batch=300,rewind=[])", ticket=stored(ticket)))
    assert found.masks is None
    whole = Ticket(masks.full(masks), zeroed.state_dict())
    expected = read(run("small-sgd(steps=1,batch=300,rewind=[])", ticket=stored(whole)))
    assert same(found.weights, expected.weights)
    assert found.weights["3.weight"][~masks["3.weight"]].any()


def test_a_trained_ticket_is_measured_as_it_is():
    masks = random_masks(network(), 0.3)
    model = network(1)
    masks.apply(model)
    ticket = Ticket(masks, model.state_dict(), phase=None, spent=1.25)
    outcome = run(ticket=stored(ticket))
    found = read(outcome)
    assert same(found.weights, model.state_dict())
    assert (found.masks, found.steps, found.examples, found.spent) == (masks, 0, 0, 1.25)
    assert_measured(outcome.value["metrics"], model.state_dict())


def test_a_reason_to_skip_is_passed_on():
    assert run(ticket=Stored({"skipped": "too few weights"}, {})).value == {"skipped": "too few weights"}


def test_samples_and_operations_are_counted():
    """A forward pass is in·out by layer, a training step three of them a sample, whatever is masked."""
    examples = 3 * len(splits()["train"])
    counts = {"examples": examples, "macs": 3 * examples * (64 * 10 + 10 * 10)}
    assert spent() == counts
    assert run().value["steps"] == 12
    assert spent(ticket=stored(Ticket(random_masks(network(), 0.1)))) == counts


# Divergence ----------------------------------------------------------------------------------------------------------


def first_bad_step(text):
    """Of the dense network at repetition 0, by a plain loop on the recipe's order of samples."""
    spec = Spec.parse(text)
    recipe = RECIPES.get(spec.name)(**RECIPES.resolve(spec))
    data = splits()["train"].whole()
    each, total = recipe.per_epoch(len(data)), recipe.length(len(data))
    batches = []
    for epoch in range(math.ceil(total / each)):
        generator = torch.Generator().manual_seed(seed_of("data-order", 0, epoch=epoch))
        batches += torch.randperm(len(data), generator=generator).split(recipe.batch)
    losses = plain_loop(network(), recipe, [(data.x[i], data.y[i]) for i in batches[:total]], total, each)
    return next(step for step, loss in enumerate(losses) if not math.isfinite(loss))


BAD = "small-sgd(lr=1e12,batch=300,steps=12,warmup=0.0)"


def test_divergence_names_the_step_of_a_plain_loop():
    for curves in (False, True):
        with pytest.raises(TrainingError) as error:
            run(BAD, curves=curves)
        step = int(re.search(r"diverged (?:at|by) step (\d+)", str(error.value))[1])
        assert step == first_bad_step(BAD)
        assert "\n" not in str(error.value)


def test_a_last_step_that_spoils_the_weights_is_named_too():
    """No further step would notice it, but what is measured at the end does."""
    bad = first_bad_step(BAD)
    with pytest.raises(TrainingError, match=rf"^training diverged by step {bad}: the network's loss in eval mode is "):
        run(f"small-sgd(lr=1e12,batch=300,steps={bad},warmup=0.0,schedule=constant,rewind=[])", curves=False)


def test_in_a_run_a_training_that_diverges_is_a_failed_record_and_the_others_go_on(tmp_path):
    good, bad = "small-sgd(epochs=1,batch=300)", BAD
    overrides = (
        f'models=["{MODEL}"]', 'datasets=["digits"]', f'recipes=["{good}", "{bad}"]', 'methods=["random", "lottery"]',
        "densities=[0.5, 0.2]", "arms=[]",
    )  # fmt: skip
    found = pb.run("tradeoff", overrides=overrides, seeds=1, executor="inline", store=tmp_path)
    own = [r for r in found.records if r.row.method in {"random", "lottery"}]
    failed = [record for record in own if record.status == "failed"]
    finished = [record for record in own if record.status == "ok"]
    assert len(failed) == len(finished) == 4
    cells = {(method, density) for method in ("random", "lottery") for density in (0.5, 0.2)}
    for records in (failed, finished):
        assert {(record.row.method, record.row.density) for record in records} == cells
    for record in failed:
        assert "lr=1" in record.row.recipe
        assert record.error.type == "TrainingError"
        assert re.match(r"training diverged (at|by) step \d+", record.error.message)
        assert not record.metrics
    (message,) = {record.error.message for record in failed if record.row.method == "lottery"}
    assert message.startswith(f"training diverged at step {first_bad_step(BAD)} of 12: the loss is ")
    for record in finished:
        assert record.metrics["test_accuracy"] > 0

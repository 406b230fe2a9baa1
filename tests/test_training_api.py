"""The library: tickets that need training, on the user's own network."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.engine.custom import TRAINING
from prunebench.errors import PrunebenchError
from prunebench.plugins import ready
from prunebench.registry import METHODS
from prunebench.tasks.datasets.validation import split
from tests.own_task import CLASSES, FEATURES, PLAIN, N, data, descend, error_of, network, task

if TYPE_CHECKING:
    from pathlib import Path

ready()


@pytest.fixture(autouse=True)
def _no_trace_in_the_registry():
    yield
    for name in [name for name in METHODS.entries if name.startswith("test-")]:
        del METHODS.entries[name], METHODS._objects[name]


def largest(weights: dict[str, Tensor], layers: list[str], count: int) -> dict[str, Tensor]:
    flat = torch.cat([weights[name].abs().flatten() for name in layers])
    bound = flat.sort(descending=True).values[count - 1]
    return {name: weights[name].abs() >= bound for name in layers}


def test_a_lottery_ticket_by_a_train_function_is_that_of_the_same_loop_by_hand() -> None:
    model, by_hand = network(), network()
    ticket = pb.find_ticket(model, "lottery", density=0.3, train=descend, steps=25, input_shape=(FEATURES,))
    x, y = data()
    for _ in range(25):
        loss = cross_entropy(by_hand(x), y)
        for parameter, gradient in zip(
            by_hand.parameters(), torch.autograd.grad(loss, list(by_hand.parameters())), strict=True
        ):
            parameter.data -= 0.3 * gradient
    layers = ["0.weight", "3.weight"]
    expected = largest(dict(by_hand.named_parameters()), layers, round(0.3 * 72))
    assert {name: mask.tolist() for name, mask in ticket.masks.items()} == {
        name: mask.tolist() for name, mask in expected.items()
    }
    assert ticket.weights is not None
    assert all(torch.equal(ticket.weights[name], value) for name, value in network().state_dict().items())
    assert ticket.phase == pb.Phase()
    assert ticket.spent == 1


def test_a_lottery_ticket_by_a_task_is_that_of_plain_batches_by_hand() -> None:
    model = network()
    own = task(PLAIN)
    ticket = pb.find_ticket(model, "lottery(rewind=0.5)", density=0.3, task=own)
    seen: list[float] = []

    @pb.method("test-watches", needs=TRAINING)
    class Watches(pb.Method):
        """Sees what it is given."""

        def prune(self, ctx: pb.Pruning) -> pb.Masks:
            """By the magnitude of trained weights."""
            trainer = ctx.trainer()
            trainer.run()
            seen.extend([len(ctx.data), trainer.total, trainer.per_epoch])
            return ctx.keep({name: weight.detach().abs() for name, weight in ctx.weights.items()})

    assert pb.find_ticket(model, "test-watches", density=0.3, task=own).masks == ticket.masks
    assert seen == [N, 6, 3]
    assert ticket.phase == pb.Phase(begin=0.5)
    assert ticket.weights is not None


def test_weights_are_rewound_to_those_of_the_same_steps_by_hand() -> None:
    own = task(PLAIN.replace("batch=30", f"batch={N}"))
    ticket = pb.find_ticket(network(), "lottery(rewind=0.5)", density=0.3, task=own)
    by_hand, (x, y) = network(), data()
    loss = cross_entropy(by_hand(x), y)
    for parameter, gradient in zip(
        by_hand.parameters(), torch.autograd.grad(loss, list(by_hand.parameters())), strict=True
    ):
        parameter.data -= 0.1 * gradient
    assert ticket.weights is not None
    for name, value in by_hand.state_dict().items():
        torch.testing.assert_close(ticket.weights[name], value)
    assert ticket.phase == pb.Phase(begin=0.5)


@pytest.mark.parametrize("how", ["task", "function"])
def test_the_users_network_and_random_state_stay_as_they_are(how) -> None:
    model = network().train()
    model[1].eval()
    cross_entropy(model(data()[0]), data()[1]).backward()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    state = torch.get_rng_state()
    given: dict[str, Any] = {"task": task()} if how == "task" else {"train": descend, "steps": 4}
    shape = {} if how == "task" else {"input_shape": (FEATURES,)}
    ticket = pb.find_ticket(model, "imp(rate=0.5)", density=0.3, **given, **shape)
    pb.train(model, ticket, **given)
    pb.train(model, None, **given)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: m.training for name, m in model.named_modules()} == {
        "": True,
        "0": True,
        "1": False,
        "2": True,
        "3": True,
    }
    assert all(torch.equal(p.grad, gradients[n]) for n, p in model.named_parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_an_untrained_method_scores_the_tasks_training_data() -> None:
    model, own = network(), task(None)
    ticket = pb.find_ticket(model, "snip(mode=eval, samples_per_class=30)", density=0.4, task=own)
    assert ticket.masks == pb.prune(model, "snip(mode=eval)", density=0.4, batch=data())
    # All samples of each class, so that drawing changes their order alone.
    assert pb.find_ticket(model, "magnitude", density=0.4, task=own).masks.kept() == round(0.4 * 72)


def test_a_method_that_does_not_ask_for_data_gets_none() -> None:
    @pb.method("test-blind")
    class Blind(pb.Method):
        """Looks where it did not ask to."""

        look: str = "data"

        def prune(self, ctx: pb.Pruning) -> pb.Ticket:
            """By data that it did not ask for."""
            return pb.Ticket(ctx.keep(ctx.scores("snip")) if self.look == "scores" else getattr(ctx, self.look))

    for given in ({"task": task()}, {"batch": data()}):
        for look in ("data", "validation", "scores"):
            message = error_of(lambda: pb.find_ticket(network(), f"test-blind(look={look})", density=0.5, **given))  # noqa: B023
            assert "needs={'data'}" in message, look


def test_a_batch_still_finds_a_ticket_of_an_untrained_method() -> None:
    ticket = pb.find_ticket(network(), "snip", density=0.4, batch=data())
    assert ticket.masks == pb.prune(network(), "snip", density=0.4, batch=data())


def test_seeds_draw_other_validation_parts_and_orders_and_equal_ones_the_same() -> None:
    model, own = network(), task()
    tickets = [pb.find_ticket(model, "lottery", density=0.3, task=own, seed=seed) for seed in (0, 0, 1)]
    assert tickets[0].masks == tickets[1].masks != tickets[2].masks
    assert not torch.equal(own.splits(0)["validation"].whole().x, own.splits(1)["validation"].whole().x)


def test_what_a_method_may_see_is_the_training_part_and_never_the_test_data() -> None:
    seen: dict[str, Any] = {}

    @pb.method("test-looks", needs=TRAINING)
    class Looks(pb.Method):
        """Looks around."""

        def prune(self, ctx: pb.Pruning) -> pb.Masks:
            """At random."""
            seen.update(data=ctx.data.whole().x, validation=ctx.validation.whole().x, shape=ctx.shape)
            return ctx.keep(ctx.scores("magnitude"))

    own = task("small-sgd(validation=0.2)")
    pb.find_ticket(network(), "test-looks", density=0.5, task=own, seed=4)
    x, _ = data()
    rows = [tuple(row) for part in ("data", "validation") for row in seen[part].tolist()]
    assert sorted(rows) == sorted(tuple(row) for row in x.tolist())
    assert len(seen["validation"]) == round(0.2 * N)
    held = pb.Task(data(), "small-sgd", validation=data(9, 2))
    pb.find_ticket(network(), "test-looks", density=0.5, task=held)
    assert torch.equal(seen["validation"], data(9, 2)[0])
    assert len(seen["data"]) == N


def test_a_ticket_is_trained_as_the_same_loop_does_by_hand_and_measured_on_every_split() -> None:
    model = network(norm=False)
    masks = pb.prune(model, "magnitude", density=0.5, input_shape=(FEATURES,))
    own = task(PLAIN.replace("batch=30", f"batch={N}"), validation=data(30, 5))
    trained = pb.train(model, masks, own)
    by_hand, (x, y) = network(norm=False), data()
    parameters = dict(by_hand.named_parameters())
    for name, mask in masks.items():
        parameters[name].data *= mask
    for _ in range(2):
        gradients = torch.autograd.grad(cross_entropy(by_hand(x), y), list(parameters.values()))
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            parameter.data -= 0.1 * gradient * masks.get(name, torch.tensor(1))
    for name, parameter in parameters.items():
        torch.testing.assert_close(trained.weights[name], parameter.data)
    assert (trained.steps, trained.examples, trained.spent, trained.masks) == (2, 2 * N, 1, masks)
    assert list(trained.measures) == ["train", "validation", "test"]
    for name, (inputs, labels) in {"train": (x, y), "validation": data(30, 5), "test": data(45, 1)}.items():
        logits = by_hand(inputs)
        assert trained.measures[name]["loss"] == pytest.approx(float(cross_entropy(logits, labels).detach()), abs=1e-5)
        right = int((logits.argmax(1) == labels).sum())
        assert trained.measures[name]["accuracy"] == pytest.approx(100 * right / len(labels))
    trained.apply(model)
    assert all(torch.equal(value, trained.weights[name]) for name, value in model.state_dict().items())


def test_the_dense_network_is_trained_without_a_ticket() -> None:
    model, own = network(), task("small-sgd(epochs=8, batch=20)")
    before = pb.train(model, None, task("small-sgd(epochs=1, batch=80, lr=1e-9)")).measures
    trained = pb.train(model, task=own)
    assert trained.masks is None
    assert trained.measures["test"]["accuracy"] > max(70, before["test"]["accuracy"])
    assert trained.measures["test"]["loss"] < before["test"]["loss"]
    assert trained.measures["validation"].keys() == {"loss", "accuracy"}


def test_a_ticket_that_has_been_trained_is_measured_as_it_is() -> None:
    model = network()
    whole = pb.train(model, None, task())
    masks = pb.prune(model, "random", density=0.9, input_shape=(FEATURES,))
    start = pb.Ticket(masks, whole.weights, phase=None, spent=1.0)
    trained = pb.train(model, start, task())
    assert (trained.steps, trained.spent) == (0, 1.0)
    for name, mask in masks.items():
        assert torch.equal(trained.weights[name], torch.where(mask, whole.weights[name], 0)), "what is pruned is gone"
    assert torch.equal(trained.weights["0.bias"], whole.weights["0.bias"])


def test_a_train_function_trains_a_ticket_and_measures_it_where_the_task_has_data() -> None:
    model = network()
    ticket = pb.find_ticket(model, "lottery", density=0.3, train=descend, steps=20, input_shape=(FEATURES,))
    bare = pb.train(model, ticket, train=descend, steps=20)
    assert bare.measures == {}
    measured = pb.train(model, ticket, task(None), train=descend, steps=20)
    assert measured.measures["test"]["accuracy"] > 60
    for name, mask in ticket.masks.items():
        assert torch.equal(bare.weights[name], measured.weights[name])
        assert not bare.weights[name][~mask].any()
    assert bare.spent == 2


def test_a_train_function_is_told_the_part_of_its_schedule() -> None:
    told: list[pb.Stretch] = []

    def listens(model: nn.Module, stretch: pb.Stretch) -> None:
        told.append(stretch)
        descend(model, stretch)

    masks = pb.prune(network(), "random", density=0.5, input_shape=(FEATURES,))
    ticket = pb.Ticket(masks, phase=pb.Phase(begin=0.5, rate="final", scale=0.1))
    pb.train(network(), ticket, train=listens, steps=10)
    assert told == [pb.Stretch(masks, 5, 10, 10, "final", 0.1, 5)]


def test_a_schedule_whose_last_rate_is_zero_changes_nothing_in_fine_tuning() -> None:
    def cosine(model: nn.Module, stretch: pb.Stretch) -> None:
        if stretch.rate == "recipe":
            descend(model, stretch)

    masks = pb.prune(network(), "random", density=0.5, input_shape=(FEATURES,))
    trained = pb.train(network(), pb.Ticket(masks, phase=pb.Phase(rate="final")), train=cosine, steps=5)
    assert torch.equal(trained.weights["0.weight"], network()[0].weight * masks["0.weight"])


def test_a_weight_that_another_parameter_is_tied_to_is_held_while_it_trains() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.randn(CLASSES, FEATURES))
            self.head = nn.Linear(FEATURES, CLASSES)
            self.head.weight = self.table

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x)

    masks = pb.prune(Tied(), "magnitude", density=0.5, input_shape=(FEATURES,))
    trained = pb.train(Tied(), masks, task())
    assert list(masks) == ["head.weight"]
    assert not trained.weights["table"][~masks["head.weight"]].any()
    assert trained.weights["table"][masks["head.weight"]].all()


def test_every_name_of_the_package_is_lazy_and_there() -> None:
    code = (
        "import sys, prunebench as pb\n"
        "pb.Recipe, pb.recipe, pb.Method, pb.method, pb.PrunebenchError\n"
        "assert 'torch' not in sys.modules\n"
        "assert set(pb.__all__) == set(pb._HOMES) and pb.__all__ == sorted(pb.__all__)\n"
        "for name in pb.__all__: getattr(pb, name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_task_splits_as_a_dataset_of_the_benchmark_does() -> None:
    from prunebench.tasks.datasets.base import Split

    own = task("small-sgd(validation=0.3)")
    train, held = split(Split(*data()), 0.3, 2)
    found = own.splits(2)
    assert torch.equal(found["train"].whole().x, train.whole().x)
    assert torch.equal(found["validation"].whole().x, held.whole().x)
    assert list(task(None).splits()) == ["train", "test"]
    assert "tensor" not in repr(own)


def test_a_lottery_ticket_brings_its_initial_weights_along(tmp_path: Path) -> None:
    ticket = pb.find_ticket(network(), "lottery", density=0.3, task=task(PLAIN))
    ticket.save(tmp_path / "ticket.safetensors")
    other = network()
    for parameter in other.parameters():
        parameter.data.normal_()
    pb.Ticket.load(tmp_path / "ticket.safetensors", other).apply(other)
    for name, value in network().state_dict().items():
        kept = ticket.masks[name] if name in ticket.masks else torch.ones_like(value, dtype=torch.bool)
        assert torch.equal(other.state_dict()[name], torch.where(kept, value, 0))


def test_controls_draw_weights_as_the_user_does_or_say_that_they_do_not() -> None:
    def drawn() -> nn.Module:
        model = network()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, 5.0)
        return model

    own = pb.find_ticket(network(), "reinit(of=lottery)", density=0.3, task=task(PLAIN), fresh=drawn)
    again = pb.find_ticket(network(), "reinit(of=lottery)", density=0.3, task=task(PLAIN), fresh=drawn)
    assert own.weights is not None
    assert again.weights is not None
    assert float(own.weights["0.weight"].mean()) > 4
    assert torch.equal(own.weights["0.weight"], again.weights["0.weight"])
    assert own.notes == ()
    reset = pb.find_ticket(network(), "reinit(of=lottery)", density=0.3, task=task(PLAIN))
    assert reset.notes == ("fresh weights are what each layer's reset_parameters draws",)
    assert reset.masks == own.masks


def test_what_is_no_network_is_said_to_be_none() -> None:
    with pytest.raises(PrunebenchError, match="the model is a str, not"):
        pb.find_ticket("model", "lottery", density=0.3, task=task(PLAIN))  # type: ignore[arg-type]
    with pytest.raises(PrunebenchError, match="the model is a str, not"):
        pb.prune("model", "random", density=0.3, input_shape=(3,))  # type: ignore[arg-type]

"""Squares of weights by epoch: what is seen is the training that every other run does."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from prunebench.engine.drift import Diary, follow
from prunebench.engine.subject import Subject
from prunebench.engine.training.live import LiveSteps
from prunebench.engine.training.rewinding import train
from prunebench.errors import PrunebenchError
from prunebench.plugins import ready
from prunebench.spec import Spec

ready()
EPOCHS = 3


def subject(model="mlp(widths=[12], repeat=2)", dataset="digits"):
    specs = (model, dataset, f"small-sgd(epochs={EPOCHS})")
    model, dataset, recipe = map(Spec.parse, specs)
    return Subject.of(model, dataset, 0, recipe)


def squares(weights, names):
    """Σ w² by layer, by a loop of its own."""
    return [sum(float(value) ** 2 for value in weights[name].flatten().tolist()) for name in names]


@pytest.mark.parametrize(
    ("method", "density"),
    [("dense", 1.0), ("gmp(events=3)", 0.3), ("targeted", 0.6), ("imp(rate=0.5)", 0.25), ("snip", 0.3), ("dsd", 0.5)],
)
def test_what_is_followed_is_the_ticket_and_the_training_of_every_other_run(method, density):
    network = subject()
    diary, ticket = follow(network, Spec.parse(method), density)
    other = LiveSteps(network).find(method, density)
    assert ticket.same_as(other)
    final = train(network, other)
    assert diary.moments[-1].totals == pytest.approx(squares(final.weights, network.layers), rel=1e-12)
    first = diary.moments[0]
    assert first.totals == pytest.approx(squares(network.model.state_dict(), network.layers), rel=1e-12)
    assert (first.epoch, first.training, first.kept) == (0.0, 0, 64 * 12 + 12 * 12 + 12 * 10)


def test_a_dense_training_has_a_moment_an_epoch():
    diary, _ = follow(subject(), Spec.parse("dense"), 1.0)
    assert [moment.epoch for moment in diary.moments] == [0, 1, 2, 3]
    assert [moment.training for moment in diary.moments] == [0, 1, 1, 1]
    assert len({moment.totals for moment in diary.moments}) == 4


def test_every_pruning_on_the_way_has_a_moment():
    diary, ticket = follow(subject(), Spec.parse("gmp(events=3, start=0.2, end=0.8)"), 0.25)
    assert all(a.epoch <= b.epoch for a, b in pairwise(diary.moments))
    kept = [moment.kept for moment in diary.moments]
    assert sorted(kept, reverse=True) == kept
    falls = [(a.epoch, b.epoch) for a, b in pairwise(diary.moments) if b.kept < a.kept]
    assert [round(at, 1) for _, at in falls] == [1.2, 1.8, 2.4]  # thirds of the way from 0.2 T to 0.8 T, T = 3
    assert kept[-1] == ticket.masks.kept()
    assert diary.moments[-1].epoch == EPOCHS


def test_rounds_are_trainings_one_after_the_other():
    network = subject()
    diary, _ = follow(network, Spec.parse("imp(rate=0.5)"), 0.25)
    total = sum(weight.numel() for weight in network.layers.values())
    begun = {moment.training: moment for moment in reversed(diary.moments)}
    assert [(m.epoch, m.kept) for m in (begun[1], begun[2], begun[3])] == [
        (1, total), (3, round(total / 2)), (6, round(total / 4))
    ]  # fmt: skip
    # Rewound: survivors have their initial values again.
    before = squares(network.model.state_dict(), network.layers)
    assert all(now < then for now, then in zip(begun[3].totals, before, strict=True))
    assert max(moment.epoch for moment in diary.moments) == 3 * EPOCHS


def test_a_training_of_another_method_that_a_ticket_is_found_by_is_followed_too():
    diary, _ = follow(subject(), Spec.parse("reinit(of=lottery)"), 0.3)
    assert diary.moments[-1].training == 2
    assert diary.moments[-1].epoch == 2 * EPOCHS


def test_averaged_weights_are_the_last_moment():
    network = subject()
    diary, ticket = follow(network, Spec.parse("swa(of=snip, start=0.3)"), 0.3)
    assert diary.moments[-1].totals == pytest.approx(squares(ticket.weights, network.layers), rel=1e-12)


def test_a_method_that_cannot_prune_so_far_says_why():
    with pytest.raises(PrunebenchError, match="gmp"):
        follow(subject(), Spec.parse("gmp(initial=0.9)"), 0.5)


def constant(model, values):
    """The network with every weight of a layer of one value, biases zero."""
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), values, strict=True):
            parameter.fill_(value)
    return model


def test_equal_totals_are_the_law():
    """Layers of 64·12, 12·12 and 12·10 weights that each have Σ w² = 7."""
    network = subject()
    constant(network.model, [(7 / 768) ** 0.5, 0, (7 / 144) ** 0.5, 0, (7 / 120) ** 0.5, 0])
    found = Diary(network).metrics()
    assert found["square_slope_begin"] == pytest.approx(-1, abs=1e-6)
    assert found["square_spread"] == pytest.approx(1, rel=1e-6)
    assert found["square_slope_error"] == pytest.approx(0, abs=1e-6)
    assert (found["square_slope_error_change"], found["square_spread_change"]) == (0, 0)
    # A hidden unit has 7/12 in and 7/12 out.
    assert found["square_imbalance"] == pytest.approx(0, abs=1e-6)


def test_equal_weights_have_slope_zero_and_units_the_balance_of_their_fans():
    network = subject()
    constant(network.model, [0.5, 3.0, 0.5, 3.0, 0.5, 3.0])
    found = Diary(network).metrics()
    assert found["square_slope"] == pytest.approx(0, abs=1e-9)
    assert found["square_spread"] == pytest.approx(768 / 120)
    # First layer's units: 64 in, 12 out. Second's: 12 in, 10 out. The median of 12 and 12 numbers lies between.
    assert found["square_imbalance"] == pytest.approx((52 / 76 + 2 / 22) / 2)


def test_moments_before_and_after_are_set_off_against_each_other():
    network = subject()
    constant(network.model, [0.5, 0, 0.5, 0, 0.5, 0])
    diary = Diary(network)
    constant(network.model, [(7 / 768) ** 0.5, 0, (7 / 144) ** 0.5, 0, (70 / 120) ** 0.5, 0])
    diary.note(network.model, 1032)
    found = diary.metrics()
    assert found["square_spread_change"] == pytest.approx(1 - torch.log10(torch.tensor(6.4)).item(), abs=1e-5)
    assert found["square_slope_error_change"] == pytest.approx(found["square_slope_error"] - 1)
    assert found["square_imbalance_change"] == found["square_imbalance"] - found["square_imbalance_begin"]


def test_a_layer_without_weights_has_no_spread_and_is_left_out_of_the_slope():
    network = subject()
    constant(network.model, [0.5, 0, 0.0, 0, 0.5, 0])
    found = Diary(network).metrics()
    assert found["square_spread"] is None is found["square_spread_change"]
    assert found["square_slope"] == pytest.approx(0, abs=1e-9)
    constant(network.model, [0.0] * 6)
    empty = Diary(network)
    assert (empty.metrics()["square_slope"], empty.metrics()["square_imbalance"]) == (None, None)


def test_series_have_an_entry_a_moment():
    diary, _ = follow(subject(), Spec.parse("imp(rate=0.5)"), 0.5)
    series = diary.series()
    assert {len(values) for name, values in series.items() if name.startswith("drift_")} == {len(diary.moments)}
    assert series["drift_slope"][-1] == diary.metrics()["square_slope"]
    assert series["square_total_begin"] == list(diary.moments[0].totals)


def test_a_ticket_that_is_found_without_training_is_followed_while_it_is_trained():
    diary, ticket = follow(subject(), Spec.parse("snip"), 0.5)
    assert [moment.training for moment in diary.moments] == [0, *[1] * (EPOCHS + 1)]
    assert {moment.kept for moment in diary.moments[1:]} == {ticket.masks.kept()}

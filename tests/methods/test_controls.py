"""Controls: masks with other weights, the dense network, lengths by hand, and specs that name methods."""

from __future__ import annotations

import pytest
import torch

import prunebench as pb
from prunebench.engine.masks import Masks
from prunebench.engine.ticket import Phase, Ticket
from prunebench.engine.training.rewinding import control
from prunebench.errors import PruningError, SpecError, UnknownNameError
from prunebench.graph import Component
from prunebench.registry import METHODS, chooses
from prunebench.spec import Spec
from tests.methods.staged import LAYERS, TOTAL, T, equal, found, largest, network, plain, task, trained
from tests.walking import registering


def reinit(of, **given):
    return str(Spec("reinit", (("of", of), *given.items())))


SNIP = "snip(samples_per_class=5)"


@pytest.mark.parametrize("of", ["lottery", SNIP, "random", "gmp", "lr-rewinding", "dsd", "small-dense"])
def test_the_same_masks_with_other_weights(of):
    ticket, other = found(reinit(of), 0.3), found(of, 0.3)
    assert ticket.masks == other.masks
    before = dict(network().state_dict())
    assert set(ticket.weights) == set(before)
    for name in LAYERS:
        assert not (ticket.weights[name] == before[name]).any()
        # Uniform within 1/√(fan-in), as torch draws.
        assert ticket.weights[name].abs().max() <= before[name].shape[1] ** -0.5
    # One draw for all methods.
    assert equal(ticket.weights, found(reinit("random"), 0.5).weights)
    assert ticket.phase == Phase()
    assert ticket.sparse
    assert equal(trained(ticket).weights, plain(ticket.weights, masks=ticket.masks))


def test_another_repetition_draws_others():
    first, second = (pb.find_ticket(network(), "reinit", density=0.3, task=task(), seed=seed) for seed in (0, 1))
    assert not (first.weights["0.weight"] == second.weights["0.weight"]).any()


@pytest.mark.parametrize(
    ("of", "density", "length"),
    [
        (SNIP, 0.3, 1), ("lottery", 0.3, 2), ("lr-rewinding", 0.3, 2), ("lr-rewinding(rewind=0.25)", 0.3, 1.75),
        ("weight-rewinding(rewind=0.25)", 0.3, 1.75), ("fine-tune(begin=0.5)", 0.3, 1.5), ("hybrid", 0.3, 2),
        ("imp", 0.512, 4), ("imp", 0.5, 5), ("imp(rewind=0.25)", 0.64, 1 + 2 * 0.75),
        ("lr-rewinding(rate=0.2)", 0.512, 4),
        ("dsd", 0.5, 3), ("swa", 0.3, 2), ("gmp", 0.3, 1), ("dense", 1.0, 1), ("dense-long", 1.0, 2),
    ],
)  # fmt: skip
def test_long_controls_take_what_finding_and_training_took_together(of, density, length):
    ticket = found(reinit(of, long=True), density)
    assert ticket.phase == Phase(length=length)
    assert trained(ticket).steps == round(length * T)
    assert trained(found(of, density)).spent == length
    dense = found(str(Spec("dense-long", (("of", of), ("density", density)))), 0.05)
    assert dense.phase == Phase(length=length)
    assert dense.masks.kept() == TOTAL
    assert trained(dense).spent == length


def test_a_long_schedule_is_the_recipes_stretched():
    ticket = found("dense-long", 0.3)
    # Twice as long, the rate falls in the middle, 20 of 40 steps.
    wanted = plain(end=2 * T, rate=lambda step: 0.01 if step >= T else 0.1)
    torch.testing.assert_close(dict(trained(ticket).weights), wanted)


def test_what_finding_the_masks_took_counts():
    assert trained(found("reinit", 0.3)).spent == 2
    assert trained(found("reinit(long=true)", 0.3)).spent == 3
    assert trained(found(reinit(SNIP), 0.3)).spent == 1
    assert trained(found("dense", 0.3)).spent == 1


def test_the_dense_control_is_the_dense_run():
    ticket = found("dense", 0.1)
    assert ticket.masks.kept() == TOTAL
    assert equal(trained(ticket).weights, plain())


def test_controls_of_controls():
    once = found("reinit", 0.3)
    twice = found(reinit("reinit"), 0.3)
    assert twice.masks == once.masks
    assert twice.spent == once.spent == 1
    assert equal(twice.weights, once.weights)
    inner = reinit("lottery(rewind=0.25)", long=True)
    assert found(reinit(inner, long=True), 0.3).phase == Phase(length=1 + 1.75)


def test_a_method_that_chooses_its_density_lends_it():
    assert chooses(Spec("dense"))
    assert chooses(Spec.parse(reinit("dense")))
    assert chooses(Spec.parse(reinit(reinit("dense-long"))))
    assert not chooses(Spec("reinit"))
    assert not chooses(Spec("swa"))
    ticket = found(reinit("dense"), 0.3)
    assert ticket.masks.kept() == TOTAL
    assert not (ticket.weights["0.weight"] == network().state_dict()["0.weight"]).any()


def test_entries_that_stay_zero_stay_so_for_the_control():
    masks = Masks.full({name: network().get_parameter(name) for name in LAYERS})
    held = {"0.bias": torch.arange(8) < 5}
    ticket = Ticket(masks, held=held)
    subject = task().subject(network(), 0)
    assert control(subject, ticket, fresh=True, dense=False, long=False).held == held
    assert control(subject, ticket, fresh=False, dense=True, long=False).held == {}


@pytest.mark.parametrize(
    ("written", "shortest"),
    [
        ("lottery(by=magnitude)", "lottery"),
        ('lottery(by="magnitude(scope=global)")', "lottery"),
        ('lottery(by="magnitude(scope=layer, rounds=1)")', 'lottery(by="magnitude(scope=layer)")'),
        ('reinit(of="lottery(rewind=0.0)")', "reinit"),
        ('reinit(of="imp(by=\\"magnitude(rounds=1)\\", rewind=0)")', "reinit(of=imp)"),
        ('swa(of="reinit(of=lottery)", start=0.75)', "swa(of=reinit)"),
        ('hybrid(ratios="smart-ratio(profile=quadratic)")', "hybrid"),
        ('dsd(by="magnitude(scope=layer)")', "dsd"),
    ],
)
def test_there_is_one_way_of_writing_a_method_that_names_another(written, shortest):
    assert METHODS.minimal(Spec.parse(written)) == Spec.parse(shortest)


def test_a_key_knows_the_code_of_the_methods_that_are_named():
    def digests(text):
        return Component(METHODS.kind, Spec.parse(text)).plain()["$component"][2].split("+")

    assert digests("reinit(of=snip)")[1:] == digests("snip")
    assert digests("reinit(of=lottery)")[1:] == digests("lottery")
    assert digests("lottery")[1:] == digests("magnitude")
    assert len({*digests("reinit"), *digests("snip")}) == 4


@pytest.mark.parametrize("name", ["reinit(of=lotery)", "swa(of=lotery)", "dense-long(of=lotery)"])
def test_an_unknown_method_is_seen_while_planning(name):
    with pytest.raises(UnknownNameError, match="did you mean 'lottery'"):
        METHODS.resolve(Spec.parse(name))
    with pytest.raises(SpecError, match="method 'lottery' takes no parameter 'rewnd'"):
        METHODS.resolve(Spec.parse(name.replace("lotery", '"lottery(rewnd=1)"')))
    with pytest.raises(UnknownNameError, match="unknown method 'magnitud'"):
        METHODS.resolve(Spec.parse("imp(by=magnitud)"))


def test_what_has_no_scores_does_not_choose_weights():
    with pytest.raises(PruningError, match="lottery has no scores to prune a trained network by"):
        found("lottery(by=lottery)", 0.3)


def test_a_users_own_method_may_name_another():
    from prunebench.engine.custom import MethodSpec

    with registering():
        globals()["MethodSpec"] = MethodSpec

        @pb.method("probe")
        class Probe(pb.Method):
            of: MethodSpec = "magnitude"

            def prune(self, ctx: pb.Pruning) -> pb.Masks:
                return ctx.keep(ctx.scores(self.of))

        (parameter,) = METHODS.entry("probe").parameters
        assert (parameter.names, parameter.types, parameter.default) == ("method", ("str",), "magnitude")
        assert pb.prune(network(), "probe", density=0.3, input_shape=(6,)) == Masks(
            largest(dict(network().state_dict()), round(0.3 * TOTAL))
        )
        with pytest.raises(SpecError, match="of=3 is not str"):
            pb.prune(network(), "probe(of=3)", density=0.3, input_shape=(6,))


@pytest.mark.parametrize("of", ["lottery", "imp", "lr-rewinding", "small-dense", "gmp"])
def test_the_same_ratios_are_random_masks_of_the_other_s_counts_from_the_beginning(of):
    ticket, other = found(f"same-ratios(of={of})", 0.4), found(of, 0.4)
    assert ticket.masks.by_layer() == other.masks.by_layer()
    assert ticket.masks != other.masks
    assert equal(ticket.weights, dict(network().state_dict()))
    assert ticket.phase == Phase()
    assert ticket.spent == other.spent
    assert equal(trained(ticket).weights, plain(network().state_dict(), masks=ticket.masks))

"""Weight rewinding, learning-rate rewinding and fine-tuning against a plain training loop."""

from __future__ import annotations

import pytest
import torch

import prunebench as pb
from prunebench.engine.ticket import Phase
from prunebench.errors import PrunebenchError, SpecError
from prunebench.methods.lottery import rounds
from prunebench.methods.rewinding import FineTune, LearningRateRewinding, WeightRewinding
from prunebench.tasks.datasets.base import Split
from tests.methods import staged
from tests.methods.staged import BATCH, TOTAL, T, equal, found, largest, plain, schedule, trained


@pytest.mark.parametrize(("rewind", "step"), [(0.25, 5), (0.35, 7), (3.0, 15)])
def test_rewound_weights_are_those_of_the_dense_run_at_that_step(rewind, step):
    ticket = found(f"weight-rewinding(rewind={rewind})", 0.3)
    assert equal(ticket.weights, plain(end=step))
    assert equal(ticket.masks, largest(plain(), round(0.3 * TOTAL)))
    assert ticket.phase == Phase(rewind)
    # The recipe keeps 0.25; the other positions are reached in the middle of an epoch and at the end of one.
    assert equal(trained(ticket).weights, plain(ticket.weights, step, T, masks=ticket.masks))


def test_weight_rewinding_is_a_lottery_ticket_from_there():
    assert equal(found("lottery(rewind=0.25)", 0.3).weights, found("weight-rewinding(rewind=0.25)", 0.3).weights)
    assert found("lottery", 0.3).masks == found("weight-rewinding(rewind=0)", 0.3).masks
    ticket = found("weight-rewinding(rewind=0)", 0.3)
    assert equal(trained(ticket).weights, plain(masks=ticket.masks))


@pytest.mark.parametrize(("rewind", "step"), [(0.0, 0), (0.25, 5), (2.0, 10)])
def test_learning_rate_rewinding_keeps_the_weights_and_takes_the_rates_from_there(rewind, step):
    ticket = found(f"lr-rewinding(rewind={rewind})", 0.3)
    assert equal(ticket.weights, plain())
    assert equal(ticket.masks, largest(plain(), round(0.3 * TOTAL)))
    after = trained(ticket)
    assert equal(after.weights, plain(plain(), step, T, masks=ticket.masks, behind=T))
    assert after.spent == 1 + (T - step) / T


def test_fine_tuning_takes_the_last_rate_throughout():
    ticket = found("fine-tune(begin=0.25)", 0.3)
    assert equal(ticket.weights, plain())
    assert ticket.phase == Phase(0.25, "final", after=1.0)
    last = schedule(T - 1)
    assert equal(trained(ticket).weights, plain(plain(), 5, T, rate=lambda step: last, masks=ticket.masks, behind=T))
    assert trained(ticket).spent == 1.75
    assert trained(found("fine-tune", 0.3)).spent == 2


def test_iterative_weight_rewinding_goes_back_to_the_one_dense_run_each_round():
    ticket = found("weight-rewinding(rewind=0.25, rate=0.5)", 0.2)
    early, masks = plain(end=5), largest(plain(), 68)
    for count in (34, 27):
        masks = largest(plain(early, 5, T, masks=masks), count, masks)
    assert equal(ticket.masks, masks)
    assert equal(ticket.weights, early)
    assert equal(trained(ticket).weights, plain(early, 5, T, masks=masks))
    assert trained(ticket).spent == 1 + 3 * 0.75
    imp = found("imp(rewind=0.25, rate=0.5)", 0.2)
    assert imp.masks == ticket.masks
    assert equal(imp.weights, early)


@pytest.mark.parametrize("name", ["lr-rewinding", "fine-tune"])
def test_the_other_two_go_on_from_the_round_before(name):
    rate = schedule if name == "lr-rewinding" else lambda step: schedule(T - 1)
    ticket = found(f"{name}(rate=0.5)", 0.2)
    weights = plain()
    masks = largest(weights, 68)
    for behind, count in ((T, 34), (2 * T, 27)):
        weights = plain(weights, rate=rate, masks=masks, behind=behind)
        masks = largest(weights, count, masks)
    assert equal(ticket.masks, masks)
    assert equal(ticket.weights, weights)
    assert ticket.spent == 3
    assert equal(trained(ticket).weights, plain(weights, rate=rate, masks=masks, behind=3 * T))


class Asked:
    """Stages that only write down what was asked for."""

    def train(self, ticket=None, *, until=None):
        return ("train",) if ticket is None else ("train", ticket)

    def cut(self, network, density, **how):
        return ("cut", network, density)


def test_rounds_by_hand():
    assert list(rounds(0.4, 0.2)) == [0.8, 0.64, 0.512, 0.4096, 0.4]
    assert list(rounds(0.512, 0.2)) == [0.8, 0.64, 0.512]
    assert list(rounds(0.3, 1)) == [0.3]
    assert list(rounds(1, 0.2)) == [1]
    for kind in (FineTune, LearningRateRewinding, WeightRewinding):
        dense = ("train",)
        assert kind().tickets(Asked(), 0.3) == ("cut", dense, 0.3)
        first = ("cut", dense, 0.5)
        assert kind(rate=0.5).tickets(Asked(), 0.25) == ("cut", ("train", first), 0.25)


@pytest.mark.parametrize("rate", [0.0, -0.2, 1.5])
def test_a_round_prunes_a_share(rate):
    with pytest.raises(SpecError, match=r"outside \(0, 1\]"):
        found(f"lr-rewinding(rate={rate})", 0.3)


@pytest.mark.parametrize("spec", ["weight-rewinding(rewind=5)", "lr-rewinding(rewind=-0.1)", "fine-tune(begin=5)"])
def test_positions_lie_within_the_recipe(spec):
    with pytest.raises(PrunebenchError, match=r"outside the recipe, which has 4 epochs|must be at least 0"):
        trained(found(spec, 0.3))


@pytest.mark.parametrize("spec", ["weight-rewinding", "lr-rewinding", "fine-tune", "imp(rewind=0.25)"])
@pytest.mark.parametrize("rate", [0.2, 1.0])
def test_masks_are_nested(spec, rate):
    name, _, given = spec.rstrip(")").partition("(")
    spec = f"{name}({given}{', ' if given else ''}rate={rate})"
    before = None
    for density in (0.7, 0.64, 0.55, 0.512, 0.3):
        masks = found(spec, density).masks
        assert masks.kept() == round(density * TOTAL)
        assert before is None or all(not (masks[n] & ~before[n]).any() for n in masks)
        before = masks


def test_a_users_train_function_is_asked_for_the_same_parts():
    asked = []

    def train(model, stretch):
        asked.append((stretch.begin, stretch.end, stretch.rate, stretch.masks.kept()))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.1)

    def rounds_of(spec):
        asked.clear()
        ticket = pb.find_ticket(staged.network(), spec, density=0.25, train=train, steps=100, input_shape=(6,))
        pb.train(staged.network(), ticket, train=train, steps=100)
        return list(asked)

    assert rounds_of("lr-rewinding(rewind=0.4)") == [(0, 100, "recipe", 136), (40, 100, "recipe", 34)]
    assert rounds_of("fine-tune(begin=0.4)") == [(0, 100, "recipe", 136), (40, 100, "final", 34)]
    assert rounds_of("weight-rewinding(rewind=0.4)") == [
        (0, 100, "recipe", 136), (0, 40, "recipe", 136), (40, 100, "recipe", 34)
    ]  # fmt: skip
    assert rounds_of("lr-rewinding(rate=0.5)")[1:] == [(0, 100, "recipe", 68), (0, 100, "recipe", 34)]


def test_going_on_sees_the_batches_of_a_longer_training():
    """Dense and ticket together see what dense-long sees: T epochs' batches, then the next ones."""
    seen = []
    take = Split.take

    def noted(self, index):
        seen.append(index.tolist())
        return take(self, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Split, "take", noted)
        trained(found("lr-rewinding", 0.3))
        both = [batch for batch in seen if len(batch) == BATCH]
        seen.clear()
        trained(found("dense-long(of=lr-rewinding)", 1.0))
    assert len({tuple(batch) for batch in both}) == 2 * T
    assert [batch for batch in seen if len(batch) == BATCH][-2 * T :] == both

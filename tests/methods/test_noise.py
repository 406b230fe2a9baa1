"""Weights that are zero or noisy for some batches: how many exactly, what returns, what the network ends as."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prunebench.engine.training.rewinding import train
from prunebench.errors import PruningError, SpecError
from prunebench.testing.networks import CONV
from tests.methods.eventful import found, kept_diary, mlp, still, task

SHAPE, WIDTHS = (6,), (6, 10, 8, 4)
ONE = "start=0.25, end=0.25, events=1"
"""After step 10 of 40."""
TWO = "start=0.25, end=0.5, events=2"
"""After steps 10 and 20."""


def written(spec, **more):
    """Training step by step: the states before each step, the subject, the ticket and what it chose."""
    model = mlp(*WIDTHS)
    diary = kept_diary(model)
    subject = task(model, SHAPE, weight_decay=0.01, **more)
    ticket = found(spec, subject, 0.5)
    return diary.states, subject, ticket, {name: ~mask for name, mask in ticket.masks.items() if not mask.all()}


def zero_steps(states, targets):
    """Before which steps all targets are zero."""
    return [
        t for t, state in enumerate(states) if all((state[name][chosen] == 0).all() for name, chosen in targets.items())
    ]


def dense_at(subject, step):
    """Weights of the dense training after some steps; positions are shares of 40."""
    model = subject.network()
    model._forward_pre_hooks.clear()
    plain = task(model, SHAPE, weight_decay=0.01)
    return train(plain, until=step / 40).weights


@pytest.mark.parametrize("batches", [1, 2, 7, 25])
def test_targets_are_zero_for_exactly_so_many_training_batches_and_return_to_the_bit(batches):
    states, subject, ticket, targets = written(f"noise(target=large, batches={batches}, {ONE})")
    before = dense_at(subject, 10)
    assert len(states) == 40
    assert zero_steps(states, targets) == list(range(10, 10 + batches))
    for name, chosen in targets.items():
        assert torch.equal(states[10 + batches][name][chosen], before[name][chosen])
        assert not torch.equal(states[11 + batches][name][chosen], before[name][chosen]), "they train on"
        assert torch.equal(states[10][name][~chosen], before[name][~chosen]), "the others stay"
    assert (ticket.sparse, ticket.phase, ticket.spent) == (False, None, 1)


def test_measurements_are_no_batches():
    """Public counters count evaluations as well: here there is one just after the weights went."""
    with_them, *_, targets = written(f"noise(batches=5, {ONE})")
    without, *_ = written(f"noise(batches=5, {ONE})", validation=False)
    assert zero_steps(with_them, targets) == zero_steps(without, targets) == [10, 11, 12, 13, 14]
    assert all(torch.equal(with_them[-1][name], without[-1][name]) for name in with_them[-1])


def test_at_zero_they_go_on_from_zero():
    states, *_, targets = written(f"noise(batches=4, returns=zero, {ONE})")
    # Held before steps 10 to 13; free, and still zero, before step 14, which is the first to move them.
    assert zero_steps(states, targets) == [10, 11, 12, 13, 14]
    # Units that are dead on a batch have no gradient there.
    for step, share in ((15, 0.3), (39, 0.7)):
        moved = torch.cat([states[step][name][chosen] for name, chosen in targets.items()])
        assert (moved != 0).double().mean() > share


def test_redrawn_they_are_those_of_another_initialisation():
    states, subject, _, targets = written(f"noise(batches=4, returns=redrawn, {ONE})")
    fresh = subject.fresh()
    assert zero_steps(states, targets) == [10, 11, 12, 13]
    for name, chosen in targets.items():
        assert torch.equal(states[14][name][chosen], fresh[name][chosen])


def test_the_first_event_chooses_what_targeted_prunes_and_costs_the_same():
    model = mlp(*WIDTHS)
    subject = task(model, SHAPE)
    pruned, disturbed = (found(f"{n}(target=large, {ONE})", subject, 0.5) for n in ("targeted", "noise"))
    assert pruned.masks == disturbed.masks
    assert pruned.events == disturbed.events
    assert disturbed.masks.kept() == 86
    after = train(subject, disturbed)
    assert after.masks is None
    assert all((after.weights[name][~mask] != 0).any() for name, mask in disturbed.masks.items() if not mask.all())


@pytest.mark.parametrize("kind", ["zero", "gaussian"])
@pytest.mark.parametrize("filters", [False, True], ids=["weights", "filters"])
def test_random_targets_are_those_that_pruning_has_at_every_event(kind, filters):
    of = "-filters" if filters else ""
    subject = task(mlp(*WIDTHS), SHAPE)
    pruned = found(f"targeted{of}(target=random, {TWO})", subject, 0.5)
    disturbed = found(f"noise{of}(target=random, kind={kind}, batches=3, {TWO})", subject, 0.5)
    assert pruned.masks == disturbed.masks
    assert pruned.events[0]["kept"] == disturbed.events[0]["kept"]


def test_each_event_disturbs_what_it_chose_or_all_that_was_chosen():
    for cumulative in (False, True):
        states, _, ticket, targets = written(f"noise(batches=3, cumulative={str(cumulative).lower()}, {TWO})")
        first = {name: (states[10][name] == 0) for name in targets}
        counts = [sum(int(chosen.sum()) for chosen in part.values()) for part in (first, targets)]
        # 60 to 42 and 80 to 56 at the first event: 42 weights; 86 of 172 in the end.
        assert counts == [60 - 42 + 80 - 56, 86]
        assert all((chosen & ~targets[name]).sum() == 0 for name, chosen in first.items())
        second = {name: (states[20][name] == 0) for name in targets}
        expected = targets if cumulative else {name: chosen & ~first[name] for name, chosen in targets.items()}
        assert all(torch.equal(second[name], expected[name]) for name in targets)
        assert [event["kept"] for event in ticket.events] == [172 - 42, 86]


def test_events_overlap_and_each_weight_returns_at_its_own_step():
    """15 batches after steps 10 and 20: the first weights return at 25, the second at 35."""
    states, subject, _, targets = written(f"noise(batches=15, {TWO})")
    first = {name: states[10][name] == 0 for name in targets}
    second = {name: chosen & ~first[name] for name, chosen in targets.items()}
    assert zero_steps(states, first) == list(range(10, 25))
    assert zero_steps(states, second) == list(range(20, 35))
    before = dense_at(subject, 10)
    assert all(torch.equal(states[25][name][chosen], before[name][chosen]) for name, chosen in first.items())


def test_a_weight_that_is_taken_again_while_it_is_zero_returns_later_at_its_first_old_value():
    states, subject, _, targets = written(f"noise(batches=15, cumulative=true, {TWO})")
    first = {name: states[10][name] == 0 for name in targets}
    assert zero_steps(states, first) == list(range(10, 35))
    before = dense_at(subject, 10)
    assert all(torch.equal(states[35][name][chosen], before[name][chosen]) for name, chosen in first.items())


def test_where_the_next_event_comes_when_weights_return_they_return_first():
    states, subject, ticket, targets = written(f"noise(batches=10, {TWO})")
    first = {name: states[10][name] == 0 for name in targets}
    assert zero_steps(states, first) == list(range(10, 20))
    before = dense_at(subject, 10)
    assert all(torch.equal(states[20][name][chosen], before[name][chosen]) for name, chosen in first.items())
    assert [event["step"] for event in ticket.events] == [10, 20]


def test_what_is_away_when_training_ends_returns_then():
    states, subject, ticket, targets = written(f"noise(batches=35, {ONE})")
    before = dense_at(subject, 10)
    assert zero_steps(states, targets) == list(range(10, 40))
    assert all(torch.equal(ticket.weights[name][chosen], before[name][chosen]) for name, chosen in targets.items())
    assert "training ended before the 35 batches of 1 events" in ticket.notes


@pytest.mark.parametrize("cumulative", ["false", "true"])
def test_gaussian_noise_comes_before_exactly_so_many_batches(cumulative):
    """A train function that leaves weights alone sees each addition, and nothing where nothing is added."""
    subject, function = still(mlp(40, 60, 50, 4), (40,))
    spec = f"noise(kind=gaussian, batches=6, target=large, cumulative={cumulative}, start=0.2, end=0.24, events=2)"
    ticket = found(spec, subject, 0.5)
    at = {begin: state for (begin, _), state in zip(function.places, function.states, strict=True)}
    start = at[0]
    for name in ("0.weight", "2.weight"):
        chosen = ~ticket.masks[name]
        size = start[name].abs()
        first = chosen & (size > size[~(chosen & (at[20][name] != start[name]))].max())
        second = chosen & ~first
        changed = {}
        for part, entries in (("first", first), ("second", second)):
            previous, steps = start, []
            for begin, state in at.items():
                if (state[name][entries] != previous[name][entries]).all():
                    steps.append(begin)
                previous = state
            changed[part] = steps
        # After step 20, before batches 20 to 25; after step 24, before 24 to 29.
        assert changed == {"first": list(range(20, 30 if cumulative == "true" else 26)), "second": list(range(24, 30))}
        assert torch.equal(at[max(at)][name][~chosen], start[name][~chosen])
        live = start[name][~first]
        noise = at[20][name][first] - start[name][first]
        assert float(noise.std()) == pytest.approx(float(live.std()), rel=0.15)
        assert abs(float(noise.mean())) < 4 * float(live.std()) / len(noise) ** 0.5
    assert torch.equal(at[max(at)]["4.weight"], start["4.weight"])


def test_noise_is_measured_with_the_first_noise_in_place():
    model = mlp(*WIDTHS)
    subject = task(model, SHAPE)
    (event,) = found(f"noise(kind=gaussian, batches=1, {ONE})", subject, 0.5).events
    assert event["loss_after"] != event["loss_before"]


# Filters -------------------------------------------------------------------------------------------------------------


def filters(spec):
    model = CONV.model()
    diary = kept_diary(model)
    subject = task(model, CONV.shape)
    ticket = found(spec, subject, 0.5)
    gone = {
        layer: (~ticket.masks[layer].flatten(1).any(1)).nonzero().flatten().tolist()
        for layer in ("0.weight", "4.weight")
    }
    assert all(gone.values())
    plain = CONV.model()
    return diary.states, subject, gone, train(task(plain, CONV.shape), until=0.25).weights


NORMS = {"0.weight": "1", "4.weight": "5"}


def test_old_filters_bring_back_batchnorm_and_its_statistics():
    states, _, gone, before = filters(f"noise-filters(batches=6, {ONE})")
    for layer, norm in NORMS.items():
        names = [layer, f"{norm}.weight", f"{norm}.bias", *(["0.bias"] if layer == "0.weight" else [])]
        for name in names:
            rows = gone[layer]
            zero = [t for t, state in enumerate(states) if (state[name][rows] == 0).all()]
            assert zero == list(range(10, 16)), name
            assert torch.equal(states[16][name][rows], before[name][rows])
        for statistic in ("running_mean", "running_var"):
            name = f"{norm}.{statistic}"
            assert torch.equal(states[10][name], before[name])
            assert (states[15][name][gone[layer]].abs() < 0.8 * before[name][gone[layer]].abs()).all()
            assert torch.equal(states[16][name][gone[layer]], before[name][gone[layer]])
            stays = [c for c in range(len(before[name])) if c not in gone[layer]]
            assert not torch.equal(states[16][name][stays], before[name][stays])


def test_filters_at_zero_keep_what_reads_them_and_cost_what_pruning_costs():
    states, subject, gone, before = filters(f"noise-filters(batches=6, {ONE})")
    readers = states[10]["4.weight"][:, gone["0.weight"]]
    stays = [c for c in range(10) if c not in gone["4.weight"]]
    assert torch.equal(readers[stays], before["4.weight"][stays][:, gone["0.weight"]])
    pruned, disturbed = (found(f"{n}({ONE})", subject, 0.5) for n in ("targeted-filters", "noise-filters"))
    assert pruned.masks == disturbed.masks
    (one,), (other,) = pruned.events, disturbed.events
    assert one == pytest.approx(other, rel=1e-5)


def test_filters_that_return_at_zero_have_their_old_normalisation_and_train_again():
    states, _, gone, before = filters(f"noise-filters(batches=6, returns=zero, {ONE})")
    for layer, norm in NORMS.items():
        rows = gone[layer]
        assert (states[16][layer][rows] == 0).all()
        assert torch.equal(states[16][f"{norm}.weight"][rows], before[f"{norm}.weight"][rows])
        assert torch.equal(states[16][f"{norm}.bias"][rows], before[f"{norm}.bias"][rows])
        assert (states[16][f"{norm}.running_var"][rows] < before[f"{norm}.running_var"][rows]).all()
    assert (states[-1]["4.weight"][gone["4.weight"]] != 0).any()


def test_redrawn_filters_are_new_throughout():
    states, subject, gone, _ = filters(f"noise-filters(batches=6, returns=redrawn, {ONE})")
    fresh = subject.fresh()
    for layer, norm in NORMS.items():
        for name in (layer, f"{norm}.weight", f"{norm}.running_mean", f"{norm}.running_var"):
            assert torch.equal(states[16][name][gone[layer]], fresh[name][gone[layer]])


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("noise(batches=0)", SpecError, "batches=0 must be at least 1"),
        ("noise(kind=gaussian, returns=zero)", SpecError, "returns=zero is of kind=zero"),
        ("noise(kind=uniform)", SpecError, "kind=uniform is not"),
        ("noise(returns=never)", SpecError, "returns=never is not"),
        ("noise-filters(end=9)", SpecError, "^noise-filters: end=9 is past the end"),
        ("noise(layers=9)", PruningError, "layers=9 is more than"),
    ],
)
def test_what_cannot_be_done_is_refused(spec, error, message):
    with pytest.raises(error, match=message):
        found(spec, task(mlp(*WIDTHS), SHAPE), 0.5)


def test_a_network_without_batchnorm_can_lose_filters_for_a_while():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 4))
    ticket = found(f"noise-filters(batches=3, {ONE})", task(model, (2, 6, 6)), 0.5)
    assert not ticket.sparse
    assert ticket.masks.kept() <= round(0.5 * 656)

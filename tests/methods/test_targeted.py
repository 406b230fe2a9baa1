"""Pruning at events of one training: what goes, exact counts, dead channels, what is measured."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from prunebench.analysis.results import load_results
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.channels import Channels
from prunebench.engine.training.rewinding import train
from prunebench.errors import DensityError, PruningError, SpecError
from prunebench.testing.networks import RESIDUAL
from tests.engine import shrunk
from tests.methods.eventful import found, kept_diary, mlp, split, still, task

SHAPE = (6,)
WIDTHS = (6, 10, 8, 4)  # 60, 80 and 32 weights
SUITE = """
name = "small"
version = 1
question = "Does it run?"
context = []

[primary]
metric = "test_accuracy"
tolerance = 1.0

[[column]]
header = "accuracy"
metric = "test_accuracy"

[scale.quick]
about = "one small network"
seeds = 1
timeout = "2m"
minutes = 1

[[scale.quick.grid]]
check = "tradeoff"
models = ["cnn-1d(width=0.2)"]
datasets = ["mnist1d"]
recipes = ["small-sgd(epochs=2)"]
methods = ["targeted(target=large)", "noise(batches=5)", "targeted-filters", "noise-filters(batches=5)"]
densities = [0.6]
"""


def at_once(spec, model, density, shape=SHAPE):
    """The masks of a method that prunes before any training."""
    name, _, rest = spec.rstrip(")").partition("(")
    subject, _ = still(model, shape)
    return found(f"{name}({', '.join(filter(None, [rest, 'start=0', 'end=0', 'events=1']))})", subject, density)


# Single weights ------------------------------------------------------------------------------------------------------


def test_small_and_large_weights_go_layer_by_layer_to_hand_counted_numbers():
    """Half of 172 weights is 86; 32 stay in the last layer, 54 of 140 in the others: 23.14 and 30.86."""
    model = mlp(*WIDTHS)
    for target, smallest in (("small", True), ("large", False)):
        masks = at_once(f"targeted(target={target})", model, 0.5).masks
        assert list(masks.by_layer().values()) == [23, 31, 32]
        for name in ("0.weight", "2.weight"):
            sizes = prunable(model)[name].detach().abs()
            gone, kept = sizes[~masks[name]], sizes[masks[name]]
            assert gone.max() < kept.min() if smallest else gone.min() > kept.max()


def test_random_weights_go_by_the_seed():
    model = mlp(*WIDTHS)
    drawn = [found("targeted(target=random)", task(model, SHAPE, repetition=r), 0.5).masks for r in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(list(masks.by_layer().values()) == [23, 31, 32] for masks in drawn)
    large = at_once("targeted(target=large)", model, 0.5).masks
    random = at_once("targeted(target=random)", model, 0.5).masks
    assert random not in (large, at_once("targeted", model, 0.5).masks)


def test_globally_all_layers_compete():
    model = mlp(*WIDTHS)
    for layers, names in (("hidden", ["0.weight", "2.weight"]), ("all", list(prunable(model)))):
        masks = at_once(f"targeted(scope=global, layers={layers})", model, 0.5).masks
        sizes = torch.cat([prunable(model)[n].detach().abs().flatten() for n in names])
        kept = torch.cat([masks[n].flatten() for n in names])
        assert masks.kept() == 86
        assert sizes[~kept].max() < sizes[kept].min()
        assert masks["4.weight"].all() == (layers == "hidden")


@pytest.mark.parametrize(
    ("layers", "pruned"),
    [
        ("hidden", ["0.weight", "2.weight"]), ("1", ["2.weight"]), ("2", ["0.weight", "2.weight"]),
        ("all", ["0.weight", "2.weight", "4.weight"]), ('["4.weight", "0.weight"]', ["0.weight", "4.weight"]),
    ],
)  # fmt: skip
def test_the_layers_that_are_named_are_pruned(layers, pruned):
    masks = at_once(f"targeted(layers={layers})", mlp(*WIDTHS), 0.75).masks
    assert [name for name, mask in masks.items() if not mask.all()] == pruned
    assert masks.kept() == 129


@pytest.mark.parametrize("density", [1.0, 0.9, 0.537, 0.25, 0.2])
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_the_count_is_exact(density, scope):
    ticket = found(f"targeted(scope={scope}, target=random)", task(mlp(*WIDTHS), SHAPE), density)
    assert ticket.masks.kept() == round(172 * density)
    assert (ticket.phase, ticket.spent) == (None, 1)
    assert len(ticket.events) == (0 if density == 1 else 4)


def test_where_the_last_layer_leaves_no_room_all_layers_are_pruned_and_the_ticket_says_so():
    ticket = at_once("targeted", mlp(*WIDTHS), 0.1)
    assert list(ticket.masks.by_layer().values()) == [6, 8, 3]
    assert "density 0.1 leaves no room for a whole last layer: all layers are pruned" in ticket.notes


def test_events_keep_what_the_formula_says_and_masks_shrink():
    """60 to 23 and 80 to 31 in four events: ⌈23 + 37·3/4⌉ = 51, ⌈31 + 49·3/4⌉ = 68, and so on."""
    subject, function = still(mlp(*WIDTHS), SHAPE)
    found("targeted", subject, 0.5)
    assert function.places == [(0, 20), (20, 35), (35, 50), (50, 65), (65, 100)]
    counts = [[int((w != 0).sum()) for w in state.values()] for state in function.states]
    assert counts == [[60, 80, 32], [51, 68, 32], [42, 56, 32], [33, 44, 32], [23, 31, 32]]
    for before, after in zip(function.states, function.states[1:], strict=False):
        assert all(((before[name] != 0) | (after[name] == 0)).all() for name in before)


def test_pruned_weights_stay_zero_until_the_end_and_training_goes_on():
    model = mlp(*WIDTHS)
    diary = kept_diary(model)
    ticket = found("targeted(target=large)", task(model, SHAPE, weight_decay=0.01), 0.5)
    assert len(diary.states) == 40
    steps = [event["step"] for event in ticket.events]
    assert steps == [8, 14, 20, 26]
    for name, mask in ticket.masks.items():
        assert all((state[name][~mask] == 0).all() for state in diary.states[26:])
        assert (ticket.weights[name][~mask] == 0).all()
        assert not (diary.states[25][name][~mask] == 0).all() or mask.all()
    assert not torch.equal(diary.states[26]["0.weight"], ticket.weights["0.weight"])


def test_an_event_is_measured_just_before_and_just_after_it():
    """Against accuracy and loss of the dense network at that step, with and without what goes."""
    model = mlp(*WIDTHS)
    subject = task(model, SHAPE)
    ticket = found("targeted(target=large, start=0.5, end=0.5, events=1)", subject, 0.5)
    weights = train(subject, until=0.5).weights
    (event,) = ticket.events
    for moment, keep in (("before", {}), ("after", ticket.masks)):
        state = {name: value * keep.get(name, 1) for name, value in weights.items()}
        logits = torch.func.functional_call(model, state, (subject.validation.x,))
        right = 100 * (logits.argmax(1) == subject.validation.y).double().mean()
        assert event[f"accuracy_{moment}"] == pytest.approx(float(right))
        assert event[f"loss_{moment}"] == pytest.approx(float(F.cross_entropy(logits, subject.validation.y)), rel=1e-5)
    assert event["instability_abs"] == event["accuracy_before"] - event["accuracy_after"]
    assert (event["position"], event["step"], event["kept"]) == (0.5, 20, 86)


def test_events_change_no_training_before_or_after_them():
    """An event that takes nothing, and what is measured at one, leave the run as it would have been."""
    subject = task(mlp(*WIDTHS), SHAPE)
    dense = train(subject).weights
    ticket = found("targeted", subject, 1.0)
    assert all(torch.equal(value, dense[name]) for name, value in ticket.weights.items())


def test_events_on_one_step_are_one_and_the_ticket_says_so():
    ticket = found("targeted(events=30)", task(mlp(*WIDTHS), SHAPE, epochs=2), 0.5)
    assert ticket.masks.kept() == 86
    assert "30 events on 5 steps" in ticket.notes
    assert len(ticket.events) == 5


# Whole filters -------------------------------------------------------------------------------------------------------


@dataclass
class Outputs:
    """What modules put out at every step of training; copies of a network share it."""

    seen: dict = field(default_factory=lambda: defaultdict(list))

    def __deepcopy__(self, memo):
        return self

    def __call__(self, name, module, arguments, output):
        if module.training:
            self.seen[name].append(output.detach().clone())


def removed(masks, layer):
    """Filters of a layer that have no weight left."""
    return (~masks[layer].flatten(1).any(1)).nonzero().flatten().tolist()


@pytest.mark.parametrize("target", ["small", "large"])
def test_filters_go_by_their_norm(target):
    """The count is a bound, and one more filter would not fit."""
    model = shrunk.pooled()
    ticket = at_once(f"targeted-filters(target={target})", model, 0.5, (3, 8, 8))
    sizes = {name: prunable(model)[name].detach().flatten(1).norm(dim=1) for name in ("0.weight", "4.weight")}
    for name, norms in sizes.items():
        gone = removed(ticket.masks, name)
        order = norms.argsort(descending=target == "large").tolist()
        assert sorted(gone) == sorted(order[: len(gone)])
        assert gone
    channels = Channels.of(model, (3, 8, 8))
    total = sum(w.numel() for w in prunable(model).values())
    assert ticket.masks.kept() <= round(0.5 * total)
    flags = {
        g: torch.tensor([c in removed(ticket.masks, g) for c in range(group.size)])
        for g, group in channels.groups.items()
    }
    assert channels.masks(flags) == ticket.masks
    for name, gone in flags.items():
        for channel in gone.nonzero().flatten().tolist():
            fewer = {**flags, name: gone.clone()}
            fewer[name][channel] = False
            assert channels.kept(fewer) > round(0.5 * total)
    assert f"{ticket.masks.kept()} of the {round(0.5 * total)} weights allowed" in ticket.notes[0]


def test_globally_filters_compete_and_the_smallest_go():
    model = mlp(6, 10, 8, 4)
    with torch.no_grad():
        model[0].weight *= 10
    ticket = at_once("targeted-filters(scope=global)", model, 0.7)
    assert removed(ticket.masks, "0.weight") == []
    # Each of the 8 units of the second layer weighs 10 + 4: 120 of 172 allow 4 of them.
    assert len(removed(ticket.masks, "2.weight")) == 4
    norms = model[2].weight.detach().norm(dim=1)
    assert sorted(removed(ticket.masks, "2.weight")) == sorted(norms.argsort()[:4].tolist())
    assert ticket.masks.kept() == 172 - 4 * 14


@pytest.mark.parametrize("by", ["l1", "l2", "ebn", "activations"])
def test_removed_channels_are_zero_through_batchnorm_and_shortcuts_until_training_ends(by):
    model = RESIDUAL.model()
    outputs = Outputs()
    for name in "abcdefgh":
        model.get_submodule(name).register_forward_hook(partial(outputs, name))
    subject = task(model, RESIDUAL.shape, weight_decay=0.01)
    prune = found(f"targeted-filters(importance={by}, target=large)", subject, 0.5)
    last = prune.events[-1]["step"]
    # Of so few filters, the first quarter of the way takes none.
    assert [event["step"] for event in prune.events] == [14, 20, 26]
    groups = {"a.weight": "ab", "c.weight": "cd", "e.weight": "efgh"}
    for layer, names in groups.items():
        gone = removed(prune.masks, layer)
        assert gone, layer
        for name in names:
            seen = outputs.seen[name]
            assert len(seen) == 40
            assert all((output[:, gone] == 0).all() for output in seen[last:])
            assert not all((output[:, gone] == 0).all() for output in seen[:8])
    assert prune.masks.kept() <= round(0.5 * RESIDUAL.total)
    assert removed(prune.masks, "e.weight") == removed(prune.masks, "g.weight")
    for name in ("b", "d", "f", "h"):
        layer = {"b": "a.weight", "d": "c.weight"}.get(name, "e.weight")
        gone = removed(prune.masks, layer)
        for part in ("weight", "bias"):
            assert (~prune.held[f"{name}.{part}"]).nonzero().flatten().tolist() == gone
            assert (prune.weights[f"{name}.{part}"][gone] == 0).all()


def test_the_trained_network_is_that_of_the_smaller_one():
    torch.manual_seed(0)
    model, shape = shrunk.pooled().double(), (3, 8, 8)
    ticket = found("targeted-filters", task(model, shape, dtype=torch.float64), 0.4)
    kept = {
        name: [c for c in range(len(prunable(model)[name])) if c not in removed(ticket.masks, name)]
        for name in ("0.weight", "4.weight", "9.weight")
    }
    assert all(len(channels) < len(prunable(model)[name]) for name, channels in kept.items())
    model.load_state_dict(ticket.weights)
    x = split(shape, dtype=torch.float64).x
    for training in (False, True):
        expected = shrunk.shrunk_pooled(ticket.weights, kept, x, training)
        torch.testing.assert_close(model.train(training)(x), expected, rtol=1e-10, atol=1e-12)


def test_events_keep_whole_filters_by_the_formula():
    """10 and 8 hidden units; 86 of 172 weights: ⌈0.6·10⌉ and ⌈0.6·8⌉ would be 6·6 + 6·5 + 5·4 = 86."""
    subject, function = still(mlp(*WIDTHS), SHAPE)
    ticket = found("targeted-filters", subject, 0.5)
    assert ticket.masks.kept() == 86
    units = [[int((w != 0).any(1).sum()) for w in list(state.values())[:2]] for state in function.states]
    # ⌈6 + 4·3/4⌉ = 9, ⌈5 + 3·3/4⌉ = 8; 8, 7; 7, 6; 6, 5
    assert units == [[10, 8], [9, 8], [8, 7], [7, 6], [6, 5]]
    counts = [event["kept"] for event in ticket.events]
    assert counts == [9 * 6 + 9 * 8 + 8 * 4, 8 * 6 + 8 * 7 + 7 * 4, 7 * 6 + 7 * 6 + 6 * 4, 86]


def test_the_last_layers_alone():
    model = shrunk.pooled()
    ticket = at_once("targeted-filters(layers=1)", model, 0.8, (3, 8, 8))
    assert removed(ticket.masks, "9.weight")
    assert not removed(ticket.masks, "0.weight")
    assert not removed(ticket.masks, "4.weight")
    ticket = at_once('targeted-filters(layers=["4.weight"])', model, 0.7, (3, 8, 8))
    assert removed(ticket.masks, "4.weight")
    assert not removed(ticket.masks, "9.weight")


def test_a_control_of_whole_filters_keeps_whole_filters():
    """Its count is a bound too: 40 % of 172 weights are 69, and 6·5 + 5·4 + 4·4 = 66 is what units come to."""
    subject = task(mlp(*WIDTHS), SHAPE)
    pruned = found("targeted-filters", subject, 0.4)
    assert found("reinit(of=targeted-filters)", subject, 0.4).masks == pruned.masks
    assert pruned.masks.kept() < 69


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "density", "error", "message"),
    [
        ("targeted(target=tiny)", 0.5, SpecError, "target=tiny is not"),
        ("targeted(layers=0)", 0.5, SpecError, "layers=0 must be at least 1"),
        ("targeted(events=0)", 0.5, SpecError, "events=0 must be at least 1"),
        ("targeted-filters(start=-1)", 0.5, SpecError, "start=-1 must be at least 0"),
        ("targeted(end=9)", 0.5, SpecError, r"^targeted: end=9 is past the end of the training, 8 epochs$"),
        ("targeted(start=0.7)", 0.5, SpecError, "lies behind"),
        ("targeted(layers=3)", 0.5, PruningError, "layers=3 is more than the 2 hidden layers"),
        ('targeted(layers=["3.weight"])', 0.5, PruningError, "no layer 3.weight .did you mean"),
        ("targeted(layers=1)", 0.5, DensityError, "fewer than the layers have that stay whole"),
        ("targeted-filters(layers=3)", 0.5, PruningError, "layers=3 is more than the 2 hidden layers"),
        ('targeted-filters(layers=["4.weight"])', 0.5, PruningError, "no output of layer 4.weight can be removed"),
        ("targeted-filters", 0.05, DensityError, "no thinner network has 9 weights: the thinnest has 11$"),
        ("targeted-filters(importance=ebn)", 0.5, PruningError, "importance=ebn needs BatchNorm with γ and β"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(spec, density, error, message):
    with pytest.raises(error, match=message) as caught:
        found(spec, task(mlp(*WIDTHS), SHAPE), density)
    assert "\n" not in str(caught.value)


def test_a_network_of_one_layer_has_nothing_to_prune():
    with pytest.raises(PruningError, match="none is left to prune"):
        found("targeted", task(mlp(6, 4), SHAPE), 0.5)
    with pytest.raises(PruningError, match="Sequential has no filter that can be removed"):
        found("targeted-filters", task(mlp(6, 4), SHAPE), 0.5)
    assert found("targeted(layers=all)", task(mlp(6, 4), SHAPE), 0.5).masks.kept() == 12


# Through the command line --------------------------------------------------------------------------------------------


def test_the_record_of_a_run_has_the_events(command, tmp_path):
    (tmp_path / "small.toml").write_text(SUITE, encoding="utf-8")
    ended = command("run", "small.toml", "--executor", "inline")
    assert ended.code == 0, ended.err
    (folder,) = (tmp_path / ".prunebench" / "runs").iterdir()
    results = load_results(folder)
    records = {record.row.method.partition("(")[0]: record for record in results.records}
    assert sorted(records) == ["noise", "noise-filters", "targeted", "targeted-filters"]
    for name, record in records.items():
        series = results.series(record)
        assert record.metrics["trainings"] == 1
        # Of five filters, some events take none.
        assert series["event_step"] == [25, 47] if "filters" in name else [14, 25, 36, 47]
        drops = [a - b for a, b in zip(series["event_accuracy_before"], series["event_accuracy_after"], strict=True)]
        assert series["event_instability_abs"] == drops
        assert len(series["event_loss_instability_rel"]) == len(drops)
    pruned, filters = records["targeted"].metrics, records["targeted-filters"]
    assert pruned["density"] == pytest.approx(0.6, abs=1e-3)
    assert records["noise"].metrics["density"] == records["noise-filters"].metrics["density"] == 1
    assert filters.metrics["kept"] <= pruned["kept"]
    assert f"density {filters.metrics['density']:.4g}" in filters.labels["notes"]

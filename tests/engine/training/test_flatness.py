"""Flatness against the exact Hessian, gradients sample by sample and losses by hand; what it does not depend on."""

from __future__ import annotations

import copy
import functools
import math
import warnings

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.training import flatness as engine
from prunebench.engine.training.curvature import Curvature
from prunebench.engine.training.flatness import DRAWS, NAMES, SIZES, chosen, flatness
from prunebench.errors import PruningError, TrainingError
from prunebench.tasks.datasets.base import Split
from tests.engine.training.plain_training import CLASSES, FEATURES, conv, mlp, pictures, vectors

DOUBLE = torch.float64


def network(kind, seed=0, dtype=DOUBLE):
    if kind == "mlp":
        return mlp(seed, dtype).eval()
    model = conv(seed, dtype, side=4).eval()
    generator = torch.Generator().manual_seed(seed)
    for layer in (model[1], model[4]):
        layer.running_mean.normal_(generator=generator)
        layer.running_var.uniform_(0.5, 2, generator=generator)
        layer.weight.data.uniform_(0.5, 2, generator=generator)
    return model


def samples(kind, n=18, dtype=DOUBLE):
    whole = (vectors(n) if kind == "mlp" else pictures(n, side=4)).whole()
    return Split(whole.x.to(dtype), whole.y)


def masked(model, density, seed=1):
    """Masks of about a density, and the model without the rest."""
    generator = torch.Generator().manual_seed(seed)
    masks = Masks({n: torch.rand(w.shape, generator=generator) < density for n, w in prunable(model).items()})
    masks.apply(model)
    return masks


def flat(tensors, masks):
    return torch.cat([tensors[name].detach()[masks[name]] for name in masks])


def exact_hessian(model, masks, data):
    """Of the loss as a function of the kept weights, one vector, by torch's own transforms."""
    weights = {name: weight.detach() for name, weight in prunable(model).items()}
    index = torch.cat([mask.flatten() for mask in masks.values()]).nonzero().flatten()

    def loss(vector):
        whole = vector.new_zeros(masks.total()).index_add(0, index, vector)
        parts = torch.split(whole, [mask.numel() for mask in masks.values()])
        full = {name: part.view(weights[name].shape) for name, part in zip(masks, parts, strict=True)}
        return F.cross_entropy(functional_call(model, full, (data.x,)), data.y)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=FutureWarning)
        return torch.func.hessian(loss)(flat(weights, masks)).detach()


@functools.cache
def hessian_of(kind, density):
    model = network(kind)
    return exact_hessian(model, masked(model, density), samples(kind))


def case(kind, density):
    model = network(kind)
    return model, masked(model, density), samples(kind), hessian_of(kind, density)


CASES = [("mlp", 1.0), ("mlp", 0.4), ("conv", 1.0), ("conv", 0.4)]


@pytest.mark.parametrize(("kind", "density"), CASES)
def test_curvature_is_the_exact_hessian_of_the_kept_weights_whatever_the_batches(kind, density, monkeypatch):
    model, masks, data, hessian = case(kind, density)
    monkeypatch.setattr("prunebench.engine.training.curvature._TOGETHER", 100 * masks.total())
    curvature = Curvature(model, masks, list(data.batches(12)))
    assert curvature.size == masks.kept()
    products = curvature.times(torch.eye(masks.kept(), dtype=DOUBLE))
    torch.testing.assert_close(products, hessian, rtol=1e-9, atol=1e-12)
    assert float(curvature.along(torch.eye(masks.kept(), dtype=DOUBLE)).sum()) == pytest.approx(float(hessian.trace()))


@pytest.mark.parametrize(("kind", "density"), CASES)
def test_the_top_eigenvalue_is_exact_in_either_precision(kind, density):
    model, masks, data, hessian = case(kind, density)
    exact = float(torch.linalg.eigvalsh(hessian)[-1])
    for dtype in (DOUBLE, torch.float32):
        model = model.to(dtype)
        curvature = Curvature(model, masks, [Split(data.x.to(dtype), data.y)])
        start = torch.randn(masks.kept(), generator=torch.Generator().manual_seed(0), dtype=dtype)
        assert curvature.top(start) == pytest.approx(exact, rel=1e-6)


def exact_traces(model, masks, hessian):
    """Traces of H over weights, with w² as weights, and with ‖filter‖²/(kept weights of the filter) as weights."""
    squares, spread = [], []
    for name, weight in prunable(model).items():
        mask = masks[name].flatten(1)
        rows = weight.detach().flatten(1) * mask
        squares.append((rows**2)[mask])
        share = (rows**2).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
        spread.append(share.expand_as(rows)[mask])
    diagonal = hessian.diagonal()
    return {
        "hessian_trace": float(diagonal.sum()),
        "hessian_trace_relative": float(diagonal @ torch.cat(squares)),
        "hessian_trace_normalised": float(diagonal @ torch.cat(spread)),
    }


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_traces_are_right_within_their_standard_errors(kind, monkeypatch):
    """Over 24 repetitions, 192 draws: their means are within 4 errors of it, which are of the size that is stated."""
    model, masks, data, hessian = case(kind, 0.4)
    # Products with the exact Hessian, which those of the network are tested against above; nothing else is of interest.
    monkeypatch.setattr(Curvature, "times", lambda _, vectors: hessian @ vectors)
    monkeypatch.setattr(engine, "SIZES", {})
    monkeypatch.setattr(engine, "gradient_moment", lambda *_: 0.0)
    found = [flatness(model, masks, data, repetition) for repetition in range(24)]
    for name, value in exact_traces(model, masks, hessian).items():
        means = torch.tensor([each[name] for each in found])
        stated = torch.tensor([each[f"{name}_se"] for each in found]).square().mean().sqrt()
        assert abs(means.mean() - value) < 4 * stated / math.sqrt(24), name
        assert 0.5 < means.std() / stated < 1.6, name


def test_the_trace_of_a_diagonal_hessian_is_exact_and_has_no_error():
    """One class's weights, and inputs of which each has one weight."""
    model = nn.Sequential(nn.Linear(40, 2)).double()
    masks = Masks({"0.weight": torch.arange(2)[:, None].expand(2, 40) == 0})
    masks.apply(model)
    data = Split(torch.diag(torch.linspace(1, 3, 40, dtype=DOUBLE)), torch.arange(40) % 2)
    with torch.no_grad():
        chance = torch.softmax(model(data.x), 1)[:, 0]
    values = chance * (1 - chance) * data.x.diagonal() ** 2 / 40
    found = flatness(model, masks, data, 0)
    assert found["hessian_trace"] == pytest.approx(float(values.sum()))
    assert found["hessian_trace_se"] < 1e-12
    assert found["hessian_top"] == pytest.approx(float(values.max()), rel=1e-6)


@pytest.mark.parametrize(("kind", "density"), CASES)
def test_the_gradient_moment_is_that_of_gradients_one_by_one(kind, density, monkeypatch):
    model, masks, data, _ = case(kind, density)
    monkeypatch.setattr(engine, "_GRADIENTS", 5 * masks.total())
    squares = []
    for x, y in zip(data.x, data.y, strict=True):
        gradients = torch.autograd.grad(F.cross_entropy(model(x[None]), y[None]), list(prunable(model).values()))
        squares.append(float(flat(dict(zip(masks, gradients, strict=True)), masks).square().sum()))
    found = engine.gradient_moment(model, masks, [data])
    assert found == pytest.approx(sum(squares) / len(squares), rel=1e-10)


@pytest.mark.parametrize(("kind", "density"), CASES)
def test_directions_have_the_filters_norms_and_leave_pruned_weights(kind, density):
    model, masks, *_ = case(kind, density)
    weights = {name: weight.detach() for name, weight in prunable(model).items()}
    for draw in engine._normal(weights, 0):
        direction = engine.filter_normalised(draw, weights, masks, model)
        for name, values in direction.items():
            assert not values[~masks[name]].any()
            torch.testing.assert_close(values.flatten(1).norm(dim=1), weights[name].flatten(1).norm(dim=1))
            assert values.std() > 0


@pytest.mark.parametrize(("kind", "density"), CASES)
def test_loss_rises_are_those_by_hand_and_pruned_weights_stay_pruned(kind, density, monkeypatch):
    model, masks, data, _ = case(kind, density)
    seen = []
    plain = engine.mean_loss

    def watched(network, weights, batches):
        seen.append({name: weight.clone() for name, weight in weights.items()})
        return plain(network, weights, batches)

    monkeypatch.setattr(engine, "mean_loss", watched)
    found = flatness(model, masks, data, 0)

    def loss(weights):
        other = copy.deepcopy(model)
        other.load_state_dict(weights, strict=False)
        with torch.no_grad():
            return float(F.cross_entropy(other(data.x), data.y))

    begun, *moved = seen
    base = loss(begun)
    rises = [loss(weights) - base for weights in moved]
    for number, (name, epsilon) in enumerate(SIZES.items()):
        part = slice(2 * DRAWS * number, 2 * DRAWS * (number + 1))
        assert found[f"loss_rise_{name}"] == pytest.approx(sum(rises[part]) / (2 * DRAWS), rel=1e-6)
        pairs = torch.tensor(rises[part], dtype=DOUBLE).view(DRAWS, 2).mean(1)
        assert found[f"loss_rise_{name}_se"] == pytest.approx(float(pairs.std()) / math.sqrt(DRAWS), rel=1e-6)
        for weights in moved[part]:
            for layer, weight in weights.items():
                assert not weight[~masks[layer]].any()
                distance = (weight - begun[layer]).norm()
                assert float(distance) == pytest.approx(epsilon * float(begun[layer].norm()), rel=1e-6)


def test_small_rises_of_a_smooth_network_are_its_curvature():
    model, masks, data, _ = case("mlp", 1.0)
    found = flatness(model, masks, data, 0)
    assert found["loss_rise_small"] == pytest.approx(
        SIZES["small"] ** 2 / 2 * found["hessian_trace_normalised"], rel=1e-3
    )


def relu(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(FEATURES, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, CLASSES)
        ).double()


def rescaled(model, factors):
    """The same function: incoming weights and biases of hidden units times factors, outgoing ones over them."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[0].weight.mul_(factors[:, None])
        other[0].bias.mul_(factors)
        other[2].weight.div_(factors)
    return other


@pytest.mark.parametrize("density", [1.0, 0.5])
def test_scales_of_relu_units_move_eigenvalues_and_no_normalised_measure(density):
    model = relu()
    masks, data = masked(model, density), samples("mlp")
    one, uneven = torch.ones(9, dtype=DOUBLE), torch.linspace(0.2, 5, 9, dtype=DOUBLE)
    whole, single = (flatness(rescaled(model, factors), masks, data, 0) for factors in (3 * one, uneven))
    found = flatness(model, masks, data, 0)
    for other in (whole, single):
        assert abs(other["hessian_top"] / found["hessian_top"] - 1) > 0.1
        assert abs(other["hessian_trace"] / found["hessian_trace"] - 1) > 0.2
        assert other["hessian_trace_relative"] == pytest.approx(found["hessian_trace_relative"], rel=1e-9)
    for name in ("hessian_trace_normalised", "loss_rise_small", "loss_rise_large"):
        assert whole[name] == pytest.approx(found[name], rel=1e-6)
        # Filters of the next layer mix weights of units that were scaled differently.
        assert single[name] != pytest.approx(found[name], rel=1e-2)


def test_scales_of_single_filters_before_batchnorm_move_no_normalised_measure():
    model, data = network("conv"), samples("conv")
    other = copy.deepcopy(model)
    factors = torch.tensor([0.3, 2.0, 5.0], dtype=DOUBLE)
    for layer in (model[1], other[1]):
        layer.eps = 0.0
    with torch.no_grad():
        other[0].weight.mul_(factors[:, None, None, None])
        other[1].running_mean.mul_(factors)
        other[1].running_var.mul_(factors**2)
    masks = Masks.full(prunable(model))
    first, second = flatness(model, masks, data, 0), flatness(other, masks, data, 0)
    for name in ("hessian_trace_relative", "hessian_trace_normalised", "loss_rise_small", "loss_rise_large"):
        assert second[name] == pytest.approx(first[name], rel=1e-6)
    assert abs(second["hessian_trace"] / first["hessian_trace"] - 1) > 0.1


def test_equal_arguments_give_equal_bits_and_nothing_is_left_changed():
    model = network("conv", dtype=torch.float32)
    masks, data = masked(model, 0.5), samples("conv", dtype=torch.float32)
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(5)
    first = flatness(model, masks, data, 3)
    state = torch.get_rng_state()
    torch.manual_seed(6)
    assert flatness(model, masks, data, 3) == first
    torch.manual_seed(5)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    other = flatness(model, masks, data, 4)
    assert other["hessian_top"] == pytest.approx(first["hessian_top"], rel=1e-4)
    assert other["hessian_trace"] != first["hessian_trace"]
    assert first.keys() == set(NAMES)


def test_directions_are_shared_by_the_networks_of_a_repetition():
    model = network("mlp")
    weights = {name: weight.detach() for name, weight in prunable(model).items()}
    for one, other in zip(
        engine._normal(weights, 2),
        engine._normal({name: weight.float() * 3 for name, weight in weights.items()}, 2),
        strict=True,
    ):
        assert all(torch.equal(one[name].float(), other[name]) for name in one)


def test_training_mode_dropout_and_single_precision_inputs_do_not_matter():
    model = nn.Sequential(nn.Linear(FEATURES, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, CLASSES)).double()
    masks, data = Masks.full(prunable(model)), vectors()
    found = flatness(model.train(), masks, data, 0)
    plain = nn.Sequential(model[0], model[1], nn.Identity(), model[3]).eval()
    assert flatness(plain, Masks.full(prunable(plain)), samples("mlp", 22), 0) == found


def test_attention_has_second_derivatives():
    class Attentive(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
            self.head = nn.Linear(4, CLASSES)

        def forward(self, x):
            return self.head(self.layer(x.view(-1, 3, 4)).mean(1))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Attentive().double().eval()
    masks = masked(model, 0.5)
    data = Split(torch.randn(10, 12, generator=torch.Generator().manual_seed(0), dtype=DOUBLE), torch.arange(10) % 3)
    batches = list(data.batches(4))
    curvature = Curvature(model, masks, batches)
    found = curvature.times(torch.eye(masks.kept(), dtype=DOUBLE))
    torch.testing.assert_close(found, found.T, rtol=1e-8, atol=1e-12)
    # Central differences of gradients, along one direction.
    weights = {name: weight.detach() for name, weight in prunable(model).items()}
    direction = next(iter(engine._normal(weights, 0)))
    slopes = []
    for step in (1e-5, -1e-5):
        other = copy.deepcopy(model)
        for name, weight in prunable(other).items():
            weight.data += step * direction[name] * masks[name]
        gradients = torch.autograd.grad(F.cross_entropy(other(data.x), data.y), list(prunable(other).values()))
        slopes.append(flat(dict(zip(masks, gradients, strict=True)), masks))
    expected = (slopes[0] - slopes[1]) / 2e-5
    torch.testing.assert_close(found @ flat(direction, masks), expected, rtol=1e-4, atol=1e-8)
    assert all(math.isfinite(value) for value in flatness(model, masks, data, 0).values())


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_a_network_without_kept_weights_has_no_value(kind):
    model = network(kind)
    masks = Masks({name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in prunable(model).items()})
    masks.apply(model)
    assert flatness(model, masks, samples(kind), 0) == dict.fromkeys(NAMES)


def top_of(monkeypatch, hessian):
    """What is found of a matrix by its products alone."""
    monkeypatch.setattr(Curvature, "times", lambda _, vectors: hessian @ vectors)
    model = nn.Sequential(nn.Linear(len(hessian), 1, bias=False)).double()
    curvature = Curvature(model, Masks.full(prunable(model)), [Split(torch.zeros(1, 1), torch.zeros(1))])
    return curvature.top(torch.randn(len(hessian), generator=torch.Generator().manual_seed(0), dtype=DOUBLE))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 3.0, 1.0, -9.0], 3.0),
        ([-1.0, -2.0], 0.0),
        ([1.0, 0.999, 0.998] * 12, 1.0),
        ([1e-12, -1e-13], 1e-12),
        ([1e12, 5.0], 1e12),
    ],
    ids=["a larger negative one", "negative ones alone", "close ones", "tiny ones", "huge ones"],
)
def test_the_largest_eigenvalue_of_matrices_of_low_rank(values, expected, monkeypatch):
    """Rotated, and zero in all other of 90 directions."""
    rotation = torch.linalg.qr(torch.randn(90, 90, generator=torch.Generator().manual_seed(1), dtype=DOUBLE))[0]
    diagonal = torch.zeros(90, dtype=DOUBLE)
    diagonal[: len(values)] = torch.tensor(values, dtype=DOUBLE)
    found = top_of(monkeypatch, rotation @ torch.diag(diagonal) @ rotation.T)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-12 * max(map(abs, values)))


def test_an_eigenvalue_that_is_not_found_in_time_is_none(monkeypatch):
    monkeypatch.setattr("prunebench.engine.training.curvature._STEPS", 5)
    assert top_of(monkeypatch, torch.diag(torch.linspace(0.5, 1, 90, dtype=DOUBLE))) is None


@pytest.mark.parametrize("width", [3, 60])
def test_constant_outputs_are_flat_everywhere(width):
    model = nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, CLASSES))
    masks = Masks(
        {name: torch.full_like(w, name == "0.weight", dtype=torch.bool) for name, w in prunable(model).items()}
    )
    masks.apply(model)
    assert flatness(model, masks, vectors(), 0) == dict.fromkeys(NAMES, 0.0)


def test_one_kept_weight_has_the_second_derivative():
    model, data = network("mlp"), samples("mlp")
    masks = Masks({name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in prunable(model).items()})
    masks["4.weight"][1, 2] = True
    model[4].weight.data[1, 2] = 0.7
    for name, weight in prunable(model).items():
        weight.data[~masks[name]] *= 0.5
    with torch.no_grad():
        hidden = model[:4](data.x)[:, 2]
        chance = torch.softmax(model(data.x), 1)[:, 1]
    second = float((chance * (1 - chance) * hidden**2).mean())
    found = flatness(model, masks, data, 0)
    assert found["hessian_top"] == pytest.approx(second)
    assert found["hessian_trace"] == pytest.approx(second)
    assert found["hessian_trace_relative"] == pytest.approx(0.49 * second)
    assert found["hessian_trace_normalised"] == pytest.approx(0.49 * second)
    assert found["hessian_trace_se"] == found["hessian_trace_normalised_se"] == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_network_that_has_diverged_is_an_error(value):
    model = network("mlp")
    model[2].weight.data[0, 0] = value
    model[4].bias.data[0] = value
    with pytest.raises(TrainingError, match=r"loss on training data is nan: its weights or statistics have diverged"):
        flatness(model, Masks.full(prunable(model)), samples("mlp"), 0)


def test_curvature_beyond_the_precision_is_an_error():
    """Activations whose square overflows in float32, at a finite loss."""
    model = nn.Sequential(nn.Linear(1, 40, bias=False), nn.Linear(40, 2, bias=False))
    model[0].weight.data.fill_(1e30)
    model[1].weight.data.fill_(0.0)
    with pytest.raises(TrainingError, match="curvature of the network's loss is not finite: its weights have diverged"):
        flatness(model, Masks.full(prunable(model)), Split(torch.ones(4, 1), torch.tensor([0, 1, 0, 1])), 0)


def test_another_networks_masks_are_an_error():
    with pytest.raises(PruningError, match="do not have the same prunable tensors"):
        flatness(network("mlp"), Masks.full(prunable(network("conv"))), samples("mlp"), 0)


def test_half_precision_is_an_error():
    model = network("mlp", dtype=torch.float16)
    with pytest.raises(PruningError, match="not in single or double precision"):
        flatness(model, Masks.full(prunable(model)), samples("mlp"), 0)


def test_as_many_samples_of_every_class_are_chosen_by_the_repetition(monkeypatch):
    labels = torch.tensor([0] * 30 + [1] * 10 + [2] * 20)
    data = Split(torch.arange(60.0)[:, None], labels)
    assert torch.bincount(chosen(data, 0).y).tolist() == [10, 10, 10]
    monkeypatch.setattr(engine, "SAMPLES", 17)
    first = chosen(data, 0)
    assert torch.bincount(first.y).tolist() == [5, 5, 5]
    assert torch.equal(first.x, chosen(data, 0).x)
    assert not torch.equal(first.x, chosen(data, 1).x)
    monkeypatch.setattr(engine, "SAMPLES", 2)
    assert torch.bincount(chosen(data, 0).y).tolist() == [1, 1, 1]

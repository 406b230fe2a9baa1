"""The linearised network and the flow through it."""

from __future__ import annotations

import copy
import itertools
import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from unit_graph import Skip, UnitGraph

from prunebench.engine.linearised import synaptic_flow
from prunebench.engine.prunable import prunable
from prunebench.tasks.models.layers import initialised
from prunebench.tasks.models.resnet import ResNet, resnet_20
from prunebench.tasks.models.vgg import vgg_16

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Functional(nn.Module):
    """Two linear layers with any function between them."""

    def __init__(self, function: Callable[[Tensor], Tensor], wide: int = 4) -> None:
        super().__init__()
        self.function = function
        self.first = nn.Linear(3, wide)
        self.last = nn.Linear(wide, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.function(self.first(x)))


def flow_scores(model: nn.Module, shape: tuple[int, ...]) -> tuple[float, dict[str, Tensor]]:
    """R, and θ ⊙ ∂R/∂θ of every prunable weight, both over R."""
    weights = prunable(model)
    flow = synaptic_flow(model, shape)
    gradients = torch.autograd.grad(flow, list(weights.values()))
    share = float(flow.detach())
    return share, {n: (g * w).detach() / share for (n, w), g in zip(weights.items(), gradients, strict=True)}


def flow_by_paths(model: nn.Module, shape: tuple[int, ...]) -> tuple[float, dict[str, np.ndarray]]:
    """R as the sum over all paths of the product of |θ|, and each weight's part of it: the paths it lies on."""
    weights = {name: w.detach().abs().tolist() for name, w in prunable(model).items()}
    scores = {name: np.zeros(w.shape) for name, w in prunable(model).items()}
    total = 0.0
    for path in UnitGraph(model, shape).paths():
        product = 1.0
        for edge in path:
            value = edge.gain
            if edge.weight is not None:
                entry = weights[edge.weight[0]]
                for i in edge.weight[1]:
                    entry = entry[i]
                value *= entry
            product *= value
        total += product
        for edge in path:
            if edge.weight is not None:
                scores[edge.weight[0]][edge.weight[1]] += product
    return total, scores


def assert_flow_is_that_of_the_paths(model: nn.Module, shape: tuple[int, ...]) -> None:
    total, expected = flow_by_paths(model, shape)
    flow, scores = flow_scores(model, shape)
    assert math.isclose(flow, total, rel_tol=1e-10)
    for name, score in scores.items():
        np.testing.assert_allclose(score.numpy(), expected[name] / total, rtol=1e-9, atol=1e-14)


def double(model: nn.Module) -> nn.Module:
    return model.double().eval()


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_a_weights_score_is_the_product_of_weights_summed_over_its_paths(widths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    layers = [
        part
        for a, b in itertools.pairwise(widths)
        for part in (nn.Linear(a, b, bias=False), (nn.ReLU(), nn.Tanh(), nn.GELU())[seed % 3])
    ]
    assert_flow_is_that_of_the_paths(double(nn.Sequential(*layers)), (widths[0],))


def test_paths_through_convolutions_pooling_and_shortcuts_are_summed_by_position() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 2, (2, 3), stride=(1, 2), padding=1, groups=2, bias=False),
        nn.ReLU(),
        Skip(nn.Conv2d(2, 2, 3, padding=2, dilation=2, bias=False), nn.ReLU()),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 2, bias=False),
    )
    assert_flow_is_that_of_the_paths(double(model), (2, 3, 4))


def test_a_projection_shortcut_carries_its_own_paths() -> None:
    torch.manual_seed(1)
    shortcut = nn.Conv2d(1, 2, 1, stride=2, bias=False)
    block = Skip(nn.Conv2d(1, 2, 3, stride=2, padding=1, bias=False), nn.ReLU(), shortcut=shortcut)
    model = nn.Sequential(block, nn.Flatten(), nn.Linear(8, 2, bias=False))
    assert_flow_is_that_of_the_paths(double(model), (1, 3, 3))


def test_biases_take_part_with_their_absolute_value() -> None:
    model = double(nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)))
    values = {"0.weight": [[2.0], [-3.0]], "0.bias": [-1.0, 4.0], "2.weight": [[-5.0, 6.0]], "2.bias": [-7.0]}
    model.load_state_dict({name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()})
    # h = (2 + 1, 3 + 4), R = 5·3 + 6·7 + 7
    flow, scores = flow_scores(model, (1,))
    assert flow == 64
    assert (scores["0.weight"] * 64).flatten().tolist() == [10, 18]
    assert (scores["2.weight"] * 64).flatten().tolist() == [15, 42]


@given(st.lists(st.integers(1, 6), min_size=3, max_size=5), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_flow_is_conserved_at_every_hidden_unit_and_layer_totals_are_equal(widths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    pairs = itertools.pairwise(widths)
    model = double(nn.Sequential(*(part for a, b in pairs for part in (nn.Linear(a, b, bias=False), nn.ReLU()))))
    _, scores = flow_scores(model, (widths[0],))
    layers = list(scores.values())
    for before, after in itertools.pairwise(layers):
        torch.testing.assert_close(before.sum(1), after.sum(0), rtol=1e-12, atol=1e-15)
    for layer in layers:
        assert (layer >= 0).all()
        assert math.isclose(float(layer.sum()), 1.0, rel_tol=1e-12)


@given(st.lists(st.integers(1, 5), min_size=3, max_size=4), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_with_biases_a_units_incoming_flow_and_its_bias_are_its_outgoing_flow(widths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    pairs = itertools.pairwise(widths)
    model = double(nn.Sequential(*(part for a, b in pairs for part in (nn.Linear(a, b), nn.ReLU()))))
    flow, scores = flow_scores(model, (widths[0],))
    biases = {n: p for n, p in model.named_parameters() if n.endswith("bias")}
    gradients = torch.autograd.grad(synaptic_flow(model, (widths[0],)), list(biases.values()))
    shares = [(g * b).detach() / flow for g, b in zip(gradients, biases.values(), strict=True)]
    layers = list(scores.values())
    for before, bias, after in zip(layers, shares, layers[1:], strict=False):
        torch.testing.assert_close(before.sum(1) + bias, after.sum(0), rtol=1e-12, atol=1e-15)
    assert math.isclose(float(layers[-1].sum() + shares[-1].sum()), 1, rel_tol=1e-12)


def published_flow(model: nn.Module, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """As the published code has it: the absolute value of all state, the network itself, ones in, sum out."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.abs_()
    model(torch.ones(1, *shape, dtype=torch.float64)).sum().backward()
    scores = {name: (w.grad * w).detach() for name, w in prunable(model).items()}
    return {name: s / sum(t.sum() for t in scores.values()) for name, s in scores.items()}


@pytest.mark.parametrize("build", [resnet_20, vgg_16])
def test_at_initialisation_scores_are_those_of_the_published_loop(build: Callable[..., nn.Module]) -> None:
    torch.manual_seed(2)
    model = double(build((3, 32, 32), 10, width=0.125))
    expected = published_flow(model, (3, 32, 32))
    _, scores = flow_scores(model, (3, 32, 32))
    total = sum(s.sum() for s in scores.values())
    for name, score in scores.items():
        torch.testing.assert_close(score / total, expected[name], rtol=1e-9, atol=1e-16)


def test_batch_norm_is_folded_to_the_absolute_slope_and_shift() -> None:
    torch.manual_seed(3)
    model = double(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)))
    norm = model[1]
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.5, -0.5, 2.0, -3.0]))
        norm.bias.copy_(torch.tensor([0.1, -0.2, -4.0, 5.0]))
        norm.running_mean.copy_(torch.tensor([0.7, -0.3, -2.0, 1.0]))
        norm.running_var.copy_(torch.tensor([0.5, 2.0, 1.0, 4.0]))
    values = {name: v.numpy() for name, v in model.state_dict().items()}
    slope = values["1.weight"] / np.sqrt(values["1.running_var"] + norm.eps)
    shift = values["1.bias"] - slope * values["1.running_mean"]
    hidden = np.abs(values["0.weight"]).sum(1) + np.abs(values["0.bias"])
    normed = np.abs(slope) * hidden + np.abs(shift)
    expected = (np.abs(values["3.weight"]) @ normed + np.abs(values["3.bias"])).sum()
    flow, scores = flow_scores(model, (3,))
    assert math.isclose(flow, expected, rel_tol=1e-12)
    incoming = np.abs(values["3.weight"]).sum(0)[:, None] * np.abs(slope)[:, None] * np.abs(values["0.weight"])
    np.testing.assert_allclose(scores["0.weight"].numpy(), incoming / expected, rtol=1e-12)
    # Slope and shift are those of evaluation.
    h = torch.randn(5, 4, dtype=torch.float64)
    np.testing.assert_allclose(norm(h).detach().numpy(), slope * h.numpy() + shift, rtol=1e-12)


@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_with_and_without_affine_parameters_folds_alike(affine: bool) -> None:
    torch.manual_seed(4)
    model = double(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=affine), nn.Flatten(), nn.Linear(8, 2)))
    with torch.no_grad():
        model[1].running_mean.copy_(torch.tensor([0.5, -0.5]))
        model[1].running_var.copy_(torch.tensor([4.0, 0.25]))
    slope = 1 / torch.sqrt(model[1].running_var + model[1].eps)
    hidden = model[0].weight.abs().sum((1, 2, 3)) + model[0].bias.abs()
    normed = slope * hidden + (slope * model[1].running_mean).abs()
    expected = (model[3].weight.abs() @ normed.repeat_interleave(4) + model[3].bias.abs()).sum()
    assert math.isclose(float(synaptic_flow(model, (1, 4, 4)).detach()), float(expected.detach()), rel_tol=1e-12)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU(inplace)": nn.ReLU(inplace=True),
    "nn.ReLU6": nn.ReLU6(inplace=True),
    "nn.LeakyReLU": nn.LeakyReLU(0.1, inplace=True),
    "nn.PReLU": nn.PReLU(),
    "nn.GELU": nn.GELU(),
    "nn.SiLU": nn.SiLU(inplace=True),
    "nn.Mish": nn.Mish(),
    "nn.ELU": nn.ELU(),
    "nn.SELU": nn.SELU(),
    "nn.CELU": nn.CELU(),
    "nn.Tanh": nn.Tanh(),
    "nn.Sigmoid": nn.Sigmoid(),
    "nn.Hardswish": nn.Hardswish(),
    "nn.Hardtanh": nn.Hardtanh(inplace=True),
    "nn.Hardsigmoid": nn.Hardsigmoid(),
    "nn.Softplus": nn.Softplus(),
    "nn.Softsign": nn.Softsign(),
    "nn.Tanhshrink": nn.Tanhshrink(),
    "nn.LogSigmoid": nn.LogSigmoid(),
    "nn.RReLU": nn.RReLU(),
    "F.relu": F.relu,
    "F.relu keyword": lambda x: F.relu(input=x),
    "torch.relu_": torch.relu_,
    "Tensor.relu": lambda x: x.relu(),
    "F.tanh": F.tanh,
    "Tensor.tanh": lambda x: x.tanh(),
    "Tensor.tanh_": lambda x: x.tanh_(),
    "torch.tanh_": torch.tanh_,
    "F.sigmoid": F.sigmoid,
    "Tensor.sigmoid_": lambda x: x.sigmoid_(),
    "torch.sigmoid_": torch.sigmoid_,
    "torch.selu": torch.selu,
    "torch.selu_": torch.selu_,
    "torch.celu": torch.celu,
    "torch.celu_": torch.celu_,
    "torch.rrelu": torch.rrelu,
    "F.hardtanh_": F.hardtanh_,
    "nn.Threshold": nn.Threshold(0.1, 0),
    "nn.Hardshrink": nn.Hardshrink(),
    "nn.Softshrink": nn.Softshrink(),
    "Tensor.clamp": lambda x: x.clamp(min=0),
    "Tensor.clamp_": lambda x: x.clamp_(0, 6),
    "torch.clamp_min": lambda x: torch.clamp_min(x, 0),
    "torch.prelu": lambda x: torch.prelu(x, torch.tensor(0.1)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_in_modules_and_in_functions_are_left_out(name: str) -> None:
    torch.manual_seed(6)
    model = Functional(ACTIVATIONS[name]).eval()
    plain = copy.deepcopy(model)
    plain.function = nn.Identity()
    assert float(synaptic_flow(model, (3,)).detach()) == float(synaptic_flow(plain, (3,)).detach())


def test_linearising_leaves_no_trace_on_the_model() -> None:
    torch.manual_seed(7)
    model = resnet_20((3, 8, 8), 4, width=0.25).eval()
    before = {name: v.clone() for name, v in model.state_dict().items()}
    x = torch.randn(2, 3, 8, 8)
    expected = model(x)
    synaptic_flow(model, (3, 8, 8)).backward()
    assert all(torch.equal(v, before[name]) for name, v in model.state_dict().items())
    assert torch.equal(model(x), expected)


def mlp(depth: int, wide: int = 100) -> nn.Module:
    return initialised(nn.Sequential(*(part for _ in range(depth) for part in (nn.Linear(wide, wide), nn.ReLU()))))


@pytest.mark.parametrize(
    ("model", "shape"),
    [(lambda: mlp(50), (100,)), (lambda: ResNet(18, 3, 10, 0.5), (3, 8, 8))],
    ids=["mlp of 50 layers", "resnet-110"],
)
def test_flow_survives_depths_at_which_it_leaves_the_range_of_single_precision(
    model: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(8)
    single = initialised(model()).eval()
    weights = prunable(single)
    flow = synaptic_flow(single, shape)
    gradients = torch.autograd.grad(flow, list(weights.values()))
    found = {n: (g * w).detach() for (n, w), g in zip(weights.items(), gradients, strict=True)}
    _, expected = flow_scores(copy.deepcopy(single).double(), shape)
    for name, score in found.items():
        assert torch.isfinite(score).all()
        torch.testing.assert_close(score.double(), expected[name] * float(flow.detach()), rtol=1e-4, atol=0)


def test_flow_survives_weights_so_small_that_it_falls_below_single_precision() -> None:
    torch.manual_seed(9)
    single = nn.Sequential(*(nn.Linear(3, 3, bias=False) for _ in range(40)))
    with torch.no_grad():
        for layer in single:
            layer.weight.mul_(0.03)
    weights = prunable(single)
    gradients = torch.autograd.grad(synaptic_flow(single, (3,)), list(weights.values()))
    totals = [float((g * w).detach().sum()) for g, w in zip(gradients, weights.values(), strict=True)]
    assert min(totals) > 0
    assert math.isclose(min(totals), max(totals), rel_tol=1e-4)


def test_where_no_flow_is_left_every_score_is_zero() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        model[0].weight.zero_()
    gradients = torch.autograd.grad(synaptic_flow(model, (3,)), [model[0].weight, model[1].weight])
    assert all((g * layer.weight == 0).all() for g, layer in zip(gradients, model, strict=True))


def test_convolution_scores_agree_with_counting_of_paths_when_all_weights_are_one() -> None:
    model = double(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(9, 1, bias=False)))
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[2].weight.fill_(1)
    counted: dict[tuple[int, ...], int] = defaultdict(int)
    for path in UnitGraph(model, (1, 3, 3)).paths():
        counted[path[0].weight[1]] += 1  # type: ignore[index]
    flow, scores = flow_scores(model, (1, 3, 3))
    assert flow == sum(counted.values()) == 49
    # The middle of the kernel sees nine positions, its corners four.
    assert (scores["0.weight"] * 49).round().int().tolist() == [[[[4, 6, 4], [6, 9, 6], [4, 6, 4]]]]
    assert all(abs(float(scores["0.weight"][i]) * 49 - c) < 1e-9 for i, c in counted.items())

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

from prunebench.engine.prunable import prunable
from prunebench.engine.structure.linearised import flow_scores as scores_of
from prunebench.engine.structure.linearised import synaptic_flow
from prunebench.errors import PruningError, UnsupportedOperatorError
from tests.engine.residual import perceptron, residual
from tests.engine.structure.unit_graph import Gate, SelfAttention, Skip, UnitGraph
from tests.zoo import resnet_20, vgg_16

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


def published_flow(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """As the published code has it: the absolute value of all state, the network itself, ones in, sum out."""
    model = copy.deepcopy(model).to(dtype)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.abs_()
    model(torch.ones(1, *shape, dtype=dtype)).sum().backward()
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


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (lambda: perceptron(50, 100), (100,)),
        (lambda: residual(18, "A", wide=8), (3, 8, 8)),
        (lambda: residual(18, "B", wide=8), (3, 8, 8)),
    ],
    ids=["mlp of 50 layers", "resnet-110 A", "resnet-110 B"],
)
def test_flow_survives_depths_at_which_it_leaves_the_range_of_single_precision(
    model: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(8)
    single = model()
    assert not torch.isfinite(sum(s.sum() for s in published_flow(single, shape, torch.float32).values()))
    weights = prunable(single)
    flow = synaptic_flow(single, shape)
    gradients = torch.autograd.grad(flow, list(weights.values()))
    expected = published_flow(single, shape)
    for (name, score), gradient, weight in zip(
        scores_of(single, shape).items(), gradients, weights.values(), strict=True
    ):
        torch.testing.assert_close(score / score.sum(), expected[name] / expected[name].sum(), rtol=1e-12, atol=0)
        single_score = (gradient * weight).detach().double()
        torch.testing.assert_close(single_score / single_score.sum(), score / score.sum(), rtol=1e-4, atol=0)


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


REFUSED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "layer norm": (lambda: nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 2)), (3,), "'layer_norm'"),
    "group norm": (lambda: nn.Sequential(nn.Conv1d(2, 4, 1), nn.GroupNorm(2, 4)), (2, 3), "'group_norm'"),
    "instance norm": (lambda: nn.Sequential(nn.Conv1d(2, 4, 1), nn.InstanceNorm1d(4)), (2, 3), "'instance_norm'"),
    "RMS norm": (lambda: nn.Sequential(nn.Linear(3, 3), nn.RMSNorm(3)), (3,), "'rms_norm'"),
    "local response norm": (lambda: nn.Sequential(nn.Conv1d(2, 4, 1), nn.LocalResponseNorm(2)), (2, 3), "'.+'"),
    "softmax": (lambda: nn.Sequential(nn.Linear(3, 3), nn.Softmax(1)), (3,), "'softmax'"),
    "gate": (lambda: Gate(nn.Linear(3, 3)), (3,), "'mul'"),
    "attention": (lambda: SelfAttention(4, 2), (3, 4), "'multi_head_attention_forward'"),
    "scaled dot product": (
        lambda: Functional(lambda x: F.scaled_dot_product_attention(x, x, x)), (3,), "'scaled_dot_product_attention'",
    ),
    "torch.batch_norm": (
        lambda: Functional(
            lambda x: torch.batch_norm(x, None, None, torch.zeros(4), torch.ones(4), False, 0.1, 1e-5, False)
        ),
        (3,), "'batch_norm'",
    ),
    "bicubic": (
        lambda: nn.Sequential(nn.Conv2d(1, 1, 1), nn.Upsample(scale_factor=2, mode="bicubic")), (1, 3, 3),
        "'interpolate'",
    ),
    "square": (lambda: Functional(lambda x: x**2), (3,), "'pow'"),
    "exponential": (lambda: Functional(torch.exp), (3,), "'exp'"),
    "quotient": (lambda: Functional(lambda x: 1 / x), (3,), "'.*div.*|reciprocal'"),
    "maximum": (lambda: Functional(lambda x: x.amax(1, keepdim=True).expand(-1, 4)), (3,), "'amax'"),
    "matmul": (lambda: Functional(lambda x: x @ torch.ones(4, 4)), (3,), "'.*matmul.*'"),
    "detached": (lambda: Functional(lambda x: x.detach()), (3,), "'detach'"),
    "constant": (lambda: Functional(lambda x: torch.ones(1, 4)), (3,), "depends on its input"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("call", [synaptic_flow, scores_of])
def test_what_is_not_linear_and_positive_is_refused_by_name(name: str, call: Callable[..., object]) -> None:
    build, shape, message = REFUSED[name]
    with pytest.raises(UnsupportedOperatorError, match=message) as caught:
        call(build().eval(), shape)
    assert "\n" not in str(caught.value)


def test_a_constant_output_of_live_layers_is_refused_where_the_layers_take_no_part() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "unused": nn.Linear(2, 2)})
    model.forward = model["used"].forward  # type: ignore[method-assign]
    with pytest.raises(PruningError, match=r"unused\.weight takes no part"):
        scores_of(model, (2,))


PASSED: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "negative factor": (lambda x: x * -3.0, lambda x: x * 3.0),
    "factor on the left": (lambda x: -2 * x, lambda x: x * 2),
    "negative divisor": (lambda x: x / -4, lambda x: x / 4),
    "scale of a tensor": (lambda x: x * torch.tensor([1.0, -2, 3, -4]), lambda x: x * torch.tensor([1.0, 2, 3, 4])),
    "shift": (lambda x: x - 2.5, lambda x: x + 2.5),
    "shift in place": (lambda x: x.sub_(2.5), lambda x: x + 2.5),
    "scale in place": (lambda x: x.mul_(-2.0), lambda x: x * 2),
    "reversed difference": (lambda x: 1 - x, lambda x: x + 1),
    "difference with a factor": (lambda x: torch.sub(x, x.flip(1), alpha=-2), lambda x: x + 2 * x.flip(1)),
    "in place": (lambda x: x.__isub__(x.flip(1)), lambda x: x + x.flip(1)),
    "border": (lambda x: F.pad(x[:, 1:], (1, 0), value=-3.0), lambda x: F.pad(x[:, 1:], (1, 0), value=3.0)),
    "joined constant": (
        lambda x: torch.cat([x[:, 1:], torch.full((1, 1), -3.0)], dim=1),
        lambda x: torch.cat([x[:, 1:], torch.full((1, 1), 3.0)], dim=1),
    ),
    "dropout": (lambda x: F.dropout(x, 0.5, training=True), lambda x: x),
    "cast": (lambda x: x.float().to(torch.float32).half(), lambda x: x),
    "shuffle": (lambda x: x.view(1, 2, 2).transpose(1, 2).reshape(1, 4), lambda x: x[:, [0, 2, 1, 3]]),
    "bilinear": (
        lambda x: F.interpolate(x.view(1, 1, 2, 2), scale_factor=2, mode="bilinear").sum((2, 3)).expand(1, 4),
        lambda x: 4 * x.sum(1, keepdim=True).expand(1, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSED)
def test_fixed_coefficients_and_shifts_count_with_their_absolute_value(name: str) -> None:
    """The plain form is evaluated without the engine: absolute weights and biases, no function replaced."""
    torch.manual_seed(10)
    written, plain = PASSED[name]
    model = Functional(written).eval()
    expected = copy.deepcopy(model).double()
    expected.function = plain
    with torch.no_grad():
        for parameter in expected.parameters():
            parameter.abs_()
    found = float(synaptic_flow(model, (3,)).detach())
    assert math.isclose(found, float(expected(torch.ones(1, 3, dtype=torch.float64)).sum().detach()), rel_tol=1e-12)


def test_with_power_two_the_network_has_squared_weights() -> None:
    """SynFlow-L2; the oracle is the flow with power one of a network that holds the squares."""
    torch.manual_seed(11)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)
    )
    squared = copy.deepcopy(model).double()
    with torch.no_grad():
        for parameter in squared.parameters():
            parameter.square_()
        squared[1].running_var.copy_((1 + squared[1].eps) ** 2 - squared[1].eps)
    model.eval()
    squared.eval()
    flow = synaptic_flow(model, (2, 4, 4), power=2)
    assert math.isclose(float(flow.detach()), float(synaptic_flow(squared, (2, 4, 4)).detach()), rel_tol=1e-12)
    # θ ∂R/∂θ = 2 θ² ∂R/∂θ².
    once = scores_of(squared, (2, 4, 4))
    for name, score in scores_of(model, (2, 4, 4), power=2).items():
        torch.testing.assert_close(score, 2 * once[name], rtol=1e-12, atol=0)


def test_batch_norm_in_train_mode_that_sees_one_value_per_channel_is_one_clear_line() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).train()
    for call in (synaptic_flow, scores_of):
        with pytest.raises(PruningError, match=r"one value per channel.*mode=eval"):
            call(model, (3,))


def test_batch_norm_in_train_mode_keeps_its_statistics() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(18, 2)).train()
    before = {name: v.clone() for name, v in model.state_dict().items()}
    assert scores_of(model, (1, 4, 4))["3.weight"].abs().sum() > 0
    assert all(torch.equal(v, before[name]) for name, v in model.state_dict().items())


@pytest.mark.parametrize(("gain", "value"), [(1e12, "inf|e\\+"), (1e-12, "0|e-")])
def test_flow_outside_of_double_precision_is_an_error_and_no_number(gain: float, value: str) -> None:
    model = nn.Sequential(*(nn.Linear(3, 3, bias=False) for _ in range(40)))
    with torch.no_grad():
        for layer in model:
            layer.weight.mul_(gain)
    for call in (synaptic_flow, scores_of):
        with pytest.raises(PruningError, match=f"synaptic flow of Sequential is .*({value}).*range of float64"):
            call(model, (3,))


def test_half_precision_is_widened_and_tied_weights_count_once() -> None:
    torch.manual_seed(12)
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 2))
    model[2].weight = model[0].weight
    half = copy.deepcopy(model).half()
    scores = scores_of(half, (3,))
    assert list(scores) == ["0.weight", "3.weight"]
    first, last = (half[i].weight.detach().double().abs() for i in (0, 3))
    b0, b2, b3 = (half[i].bias.detach().double().abs() for i in (0, 2, 3))
    ones = torch.ones(3, dtype=torch.float64)
    hidden = first @ ones + b0
    assert math.isclose(
        float(synaptic_flow(half, (3,)).detach()), float((last @ (first @ hidden + b2) + b3).sum()), rel_tol=1e-12
    )
    back = last.sum(0)
    expected = first * (torch.outer(first.t() @ back, ones) + torch.outer(back, hidden))
    torch.testing.assert_close(scores["0.weight"], expected, rtol=1e-12, atol=0)


def masks_of_the_loop(
    model: nn.Module, density: float, rounds: int, score: Callable[[nn.Module], dict[str, Tensor]]
) -> list[Tensor]:
    """Every round's mask of the exponential loop, flat, by sorting."""
    weights = prunable(model)
    dense = torch.cat([w.detach().flatten() for w in weights.values()])
    alive = torch.ones(len(dense), dtype=torch.bool)
    found: list[Tensor] = []
    for number in range(1, rounds + 1):
        with torch.no_grad():
            parts = (dense * alive).split([w.numel() for w in weights.values()])
            for weight, part in zip(weights.values(), parts, strict=True):
                weight.copy_(part.view(weight.shape))
        scores = torch.cat([s.flatten() for s in score(model).values()]).double()
        assert torch.isfinite(scores).all()
        scores[~alive] = -1
        kept = round(density * len(dense)) if number == rounds else math.ceil(density ** (number / rounds) * len(dense))
        alive = torch.zeros(len(dense), dtype=torch.bool)
        alive[scores.sort(descending=True, stable=True).indices[:kept]] = True
        found.append(alive)
    return found


@pytest.mark.parametrize(
    ("build", "shape", "rounds"),
    [
        (lambda: perceptron(50, 30), (30,), 30),
        (lambda: residual(18, "A", wide=2), (3, 4, 4), 5),
        (lambda: residual(18, "B", wide=2), (3, 4, 4), 5),
    ],
    ids=["mlp of 50 layers", "resnet-110 A", "resnet-110 B"],
)
def test_masks_of_every_round_are_those_of_plain_double_precision(
    build: Callable[[], nn.Module], shape: tuple[int, ...], rounds: int
) -> None:
    torch.manual_seed(13)
    model = build()
    ours, plain = (
        masks_of_the_loop(copy.deepcopy(model), 0.01, rounds, score)
        for score in (lambda m: scores_of(m, shape), lambda m: published_flow(m, shape))
    )
    assert all(torch.equal(a, b) for a, b in zip(ours, plain, strict=True))

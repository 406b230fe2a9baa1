"""Initialisations against their theory."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import nn

from prunebench.engine.prunable import prunable
from prunebench.errors import SpecError
from prunebench.plugins import ready
from prunebench.registry import MODELS
from prunebench.seeding import seed_of
from prunebench.spec import Spec
from prunebench.tasks.build import build_model
from prunebench.tasks.models.initial import Init

ready()
OURS = sorted(e.name for e in MODELS if e.target.startswith("prunebench.") and not e.name.startswith("torchvision:"))
LAYERS = nn.Linear | nn.Conv1d | nn.Conv2d
IMAGE = (3, 32, 32)


def build(spec: str, shape: tuple[int, ...] = IMAGE) -> nn.Module:
    return build_model(Spec.parse(spec), shape, 10, 0)


def variance(name: str, w: torch.Tensor) -> float:
    """Of kernels `[out, in, *k]`, with ReLU's gain."""
    field = math.prod(w.shape[2:])
    fan_in, fan_out = w.shape[1] * field, w.shape[0] * field
    if name.startswith("xavier"):
        return 2 / (fan_in + fan_out)
    return 2 / (fan_out if name.endswith("fan-out") else fan_in)


def check_moments(name: str, w: torch.Tensor) -> None:
    expected = variance(name, w)
    n, flat = w.numel(), w.detach().double().flatten()
    # The variance of x² is 2σ⁴ for a normal and 0.8σ⁴ for a uniform variable.
    assert abs(float(flat.square().mean()) / expected - 1) < 5 * math.sqrt(2 / n)
    assert abs(float(flat.mean())) < 5 * math.sqrt(expected / n)
    bound = math.sqrt(3 * expected)
    if name.endswith("uniform"):
        assert flat.abs().max() <= bound * (1 + 1e-6)
    elif n > 1000:
        assert abs(float((flat.abs() > bound).double().mean()) - math.erfc(math.sqrt(1.5))) < 5 * 0.28 / math.sqrt(n)


@pytest.mark.parametrize("name", OURS)
def test_every_model_begins_with_kaiming_normal_weights_zero_biases_and_an_identity_for_batch_norm(name: str) -> None:
    model = build(f"{name}(k=2)" if name.startswith("wrn") else name, (1, 40) if name == "cnn-1d" else IMAGE)
    for module in model.modules():
        if isinstance(module, LAYERS):
            check_moments("kaiming-normal", module.weight)
            assert module.bias is None or not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert not module.bias.any()
            assert not module.running_mean.any()
            assert (module.running_var == 1).all()


@pytest.mark.parametrize("init", [i for i in get_args(Init) if i not in {"orthogonal", "pytorch-default"}])
@pytest.mark.parametrize("spec", ["resnet-20({})", "lenet-5({})", "mlp(widths=[300, 30], {})"])
def test_named_distributions_have_the_variance_of_their_paper(spec: str, init: str) -> None:
    for module in build(spec.format(f"init={init}")).modules():
        if isinstance(module, LAYERS):
            check_moments(init, module.weight)
            assert module.bias is None or not module.bias.any()


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("init", get_args(Init))
def test_every_model_takes_every_initialisation(name: str, init: str) -> None:
    scale = "" if name == "mlp" else "k=1, " if name.startswith("wrn") else "width=0.05, "
    model = build(f"{name}({scale}init={init})", (1, 40) if name == "cnn-1d" else IMAGE)
    assert all(torch.isfinite(w).all() and w.any() for w in prunable(model).values())


@pytest.mark.parametrize(("activation", "gain"), [("relu", 2**0.5), ("tanh", 5 / 3), ("linear", 1.0)])
def test_orthogonal_weights_are_isometries_times_the_gain(activation: str, gain: float) -> None:
    model = build(f"mlp(widths=[30, 50, 20], repeat=1, activation={activation}, init=orthogonal)", (40,))
    for w in prunable(model).values():
        flat = w.detach().double()
        gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
        torch.testing.assert_close(gram, gain**2 * torch.eye(len(gram)).double(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("activation", "gain"),
    [("relu", 2**0.5), ("leaky-relu", (2 / 1.0001) ** 0.5), ("gelu", 2**0.5), ("tanh", 5 / 3), ("linear", 1.0)],
)
def test_an_mlps_kaiming_gain_is_that_of_its_activation(activation: str, gain: float) -> None:
    model = build(f"mlp(widths=[500], activation={activation})", (500,))
    w = next(iter(prunable(model).values())).detach()
    assert float(w.square().mean()) == pytest.approx(gain**2 / 500, rel=5 * (2 / w.numel()) ** 0.5)
    reference = {"relu": torch.relu, "leaky-relu": nn.functional.leaky_relu, "gelu": nn.functional.gelu,
                 "tanh": torch.tanh, "linear": lambda x: x}[activation]  # fmt: skip
    x = torch.linspace(-2, 2, 9)
    assert torch.equal(list(model.children())[2](x), reference(x))


def test_pytorch_default_leaves_layers_as_they_are_constructed() -> None:
    model = build("mlp(widths=[30], repeat=1, init=pytorch-default)", (40,))
    torch.manual_seed(seed_of("initialisation", 0))
    for layer in (nn.Linear(40, 30), nn.Linear(30, 10)):
        ours = next(m for m in model.modules() if isinstance(m, nn.Linear) and m.weight.shape == layer.weight.shape)
        assert torch.equal(ours.weight, layer.weight)
        assert torch.equal(ours.bias, layer.bias)


def test_uniform_gammas_change_no_weight() -> None:
    plain, drawn = build("vgg-11"), build("vgg-11(bn_gamma=uniform)")
    for a, b in zip(prunable(plain).values(), prunable(drawn).values(), strict=True):
        assert torch.equal(a, b)
    gammas = torch.cat([m.weight.detach() for m in drawn.modules() if isinstance(m, nn.BatchNorm2d)])
    n = len(gammas)
    assert 0 <= gammas.min() < 10 / n
    assert 1 - 10 / n < gammas.max() <= 1
    assert abs(float(gammas.mean()) - 0.5) < 5 / math.sqrt(12 * n)
    assert not any(m.bias.any() for m in drawn.modules() if isinstance(m, nn.BatchNorm2d))


def test_unknown_initialisations_are_refused() -> None:
    with pytest.raises(SpecError, match="did you mean 'kaiming-normal'"):
        build("vgg-11(init=kaiming-norm)")

"""Importance of weights and channels: E[BN] against quadrature and published values, the rest by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from torch import nn

from prunebench.engine.structure.channels import Channels
from prunebench.engine.training.importance import expected_relu, of_channels, of_weights
from prunebench.errors import PruningError
from prunebench.testing.networks import CONV, RESIDUAL
from tests.engine.residual import residual
from tests.engine.shrunk import Calls

REFERENCE = Path(__file__).parents[3] / ".." / "shared" / "data" / "ebn_reference.json"


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def of(beta, gamma):
    return float(expected_relu(double([beta]), double([gamma])))


# E[BN] ---------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference values of E[BN] are not part of the repository")
def test_ebn_has_the_reference_values():
    points = json.loads(REFERENCE.read_text())
    for point in points:
        # Beyond 15 standard deviations both of the file's columns have lost digits to cancellation.
        deep = point["gamma"] and point["beta"] < -15 * abs(point["gamma"])
        found = of(point["beta"], point["gamma"])
        assert found == pytest.approx(point["closed"], rel=1e-10 if deep else 1e-12, abs=0), point
    assert {p["gamma"] == 0 for p in points} == {p["gamma"] < 0 for p in points} == {True, False}


@pytest.mark.parametrize(
    ("beta", "gamma", "exact"),
    [
        (-3.0, 0.1, 1.631956734091483e-200),
        (-2.0, -0.1, 1.3700124947296105e-91),
        (-20.0, 2.0, 1.4949120509178657e-24),
        (-2.0, 0.25, 1.8875656029866248e-17),
        (-0.5, 0.2, 0.0004008274358256401),
    ],
)
def test_ebn_is_exact_in_the_tail(beta, gamma, exact):
    """Values of 60-digit arithmetic; the subtraction in float64 is off by 3e-11 at the first."""
    assert of(beta, gamma) == pytest.approx(exact, rel=1e-13, abs=0)


@pytest.mark.parametrize("gamma", [1e-3, 0.25, -1.0, 3.0])
@pytest.mark.parametrize("ratio", [-37, -30, -8, -3, -2.001, -1.999, -1, -0.1, 0.5, 4])
def test_ebn_is_the_mean_of_a_normal_variable_above_zero(gamma, ratio):
    """E = |γ|φ(t)·∫ u·exp(−ut − u²/2) du with t = −β/|γ|: the factor that vanishes in the tail is outside."""
    t, beta = -ratio, ratio * abs(gamma)
    far = max(40.0, -4 * t)
    (area, _) = integrate.quad(
        lambda u: u * math.exp(-u * t - u * u / 2), 0, far, epsabs=0, epsrel=1e-13, limit=500,
        points=[1 / max(1, abs(t)), max(1.0, -t)],
    )  # fmt: skip
    expected = abs(gamma) * math.exp(-t * t / 2) / math.sqrt(2 * math.pi) * area
    assert of(beta, gamma) == pytest.approx(expected, rel=2e-12)
    assert of(beta, gamma) > 0


@given(st.floats(-20, 20), st.floats(-5, 5))
def test_what_is_above_zero_less_what_is_below_is_the_mean(beta, gamma):
    """max(0, M) − max(0, −M) = M; the sign of γ does not matter."""
    assert of(beta, gamma) - of(-beta, gamma) == pytest.approx(beta, rel=1e-12, abs=1e-14)
    assert of(beta, gamma) == of(beta, -gamma) >= max(0.0, beta) * (1 - 1e-15)


def test_ebn_without_deviation_is_a_plain_relu():
    assert expected_relu(double([-2.0, 0.0, 3.0]), torch.zeros(3)).tolist() == [0, 0, 3]
    assert [of(beta, 1e-313) for beta in (-1.0, 1.0)] == [0, 1]
    assert of(0.0, 2.0) == pytest.approx(2 / math.sqrt(2 * math.pi), rel=1e-15)


def test_ebn_grows_with_the_mean_through_the_tail():
    x = torch.linspace(-38, 3, 40_001, dtype=torch.float64)
    assert (expected_relu(x, torch.ones_like(x)).diff() > 0).all()


def test_ebn_is_the_mean_output_of_a_batchnorm_and_relu():
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6).double()
    with torch.no_grad():
        norm.weight.copy_(double([1.0, -0.5, 0.1, 2.0, 0.0, 1.0]))
        norm.bias.copy_(double([0.0, 0.3, -0.1, -1.5, 0.4, 1.0]))
    drawn = torch.randn(4000, 6, 10, 10, dtype=torch.float64) * 3 + torch.arange(6).view(1, 6, 1, 1)
    measured = norm(drawn).relu().mean((0, 2, 3)).detach()
    torch.testing.assert_close(expected_relu(norm.bias, norm.weight), measured, rtol=0, atol=2 * 5 / 400_000**0.5)


# Of channels ---------------------------------------------------------------------------------------------------------


def importance(by, model, shape, batch=None, groups=None):
    channels = Channels.of(model, shape)
    return of_channels(by, model, channels, groups or channels.groups, shape, lambda: batch)


def test_a_weight_is_as_important_as_it_is_large():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2.0], [0.0, 3.0]]))
    assert of_weights(model)["0.weight"].tolist() == [[1, 2], [0, 3]]
    assert list(of_weights(model)) == ["0.weight", "1.weight"]


@pytest.mark.parametrize("power", [1, 2])
def test_the_norm_of_a_channel_is_the_sum_over_the_filters_of_its_group(power):
    model = RESIDUAL.model()
    found = importance(f"l{power}", model, RESIDUAL.shape)

    def norms(layer):
        return double([float(w.double().abs().pow(power).sum() ** (1 / power)) for w in layer.weight.detach()])

    assert list(found) == ["a.weight", "c.weight", "e.weight"]
    torch.testing.assert_close(found["a.weight"], norms(model.a))
    torch.testing.assert_close(found["e.weight"], norms(model.e) + norms(model.g))


def test_the_filters_of_a_transposed_convolution_lie_along_its_second_dimension():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Conv2d(6, 2, 1))
    weight = model[2].weight.detach().double()  # [4, 3, 3, 3]: inputs 0 and 1 feed outputs 0 to 2
    expected = [weight[2 * (o // 3) : 2 * (o // 3) + 2, o % 3].abs().sum() for o in range(6)]
    torch.testing.assert_close(importance("l1", model, (3, 8, 8))["2.weight"], torch.stack(expected))


def test_where_stages_are_joined_by_zeros_a_channel_has_the_members_that_have_it():
    """Option A puts two zeros on both sides: channels 0 to 3 of the first stage are 2 to 5 of the second."""
    model = residual(1, "A", wide=4)
    (group,) = [g for g in Channels.of(model, (3, 8, 8)).groups.values() if len(g.layers) > 1]
    (found,) = (importance("l2", model, (3, 8, 8), groups=[group.name])).values()
    expected = torch.zeros(16, dtype=torch.float64)
    for layer, numbers in group.channels.items():
        weight = model.get_parameter(layer).detach().double().flatten(1)
        for row, number in zip(weight, numbers.tolist(), strict=True):
            expected[number] += row.pow(2).sum().sqrt()
    assert sorted(len(numbers) for numbers in group.channels.values()) == [4, 4, 8, 16]
    torch.testing.assert_close(found, expected)


def test_ebn_of_a_channel_is_the_sum_over_its_batchnorms():
    model = RESIDUAL.model()
    found = importance("ebn", model, RESIDUAL.shape)

    def means(norm):
        """By 400 000 draws a channel."""
        torch.manual_seed(1)
        drawn = norm.bias + norm.weight.abs() * torch.randn(400_000, len(norm.bias))
        return drawn.detach().double().relu().mean(0)

    torch.testing.assert_close(found["c.weight"], means(model.d), rtol=0, atol=0.01)
    torch.testing.assert_close(found["e.weight"], means(model.f) + means(model.h), rtol=0, atol=0.02)


def test_ebn_of_a_channel_that_is_several_features_is_the_sum_over_them():
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(6), nn.Linear(6, 2))
    with torch.no_grad():
        model[3].weight.zero_()
        model[3].bias.copy_(torch.tensor([1.0, 2.0, 3.0, -1.0, 5.0, 6.0]))
    assert importance("ebn", model, (1, 5))["0.weight"].tolist() == [6, 11]


def test_activations_are_read_after_batchnorm_and_the_shortcut():
    model, batch = RESIDUAL.model(), RESIDUAL.data()
    found = importance("activations", model, RESIDUAL.shape, batch)
    assert model.training, "the network is left as it was"
    model.eval()
    with torch.no_grad():
        first = model.b(model.a(batch.x))
        inner = model.d(model.c(first.relu()))
        last = model.f(model.e(inner.relu())) + model.h(model.g(first.relu()))
    for name, values in (("a.weight", first), ("c.weight", inner), ("e.weight", last)):
        torch.testing.assert_close(found[name], values.double().abs().mean((0, 2, 3)), rtol=1e-6, atol=1e-7)


def test_activations_of_a_channel_that_several_functions_read_add_up_and_others_do_not_count():
    torch.manual_seed(0)
    model = Calls(
        lambda x, a, b, c: c(torch.cat([torch.tanh(a(x)), torch.relu(a(x)) * torch.sigmoid(torch.zeros(2)), b(x)], 1)),
        a=nn.Linear(3, 2), b=nn.Linear(3, 4), c=nn.Linear(8, 2),
    )  # fmt: skip
    batch = CONV.data().take(torch.arange(8))
    batch = type(batch)(batch.x.flatten(1)[:, :3], batch.y)
    found = importance("activations", model, (3,), batch, ["a.weight"])
    expected = 2 * dict(model.named_children())["a"](batch.x).detach().double().abs().mean(0)
    torch.testing.assert_close(found["a.weight"], expected)


def test_what_cannot_be_known_is_refused_in_one_line():
    plain = nn.Sequential(nn.Linear(3, 4), nn.Identity(), nn.Linear(4, 2))
    with pytest.raises(
        PruningError, match=r"^importance=ebn needs BatchNorm with γ and β, and the channels of 0\.weig"
    ):
        importance("ebn", plain, (3,))
    with pytest.raises(PruningError, match=r"no activation function reads the channels of 0\.weight$"):
        importance("activations", plain, (3,), type(CONV.data())(torch.ones(4, 3), torch.arange(4)))
    bare = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, affine=False), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(PruningError, match="BatchNorm with γ and β"):
        importance("ebn", bare, (3,))

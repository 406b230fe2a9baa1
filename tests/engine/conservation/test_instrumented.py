"""A network with virtual weights computes what the network computes, and its weights are what they stand for."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from prunebench.engine.conservation.instrumented import Instrumented
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError, UnsupportedOperatorError
from tests.engine.conservation.branched import network, parts


@settings(max_examples=15, deadline=None)
@given(parts())
def test_it_computes_the_same_function_with_the_same_derivative(drawn):
    model, shape = network(**drawn)
    x = torch.randn(4, *shape, dtype=torch.float64, requires_grad=True)
    for mode in ("eval", "train"):
        plain = copy.deepcopy(model).train(mode == "train")
        rebuilt = Instrumented.of(plain, shape, mode).train(mode == "train")
        expected, found = plain(x), rebuilt(x)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        (first,), (second,) = (torch.autograd.grad(y.square().sum(), x) for y in (expected, found))
        torch.testing.assert_close(second, first, rtol=1e-11, atol=1e-11)
        for name, buffer in plain.named_buffers():
            torch.testing.assert_close(rebuilt.network.get_buffer(name), buffer)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 2, 3, padding=1)
        self.bn = nn.BatchNorm1d(2, eps=1e-14)

    def forward(self, x: Tensor) -> Tensor:
        return (self.bn(self.conv(x)).relu() + x).flatten(1)


def small() -> nn.Module:
    model = Small().eval()
    with torch.no_grad():
        model.conv.bias.copy_(torch.tensor([2.0, -3.0]))
        model.bn.running_mean.copy_(torch.tensor([1.0, 5.0]))
        model.bn.running_var.copy_(torch.tensor([4.0, 0.25]))
        model.bn.weight.copy_(torch.tensor([6.0, 7.0]))
        model.bn.bias.copy_(torch.tensor([0.5, -1.0]))
    return model


def values(rebuilt: Instrumented) -> dict[str, list[float]]:
    weights = prunable(rebuilt)
    assert weights.keys() == rebuilt.names.keys()
    return {rebuilt.names[name]: w.flatten().tolist() for name, w in weights.items() if name not in rebuilt.own}


def test_in_eval_mode_batch_norm_is_a_slope_and_a_shift():
    found = values(Instrumented.of(small(), (1, 4), "eval"))
    # Slopes 6 / √4 and 7 / √0.25; shifts 0.5 − 1·3 and −1 − 5·14.
    expected = {"conv.bias": [2, -3], "bn.weight": [3, 14], "bn.bias": [-2.5, -71], "sum1.0": [1, 1], "sum1.1": [1]}
    assert {name: pytest.approx(values) for name, values in expected.items()} == found


def test_in_train_mode_the_normalisation_stays():
    found = values(Instrumented.of(small(), (1, 4), "train"))
    assert (found["bn.weight"], found["bn.bias"]) == ([6, 7], [0.5, -1])


def test_a_module_that_is_called_twice_has_its_weights_once():
    shared = nn.Linear(3, 3)
    rebuilt = Instrumented.of(nn.Sequential(shared, nn.ReLU(), shared), (3,), "eval")
    assert list(rebuilt.names.values()) == ["0.weight", "0.bias"]


def test_a_pass_that_takes_another_way_is_refused():
    class Moody(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x)) if len(x) == 1 else self.first(x)

    rebuilt = Instrumented.of(Moody(), (2,), "eval")
    rebuilt(torch.ones(1, 2))
    with pytest.raises(PruningError, match="Moody computes something else from one call to the next"):
        rebuilt(torch.ones(2, 2))


def test_batch_norm_that_was_folded_does_not_run_in_train_mode():
    rebuilt = Instrumented.of(small(), (1, 4), "eval").train()
    with pytest.raises(PruningError, match="in train mode than in eval mode"):
        rebuilt(torch.ones(3, 1, 4))


class Adds(nn.Module):
    """Writes sums in place, and goes by the name of what it wrote to."""

    def __init__(self, view: bool) -> None:
        super().__init__()
        self.first, self.second, self.view = nn.Linear(4, 4), nn.Linear(4, 4), view

    def forward(self, x: Tensor) -> Tensor:
        out = self.first(x)
        (out.view(-1, 4) if self.view else out).add_(self.second(x))
        out.add_(x, alpha=2)
        out.relu_()
        return out


def test_a_sum_in_place_is_one_even_where_its_caller_does_not_bind_it():
    model, x = Adds(view=False), torch.randn(3, 4)
    rebuilt = Instrumented.of(model, (4,), "eval")
    torch.testing.assert_close(rebuilt(x), model(x))
    assert "sum2.1" in rebuilt.names.values()


def test_a_sum_into_a_view_is_refused():
    with pytest.raises(UnsupportedOperatorError, match="'add_' writes a sum into a view"):
        Instrumented.of(Adds(view=True), (4,), "eval")


def test_the_network_that_was_given_stays_as_it_is():
    model = small()
    before = copy.deepcopy(model.state_dict())
    Instrumented.of(model, (1, 4), "train").train()(torch.randn(3, 1, 4))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

"""What the wiring alone says."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from prunebench.engine.collapse import Observer
from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.bounds import cut_layers, fewest_weights, shortest_path
from prunebench.engine.structure.effective import Connectivity
from prunebench.errors import UnsupportedOperatorError
from tests.engine.residual import residual
from tests.engine.structure.unit_graph import SelfAttention, Skip, UnitGraph
from tests.zoo import conv_4, lenet_300_100, resnet_20, vgg_16

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Branches(nn.Module):
    """Two branches of one and three layers, joined by concatenation, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.short = nn.Linear(3, 2)
        self.long = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 3), nn.Linear(3, 2))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([self.long(x), self.short(x)], dim=1).view(x.size(0), -1))


class Nested(nn.Module):
    """A skip inside of a skip, summed in place, with a functional convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 1)
        self.outer = nn.Conv2d(2, 2, 1)
        self.inner = nn.Conv2d(2, 2, 1)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = F.conv2d(x, self.outer.weight, self.outer.bias)
        y = y.add_(self.inner(y).relu_())
        x = x + y
        return self.head(F.max_pool2d(x, 2).flatten(1))


class TwoHeads(nn.Module):
    """Half of the outputs come from one head, half from the other."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Linear(2, 2), nn.Linear(2, 1), nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return torch.cat([self.left(x), self.right(x)], dim=1)


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    return model


def chain(layers: int) -> nn.Module:
    return nn.Sequential(*(part for _ in range(layers) for part in (nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU())))


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_on_a_chain_the_shortest_path_has_every_layer_and_every_layer_cuts(layers: int) -> None:
    model = chain(layers)
    assert shortest_path(model, (3,)) == layers
    assert cut_layers(model, (3,)) == set(prunable(model))


@pytest.mark.parametrize(
    ("model", "shape", "path"),
    [
        (lambda: lenet_300_100((1, 28, 28), 10, width=0.05), (1, 28, 28), 3),
        (lambda: conv_4((3, 8, 8), 10, width=0.1), (3, 8, 8), 7),
        (lambda: vgg_16((3, 32, 32), 10, width=0.05), (3, 32, 32), 14),
    ],
    ids=["lenet-300-100", "conv-4", "vgg-16"],
)
def test_networks_without_shortcuts_are_chains(model: object, shape: tuple[int, ...], path: int) -> None:
    network = model()  # type: ignore[operator]
    assert shortest_path(network, shape) == path == len(prunable(network))
    assert cut_layers(network, shape) == set(prunable(network))


def test_resnet_20_is_cut_by_its_first_convolution_and_its_classifier_alone() -> None:
    model = resnet_20((3, 8, 8), 10, width=0.25)
    # First convolution, two shortcuts of 1 × 1, classifier.
    assert shortest_path(model, (3, 8, 8)) == 4
    assert cut_layers(model, (3, 8, 8)) == {"conv.weight", "classifier.weight"}
    deep = residual(9, "B", wide=4)
    assert shortest_path(deep, (3, 8, 8)) == 4
    # Shortcuts without weights leave the first convolution and the classifier.
    assert shortest_path(residual(3, "A", wide=4), (3, 8, 8)) == 2


def test_the_shortest_of_branches_counts_and_a_branch_is_no_cut() -> None:
    assert shortest_path(Branches(), (3,)) == 2
    assert cut_layers(Branches(), (3,)) == {"head.weight"}
    assert cut_layers(TwoHeads(), (2,)) == {"stem.weight"}
    assert shortest_path(Nested(), (1, 4, 4)) == 2
    assert cut_layers(Nested(), (1, 4, 4)) == {"stem.weight", "head.weight"}


@given(st.lists(st.sampled_from(["layer", "skip", "two in a skip", "projection"]), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_shortest_path_and_cuts_are_those_of_the_enumerated_paths(kinds: list[str]) -> None:
    made = {
        "layer": lambda: nn.Linear(2, 2),
        "skip": lambda: Skip(nn.Linear(2, 2), nn.ReLU()),
        "two in a skip": lambda: Skip(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)),
        "projection": lambda: Skip(nn.Linear(2, 2), nn.Linear(2, 2), shortcut=nn.Linear(2, 2)),
    }
    model = nn.Sequential(nn.Linear(2, 2), *(made[kind]() for kind in kinds))
    layers_of = [{e.weight[0] for e in path if e.weight} for path in UnitGraph(model, (2,)).paths()]
    assert shortest_path(model, (2,)) == min(map(len, layers_of))
    assert cut_layers(model, (2,)) == frozenset.intersection(*map(frozenset, layers_of))


def test_a_model_whose_output_does_not_depend_on_its_input_is_refused() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(torch.ones(1, 2))

    with pytest.raises(UnsupportedOperatorError, match="depends on its input"):
        shortest_path(Constant(), (2,))


def test_asking_for_the_wiring_changes_neither_model_nor_random_state() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 2)).train()
    before, state = {n: v.clone() for n, v in model.state_dict().items()}, torch.get_rng_state()
    shortest_path(model, (3,))
    cut_layers(model, (3,))
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(hasattr(p, "_layers") for p in model.parameters())


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)),
        nn.Sequential(nn.Linear(2, 2), Skip(nn.Linear(2, 2)), nn.Linear(2, 1)),
        nn.Sequential(nn.Linear(2, 1), Skip(nn.Linear(1, 2), shortcut=nn.Linear(1, 2))),
        nn.Sequential(nn.Conv1d(1, 2, 2), nn.ReLU(), nn.Conv1d(2, 2, 1), nn.Flatten(), nn.Sigmoid()),
        nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Softmax(1)),
        TwoHeads(),
        tied(),
    ],
    ids=["chain", "skip", "sum of two last layers", "convolution as last layer", "softmax", "two heads", "tied"],
)
def test_no_fewer_weights_can_avoid_a_collapse_and_as_many_can(model: nn.Module) -> None:
    observer = Observer(model, (2,))
    sizes = {name: w.shape for name, w in prunable(model).items()}
    total = sum(s.numel() for s in sizes.values())
    least: dict[str, int] = {}
    for bits in itertools.product([False, True], repeat=total):
        flat, masks = torch.tensor(bits), {}
        for name, shape in sizes.items():
            masks[name], flat = flat[: shape.numel()].view(shape), flat[shape.numel() :]
        for notion, survives in observer.view(Masks(masks)).survives().items():
            if survives:
                least[notion] = min(least.get(notion, total), sum(bits))
    assert observer.fewest == fewest_weights(model, (2,)) == least
    assert Connectivity(model, (2,)).full().total() == observer.total == total


def test_attention_is_two_layers_of_a_path() -> None:
    model = nn.Sequential(nn.Linear(2, 4), SelfAttention(4, 2), nn.Flatten(), nn.Linear(12, 2))
    assert shortest_path(model, (3, 2)) == 4
    assert cut_layers(model, (3, 2)) == set(prunable(model))
    assert fewest_weights(model, (3, 2))["classes_unreached"] == 5
    separate = nn.MultiheadAttention(4, 2, kdim=3, vdim=3, batch_first=True)
    separate.forward = functools.partial(attend, nn.MultiheadAttention.forward, separate)  # type: ignore[method-assign]
    assert len(prunable(separate)) == 4
    assert shortest_path(separate, (3, 4)) == 2


def attend(forward: Callable[..., tuple[Tensor, Tensor]], module: nn.Module, x: Tensor) -> Tensor:
    return forward(module, x, x[..., :3], x[..., :3])[0]


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(2, 2), Skip(nn.Linear(2, 2))),
        nn.Sequential(nn.Conv1d(1, 2, 1), nn.Flatten()),
        nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.LayerNorm(2)),
    ],
    ids=["a shortcut ends in the outputs", "outputs are positions", "outputs are normalised"],
)
def test_where_outputs_share_weights_the_bound_is_one_that_holds(model: nn.Module) -> None:
    shape = (1, 2) if isinstance(model[0], nn.Conv1d) else (2,)
    observer = Observer(model, shape)
    sizes = {name: w.shape for name, w in prunable(model).items()}
    total, least = observer.total, observer.total
    for bits in itertools.product([False, True], repeat=total):
        flat, masks = torch.tensor(bits), {}
        for name, size in sizes.items():
            masks[name], flat = flat[: size.numel()].view(size), flat[size.numel() :]
        if observer.view(Masks(masks)).survives()["classes_unreached"]:
            least = min(least, sum(bits))
    assert observer.fewest["no_path"] <= observer.fewest["classes_unreached"] <= least


def test_a_network_that_is_never_cut_still_needs_a_weight() -> None:
    assert shortest_path(Skip(nn.Linear(2, 2)), (2,)) == 0
    assert fewest_weights(Skip(nn.Linear(2, 2)), (2,))["no_path"] == 1

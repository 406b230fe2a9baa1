"""Effective weights: those on a path of kept weights, exact by position."""

from __future__ import annotations

import copy
import itertools
import math
from typing import TYPE_CHECKING

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.attention import scaled_dot_product
from prunebench.engine.structure.effective import Connectivity
from prunebench.errors import PruningError, UnsupportedOperatorError
from tests.engine.structure.unit_graph import Gate, SelfAttention, Skip, UnitGraph
from tests.zoo import resnet_20, vgg_16

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

seeds = st.integers(0, 2**31)


class Functional(nn.Module):
    """A forward pass given as a function of the layers and the input."""

    def __init__(self, forward: Callable[[nn.ModuleList, Tensor], object], *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._forward = forward

    def forward(self, x: Tensor) -> object:
        return self._forward(self.layers, x)


def drawn(model: nn.Module, share: float, seed: int) -> Masks:
    generator = torch.Generator().manual_seed(seed)
    return Masks({n: torch.rand(w.shape, generator=generator) < share for n, w in prunable(model).items()})


def entries(masks: Masks) -> dict[str, set[tuple[int, ...]]]:
    return {name: {tuple(i) for i in mask.nonzero().tolist()} for name, mask in masks.items()}


def assert_as_the_unit_graph_says(model: nn.Module, shape: tuple[int, ...], masks: Masks) -> None:
    expected, reached = UnitGraph(model, shape).effective(masks)
    connectivity = Connectivity(model, shape)
    effective, outputs = connectivity.effective(masks)
    assert entries(effective) == expected
    assert outputs.tolist() == reached
    assert connectivity.outputs(masks).tolist() == reached


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.sampled_from([0.3, 0.5, 0.8]), seeds)
@settings(max_examples=80, deadline=None)
def test_in_a_fully_connected_network_they_are_the_weights_of_the_enumerated_paths(
    widths: list[int], share: float, seed: int
) -> None:
    pairs = itertools.pairwise(widths)
    model = nn.Sequential(*(part for a, b in pairs for part in (nn.Linear(a, b), nn.ReLU())))
    masks = drawn(model, share, seed)
    expected: dict[str, set[tuple[int, ...]]] = {name: set() for name in masks}
    reached = [False] * widths[-1]
    for units in itertools.product(*map(range, widths)):
        links = [(name, (o, i)) for name, i, o in zip(masks, units, units[1:], strict=False)]
        if all(masks[name][place] for name, place in links):
            reached[units[-1]] = True
            for name, place in links:
                expected[name].add(place)
    effective, outputs = Connectivity(model, (widths[0],)).effective(masks)
    assert entries(effective) == expected
    assert outputs.tolist() == reached
    assert_as_the_unit_graph_says(model, (widths[0],), masks)


@st.composite
def convolutional(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """Small networks of convolutions, pooling, normalisation, skips and a linear layer."""
    shape = (draw(st.integers(1, 2)), draw(st.integers(3, 5)), draw(st.integers(3, 5)))
    channels, *extent = shape
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["convolution", "convolution", "max", "average", "skip", "projection"]))
        if kind == "convolution":
            wide = draw(st.integers(1, 3))
            groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0 and wide % g == 0]))
            kernel, pad = (draw(st.integers(1, 3)), draw(st.integers(1, 3))), draw(st.integers(0, 2))
            stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
            after = [(e + 2 * pad - dilation * (k - 1) - 1) // stride + 1 for e, k in zip(extent, kernel, strict=True)]
            if min(after) < 1:
                continue
            layers.append(nn.Conv2d(channels, wide, kernel, stride, pad, dilation, groups, bias=draw(st.booleans())))
            layers += [nn.BatchNorm2d(wide)] if draw(st.booleans()) else []
            channels, extent = wide, after
        elif kind in ("max", "average"):
            kernel, stride = draw(st.integers(1, 2)), draw(st.integers(1, 2))
            pad = draw(st.integers(0, kernel // 2))
            after = [(e + 2 * pad - kernel) // stride + 1 for e in extent]
            if min(after) < 1:
                continue
            layers.append((nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(kernel, stride, pad))
            extent = after
        elif kind == "skip":
            layers.append(Skip(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()))
        else:
            wide = draw(st.integers(1, 2))
            shortcut = nn.Conv2d(channels, wide, 1, stride=2, bias=False)
            layers.append(Skip(nn.Conv2d(channels, wide, 3, stride=2, padding=1), shortcut=shortcut))
            channels, extent = wide, [(e - 1) // 2 + 1 for e in extent]
        layers += [nn.ReLU()] if draw(st.booleans()) else []
    layers += [nn.Flatten(), nn.Linear(channels * extent[0] * extent[1], draw(st.integers(1, 2)))]
    return nn.Sequential(*layers), shape


@given(convolutional(), st.sampled_from([0.15, 0.3, 0.5, 0.8, 1.0]), seeds)
@settings(max_examples=200, deadline=None)
def test_in_a_convolutional_network_they_are_exact_by_position(
    network: tuple[nn.Module, tuple[int, ...]], share: float, seed: int
) -> None:
    model, shape = network
    assert_as_the_unit_graph_says(model, shape, drawn(model, share, seed))


@given(st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2), seeds)
@settings(max_examples=40, deadline=None)
def test_in_one_dimension_they_are_exact_by_position(
    kernel: int, stride: int, pad: int, dilation: int, seed: int
) -> None:
    convolution = nn.Conv1d(2, 2, kernel, stride, pad, dilation)
    length = (6 + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
    model = nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(2 * length, 2))
    assert_as_the_unit_graph_says(model, (2, 6), drawn(model, 0.4, seed))


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    model[2].weight = model[0].weight
    return model


WIRED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "depthwise": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, groups=3), nn.Conv2d(6, 2, 1), nn.Flatten(), nn.Linear(18, 2)
        ),
        (3, 3, 3),
    ),
    "transposed": (
        lambda: nn.Sequential(nn.Conv1d(1, 2, 2, stride=2), nn.ConvTranspose1d(2, 4, 3, 2, 1, groups=2, dilation=2)),
        (1, 6),
    ),
    "transposed in two dimensions": (
        lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, (2, 3), stride=(2, 1), padding=(0, 1)), nn.Conv2d(2, 1, 2)),
        (2, 2, 3),
    ),
    "linear on a sequence": (lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)), (3, 2)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 2)), (3, 2)),
    "layer norm over positions": (
        lambda: nn.Sequential(nn.Linear(2, 3), nn.LayerNorm((3, 3)), nn.Linear(3, 2)),
        (3, 2),
    ),
    "group norm": (
        lambda: nn.Sequential(
            nn.Conv1d(2, 4, 2), nn.GroupNorm(2, 4), nn.Conv1d(4, 2, 1), nn.Flatten(), nn.Linear(4, 2)
        ),
        (2, 3),
    ),
    "gate": (lambda: nn.Sequential(nn.Linear(3, 3), Gate(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 2)), (3,)),
    "attention": (
        lambda: nn.Sequential(nn.Linear(2, 4), SelfAttention(4, 2), nn.Flatten(), nn.Linear(12, 2)),
        (3, 2),
    ),
    "transformer block": (
        lambda: nn.Sequential(
            Skip(nn.LayerNorm(4), SelfAttention(4, 2)),
            Skip(nn.LayerNorm(4), nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 4)),
        ),
        (2, 4),
    ),
    "tied": (tied, (3,)),
}  # fmt: skip


@pytest.mark.parametrize("name", WIRED)
@pytest.mark.parametrize("share", [0.2, 0.4, 0.7, 1.0])
def test_every_kind_of_wiring_is_exact_by_position(name: str, share: float) -> None:
    build, shape = WIRED[name]
    model = build()
    for seed in range(5):
        assert_as_the_unit_graph_says(model, shape, drawn(model, share, seed))


def test_a_kernel_entry_that_only_sees_zero_padding_is_not_effective() -> None:
    # One position and a padding of one: the middle of the kernel is all that ever meets the input.
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Flatten(), nn.Linear(1, 1))
    connectivity = Connectivity(model, (1, 1, 1))
    effective, reached = connectivity.effective(connectivity.full())
    assert effective["0.weight"].nonzero().tolist() == [[0, 0, 1, 1]]
    assert reached.tolist() == [True]


def test_a_position_that_stride_skips_feeds_nothing() -> None:
    model = nn.Sequential(nn.Conv1d(1, 1, 1), nn.Conv1d(1, 1, 1, stride=2), nn.Flatten(), nn.Linear(2, 1))
    masks = Connectivity(model, (1, 3)).full()
    assert Connectivity(model, (1, 3)).effective(masks)[0] == masks
    # Position 1 is skipped: what a linear layer keeps of positions 0 and 2 is effective and nothing else.
    cropped = nn.Sequential(nn.Conv1d(1, 1, 2), nn.MaxPool1d(2, 2), nn.Flatten(), nn.Linear(1, 1))
    kept = Masks({"0.weight": torch.tensor([[[True, False]]]), "3.weight": torch.tensor([[True]])})
    assert Connectivity(cropped, (1, 4)).effective(kept)[0] == kept


def test_a_unit_that_only_a_bias_feeds_is_on_no_path() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].bias.fill_(5.0)
        model[2].bias.fill_(5.0)
    masks = Masks(
        {
            "0.weight": torch.tensor([[True, True], [False, False]]),
            "2.weight": torch.tensor([[False, True], [True, True]]),
        }
    )
    effective, reached = Connectivity(model, (2,)).effective(masks)
    assert effective["0.weight"].tolist() == [[True, True], [False, False]]
    assert effective["2.weight"].tolist() == [[False, False], [True, False]]
    assert reached.tolist() == [False, True]


def test_the_values_of_the_weights_do_not_matter() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    masks = drawn(model, 0.5, 3)
    expected = Connectivity(model, (3,)).effective(masks)[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(-1.0)
        model[1].running_mean.fill_(100.0)
    assert Connectivity(model, (3,)).effective(masks)[0] == expected
    assert 0 < expected.kept() < masks.kept()


def test_a_dead_main_branch_with_a_live_skip_is_connected() -> None:
    model = nn.Sequential(nn.Linear(3, 3), Skip(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3)), nn.Linear(3, 2))
    full = Masks.full(prunable(model))
    for dead in (["1.body.0.weight"], ["1.body.0.weight", "1.body.2.weight"]):
        masks = Masks({n: torch.zeros_like(m) if n in dead else m for n, m in full.items()})
        effective, reached = Connectivity(model, (3,)).effective(masks)
        assert reached.all()
        assert effective.dead_layers() == ["1.body.0.weight", "1.body.2.weight"]
        assert effective["0.weight"].all()
        assert effective["2.weight"].all()


def test_depth_cannot_overflow() -> None:
    depth, wide = 200, 40
    model = nn.Sequential(*(part for _ in range(depth) for part in (nn.Linear(wide, wide), nn.ReLU(inplace=True))))
    connectivity = Connectivity(model, (wide,))
    full = connectivity.full()
    assert connectivity.effective(full)[0] == full
    # One unit of one layer is cut off: its row, and its column in the next layer, are all that goes.
    cut = {**full, "100.weight": full["100.weight"].clone()}
    cut["100.weight"][7] = False
    effective, reached = connectivity.effective(Masks(cut))
    assert reached.all()
    assert effective["102.weight"].sum() == wide * wide - wide
    assert not effective["102.weight"][:, 7].any()
    assert effective.kept() == full.kept() - 2 * wide
    # A single path survives two hundred layers.
    thin = Masks({name: torch.zeros_like(mask) for name, mask in full.items()})
    for mask in thin.values():
        mask[3, 3] = True
    assert connectivity.effective(thin)[0] == thin


def test_effective_weights_are_kept_weights_and_effective_again() -> None:
    for model, shape in (
        (resnet_20((3, 8, 8), 10, width=0.25), (3, 8, 8)),
        (vgg_16((3, 32, 32), 4, width=0.05), (3, 32, 32)),
    ):
        connectivity = Connectivity(model, shape)
        for share in (0.05, 0.2, 0.6):
            masks = drawn(model, share, 11)
            effective, reached = connectivity.effective(masks)
            assert all(not (effective[n] & ~masks[n]).any() for n in masks)
            again, still = connectivity.effective(effective)
            assert again == effective
            assert torch.equal(still, reached)
            assert torch.equal(connectivity.outputs(masks), reached)


def shape_only(x: Tensor) -> Tensor:
    return x.view(x.size(0), -1).reshape(x.shape[0], -1).flatten(1)


EQUIVALENT: dict[str, tuple[Callable[[nn.ModuleList, Tensor], object], Callable[[nn.ModuleList, Tensor], object]]] = {
    "F.relu": (lambda m, x: m[1](F.relu(m[0](x))), lambda m, x: m[1](m[0](x))),
    "F.relu in place": (lambda m, x: m[1](F.relu(m[0](x), inplace=True)), lambda m, x: m[1](m[0](x))),
    "F.relu by keyword": (lambda m, x: m[1](F.relu(input=m[0](x))), lambda m, x: m[1](m[0](x))),
    "Tensor.relu_": (lambda m, x: m[1](m[0](x).relu_()), lambda m, x: m[1](m[0](x))),
    "Tensor.tanh_": (lambda m, x: m[1](m[0](x).tanh_()), lambda m, x: m[1](m[0](x))),
    "clamp": (lambda m, x: m[1](m[0](x).clamp(min=0)), lambda m, x: m[1](m[0](x))),
    "dropout": (lambda m, x: m[1](F.dropout(m[0](x), 0.5, training=True)), lambda m, x: m[1](m[0](x))),
    "scaling": (lambda m, x: m[1](m[0](x) * 0.5 / 3), lambda m, x: m[1](m[0](x))),
    "scaling of the input in place": (lambda m, x: m[1](m[0](x.mul_(2.0))), lambda m, x: m[1](m[0](x))),
    "shift of the input in place": (lambda m, x: m[1](m[0](x.sub_(0.5))), lambda m, x: m[1](m[0](x))),
    "residual by +": (lambda m, x: m[1](m[0](x) + x), lambda m, x: m[1](torch.add(m[0](x), x))),
    "residual by +=": (lambda m, x: m[1](m[0](x).__iadd__(x)), lambda m, x: m[1](m[0](x) + x)),
    "residual by add_": (lambda m, x: m[1](m[0](x).add_(x)), lambda m, x: m[1](m[0](x) + x)),
    "residual by add_ of a scaled skip": (lambda m, x: m[1](m[0](x).add_(x, alpha=2)), lambda m, x: m[1](m[0](x) + x)),
    "residual by keywords": (lambda m, x: m[1](torch.add(input=m[0](x), other=x)), lambda m, x: m[1](m[0](x) + x)),
    "difference": (lambda m, x: m[1](m[0](x) - x), lambda m, x: m[1](m[0](x) + x)),
    "sum of a broadcast": (lambda m, x: m[1](m[0](x) + x.mean(1, keepdim=True)), lambda m, x: m[1](m[0](x) + x)),
    "shapes": (lambda m, x: m[1](shape_only(m[0](x))), lambda m, x: m[1](m[0](x))),
    "halves": (lambda m, x: m[1](torch.cat(m[0](x).chunk(2, 1), dim=1)), lambda m, x: m[1](m[0](x))),
    "layers called as functions": (
        lambda m, x: F.linear(F.linear(x, m[0].weight, m[0].bias), m[1].weight),
        lambda m, x: m[1](m[0](x)),
    ),
    "keywords": (
        lambda m, x: F.linear(input=F.linear(x, weight=m[0].weight, bias=m[0].bias), weight=m[1].weight),
        lambda m, x: m[1](m[0](x)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUIVALENT)
def test_functional_and_in_place_forward_passes_count_as_their_plain_form(name: str) -> None:
    written, plain = EQUIVALENT[name]
    layers = nn.Linear(4, 4), nn.Linear(4, 3)
    for seed in range(6):
        masks = drawn(Functional(plain, *layers), 0.4, seed)
        ours, theirs = (
            Connectivity(Functional(f, *copy.deepcopy(layers)), (4,)).effective(masks) for f in (written, plain)
        )
        assert ours[0] == theirs[0]
        assert torch.equal(ours[1], theirs[1])


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.max_pool2d": lambda x: F.max_pool2d(x, 2),
    "F.max_pool2d with padding": lambda x: F.max_pool2d(x, kernel_size=3, stride=2, padding=1),
    "ceil mode": lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, 2),
    "module": nn.MaxPool2d(3, 2, padding=(1, 0)),
    "adaptive by keyword": lambda x: F.adaptive_max_pool2d(x, output_size=(2, 1)),
    "adaptive module": nn.AdaptiveMaxPool2d((1, 2)),
}


@pytest.mark.parametrize("name", POOLS)
def test_max_pooling_reaches_where_some_position_of_its_window_does(name: str) -> None:
    """The maximum of a 0/1 map, computed by torch's own max pooling, is that map's reachability."""
    pool = POOLS[name]
    for seed in range(4):
        model = Functional(lambda m, x: pool(m[0](x)), nn.Conv2d(1, 2, 1))
        # A linear map of the input's positions makes some of them unreached.
        spread = Functional(lambda m, x: pool(m[0](x.flatten(1)).view(-1, 1, 5, 5)), nn.Linear(25, 25))
        masks = drawn(spread, 0.03, seed)
        reached = masks["layers.0.weight"].any(1).float().view(1, 1, 5, 5)
        assert torch.equal(Connectivity(spread, (1, 5, 5)).outputs(masks), pool(reached).flatten() > 0)
        # Going back, a position is useful when some window that is read has it.
        effective, _ = Connectivity(spread, (1, 5, 5)).effective(masks)
        covered = torch.autograd.grad(
            F.avg_pool2d(window := torch.ones(1, 1, 5, 5, requires_grad=True), 1).sum(), window
        )[0]
        assert covered.all()
        counted = torch.zeros(25)
        for position in range(25):
            one = torch.zeros(25)
            one[position] = 1
            counted[position] = pool(one.view(1, 1, 5, 5)).sum()
        expected = masks["layers.0.weight"] & (counted > 0)[:, None]
        assert torch.equal(effective["layers.0.weight"], expected)
        assert Connectivity(model, (1, 5, 5)).outputs(Masks.full(prunable(model))).all()


def pad_with_ones(m: nn.ModuleList, x: Tensor) -> Tensor:
    return m[1](F.pad(m[0](x), (1, 1), value=1.0))


def pad_by_module(m: nn.ModuleList, x: Tensor) -> Tensor:
    return m[1](nn.ConstantPad1d((1, 1), 2.0)(m[0](x)))


def joined_with_a_constant(m: nn.ModuleList, x: Tensor) -> Tensor:
    return m[1](torch.cat([m[0](x), torch.ones(1, 2)], dim=1))


@pytest.mark.parametrize("forward", [pad_with_ones, pad_by_module, joined_with_a_constant])
def test_a_constant_that_joins_the_activations_feeds_no_path(
    forward: Callable[[nn.ModuleList, Tensor], Tensor],
) -> None:
    model = Functional(forward, nn.Linear(2, 2), nn.Linear(4, 1))
    effective, _ = Connectivity(model, (2,)).effective(Masks.full(prunable(model)))
    assert effective["layers.0.weight"].all()
    live = [0, 1] if forward is joined_with_a_constant else [1, 2]
    assert effective["layers.1.weight"].nonzero()[:, 1].tolist() == live
    none = Masks({"layers.0.weight": torch.zeros(2, 2) > 0, "layers.1.weight": torch.ones(1, 4) > 0})
    assert Connectivity(model, (2,)).outputs(none).tolist() == [False]


def written_into_a_buffer(m: nn.ModuleList, x: Tensor) -> Tensor:
    buffer = torch.zeros(x.shape[0], 3)
    buffer[:, :3] = m[0](x)
    return m[1](buffer)


UNSUPPORTED: dict[str, tuple[Callable[[nn.ModuleList, Tensor], object], str]] = {
    "matmul": (lambda m, x: m[1](torch.matmul(x, torch.ones(3, 3))), "matmul"),
    "einsum": (lambda m, x: m[1](torch.einsum("ni,ij->nj", x, torch.ones(3, 3))), "einsum"),
    "quotient of activations": (lambda m, x: m[1](m[0](x) / x), "div"),
    "transposed attribute": (lambda m, x: m[1](torch.cumsum(m[0](x).H.H, 1)), "'H'"),
    "bicubic interpolation": (
        lambda m, x: F.interpolate(m[0](x).view(1, 1, 1, 3), size=(2, 2), mode="bicubic"), "bicubic",
    ),
    "attention with a mask": (
        lambda m, x: F.scaled_dot_product_attention(m[0](x)[None], x[None], x[None], is_causal=True), "attention",
    ),
    "a weight of the input": (lambda m, x: F.linear(torch.ones(1, 3), m[0](x).expand(3, 3)), "depends on the input"),
    "torch.batch_norm": (
        lambda m, x: torch.batch_norm(m[0](x), None, None, torch.zeros(3), torch.ones(3), False, 0.1, 1e-5, False),
        "batch_norm",
    ),
    "maximum": (lambda m, x: m[1](m[0](x).amax(1, keepdim=True).expand(-1, 3)), "amax"),
    "max pooling with dilation": (lambda m, x: F.max_pool1d(m[0](x)[None], 2, dilation=2), "dilation"),
    "max pooling with indices": (lambda m, x: F.max_pool1d(m[0](x)[None], 2, return_indices=True)[0], "indices"),
    "a tuple": (lambda m, x: (m[1](m[0](x)), x), "does not return one tensor"),
    "a constant": (lambda m, x: torch.ones(1, 2), "depends on its input"),
    "a buffer written to": (written_into_a_buffer, "__setitem__"),
    "a weight that is computed": (lambda m, x: m[1](F.linear(x, m[0].weight * 2)), "'mul' on a prunable weight"),
    "a weight outside of a layer": (lambda m, x: m[1](x @ m[0].weight.t()), "'t' on a prunable weight"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_forward_pass_without_a_rule_is_refused_and_not_guessed(name: str) -> None:
    forward, message = UNSUPPORTED[name]
    model = Functional(forward, nn.Linear(3, 3), nn.Linear(3, 2))
    connectivity = Connectivity(model, (3,))
    with pytest.raises(UnsupportedOperatorError, match=message) as caught:
        connectivity.effective(connectivity.full())
    assert "\n" not in str(caught.value)
    with pytest.raises(UnsupportedOperatorError, match=message):
        connectivity.outputs(connectivity.full())


def test_a_layer_that_takes_no_part_has_no_effective_weight() -> None:
    model = Functional(lambda m, x: m[0](x), nn.Linear(2, 2), nn.Linear(2, 2))
    effective, reached = Connectivity(model, (2,)).effective(Masks.full(prunable(model)))
    assert effective.by_layer() == {"layers.0.weight": 4, "layers.1.weight": 0}
    assert reached.all()


def test_masks_of_another_model_are_refused() -> None:
    connectivity = Connectivity(nn.Linear(2, 2), (2,))
    with pytest.raises(PruningError, match="same prunable tensors"):
        connectivity.effective(Masks({"other": torch.ones(2, 2, dtype=torch.bool)}))
    with pytest.raises(PruningError, match="mask of weight"):
        connectivity.outputs(Masks({"weight": torch.ones(3, 2, dtype=torch.bool)}))


def test_asking_leaves_the_model_and_the_random_state_as_they_were() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(8, 2)).train()
    before = {name: v.clone() for name, v in model.state_dict().items()}
    state = torch.get_rng_state()
    connectivity = Connectivity(model, (1, 4, 4))
    connectivity.effective(connectivity.full())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[name]) for name, v in model.state_dict().items())
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


NORMALISED: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "softmax": (lambda x: x.softmax(-1), lambda x: F.layer_norm(x, (4,))),
    "log_softmax": (lambda x: F.log_softmax(x, dim=-1), lambda x: F.layer_norm(x, (4,))),
    "rms_norm": (lambda x: F.rms_norm(x, (4,)), lambda x: F.layer_norm(x, (4,))),
    "normalize": (lambda x: F.normalize(x, dim=-1), lambda x: F.layer_norm(x, (4,))),
    "instance_norm": (F.instance_norm, lambda x: F.group_norm(x, 3)),
    "nn.InstanceNorm1d with running statistics": (
        nn.InstanceNorm1d(3, track_running_stats=True).eval(), lambda x: x,
    ),
    "nn.GroupNorm": (nn.GroupNorm(1, 3), lambda x: F.layer_norm(x, (3, 4))),
    "scaled dot product": (
        lambda x: F.scaled_dot_product_attention(x, x, x), lambda x: F.layer_norm(x, (3, 4)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMALISED)
def test_normalisations_reach_what_they_normalise_together(name: str) -> None:
    """Compared with the norms that the unit graph has been asked about."""
    written, known = NORMALISED[name]
    layers = nn.Linear(4, 4), nn.Linear(12, 2)
    for seed in range(6):
        ours, theirs = (
            Functional(lambda m, x, f=f: m[1](f(m[0](x)).flatten(1)), *layers) for f in (written, known)
        )  # fmt: skip
        masks = drawn(theirs, 0.2, seed)
        if name == "scaled dot product":  # a position that nothing reaches is reached through the keys of others
            masks = Masks({**masks, "layers.0.weight": torch.ones(4, 4, dtype=torch.bool)})
        found, expected = (Connectivity(model, (3, 4)).effective(masks) for model in (ours, theirs))
        assert found[0] == expected[0]
        assert torch.equal(found[1], expected[1])


def test_attention_passes_a_value_to_every_position_and_a_query_to_its_own() -> None:
    none = torch.zeros(1, 3, 2)
    one = none.clone()
    one[0, 2, 1] = 1
    assert (scaled_dot_product(none, none, one) > 0).tolist() == [[[False, True]] * 3]
    assert (scaled_dot_product(none, one, none) > 0).all()
    expected = torch.zeros(1, 3, 2, dtype=torch.bool)
    expected[0, 2] = True
    assert torch.equal(scaled_dot_product(one, none, none) + none > 0, expected)


class SqueezeAndExcite(nn.Module):
    """A gate per channel, computed from the channels' means."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.down, self.up = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 1), nn.Conv2d(1, 2, 1)
        self.head = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        gate = F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))
        return self.head((gate * F.hardswish(x)).mean((2, 3)))


def test_a_gate_reaches_what_it_gates() -> None:
    model = SqueezeAndExcite()
    full = Masks.full(prunable(model))
    assert Connectivity(model, (1, 2, 2)).effective(full)[0] == full
    # The second channel gets nothing but its gate, which the first channel feeds.
    masks = Masks({**full, "conv.weight": torch.tensor([True, False]).view(2, 1, 1, 1)})
    effective, reached = Connectivity(model, (1, 2, 2)).effective(masks)
    assert effective["up.weight"].flatten().tolist() == [True, True]
    assert effective["down.weight"].flatten().tolist() == [True, False]
    assert effective["head.weight"].all()
    assert reached.all()


def test_an_identity_shortcut_that_pads_channels_and_skips_positions_is_followed_by_position() -> None:
    """Option A of He et al. 2016: every second position, zeros for the new channels."""
    model = Functional(
        lambda m, x: m[1]((F.pad(x[:, :, ::2], (0, 0, 0, 1)) + m[0](x)).flatten(1)),
        nn.Conv1d(1, 2, 3, stride=2, padding=1),
        nn.Linear(4, 1),
    )
    masks = Masks({"layers.0.weight": torch.zeros(2, 1, 3, dtype=torch.bool), "layers.1.weight": torch.ones(1, 4) > 0})
    effective, reached = Connectivity(model, (1, 4)).effective(masks)
    # Channel 0 carries the shortcut, channel 1 is padding.
    assert effective["layers.1.weight"].tolist() == [[True, True, False, False]]
    assert reached.all()


@pytest.mark.parametrize(
    "name",
    [
        "resnet18", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1",
        "shufflenet_v2_x0_5", "googlenet", "efficientnet_b0", "convnext_tiny", "vit_b_32",
    ],
)  # fmt: skip
def test_torchvision_models_have_rules_and_lose_nothing_where_nothing_is_pruned(name: str) -> None:
    options = {"vit_b_32": {"image_size": 64}, "googlenet": {"aux_logits": False, "init_weights": False}}
    model = torchvision.models.get_model(name, weights=None, num_classes=3, **options.get(name, {}))
    connectivity = Connectivity(model, (3, 64, 64))
    effective, reached = connectivity.effective(connectivity.full())
    assert reached.all()
    # What is lost are kernel entries that see nothing but padding: never an entry of a 1 × 1 kernel or of a matrix.
    for layer, mask in effective.items():
        if math.prod(mask.shape[2:]) == 1:
            assert mask.all(), layer
        else:
            assert mask.flatten(2).any(2).all(), layer

"""Parameters and multiply-accumulates, dense and under masks."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.cost import cost_of
from prunebench.errors import PruningError
from tests.engine.structure.unit_graph import SelfAttention, Skip
from tests.zoo import conv_4, lenet_300_100, resnet_20, vgg_16

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor


def flops(model: nn.Module, shape: tuple[int, ...]) -> int:
    """As torch counts them, with its fused attention switched off."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model.eval()(torch.ones(1, *shape))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops()


def torchvision_model(name: str) -> nn.Module:
    return torchvision.models.get_model(name, weights=None, num_classes=10)


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet-300-100": (lambda: lenet_300_100((1, 28, 28), 10), (1, 28, 28)),
    "conv-4": (lambda: conv_4((3, 32, 32), 10, width=0.5), (3, 32, 32)),
    "resnet-20": (lambda: resnet_20((3, 32, 32), 10), (3, 32, 32)),
    "vgg-16": (lambda: vgg_16((3, 32, 32), 10, width=0.25), (3, 32, 32)),
    "resnet18": (lambda: torchvision_model("resnet18"), (3, 64, 64)),
    "mobilenet_v2": (lambda: torchvision_model("mobilenet_v2"), (3, 64, 64)),
    "efficientnet_b0": (lambda: torchvision_model("efficientnet_b0"), (3, 64, 64)),
    "grouped, strided, padded, dilated": (lambda: nn.Conv2d(4, 6, (3, 2), 2, 1, 2, groups=2), (4, 11, 9)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, groups=2), (4, 5, 5)),
    "transposed in one dimension": (lambda: nn.ConvTranspose1d(3, 4, 3, 2, dilation=2), (3, 7)),
    "volume": (lambda: nn.Conv3d(2, 4, 3, padding=1), (2, 5, 4, 5)),
    "sequence": (lambda: nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 2, bias=False)), (2, 3, 5)),
    "attention": (lambda: SelfAttention(8, 2), (5, 8)),
    "transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8)),
    "inside out": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3).to(memory_format=torch.channels_last)), (2, 6, 6)),
}


@pytest.mark.parametrize("name", MODELS)
def test_twice_the_macs_of_a_dense_network_are_what_torch_counts(name: str) -> None:
    build, shape = MODELS[name]
    model = build()
    cost = cost_of(model, shape)
    assert 2 * cost.macs == flops(model, shape)
    assert cost.kept_macs == cost.macs
    assert cost.kept == cost.prunable == sum(w.numel() for w in prunable(model).values())
    assert cost.parameters == sum(p.numel() for p in model.parameters())


def applications(module: nn.Module, shape: tuple[int, ...], places: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The weight entry of every multiplication of a convolution, one by one, zero padding included."""
    out, ins, *taps = module.weight.shape
    for _ in itertools.product(*map(range, places)):
        yield from itertools.product(range(out), range(ins), *map(range, taps))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_under_masks_every_kept_weight_counts_wherever_it_is_applied(share: float) -> None:
    convolution = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
    up = nn.ConvTranspose2d(6, 2, 2, stride=2)
    model = nn.Sequential(convolution, nn.BatchNorm2d(6), nn.ReLU(), up, nn.Flatten(), nn.Linear(2 * 6 * 4, 3))
    generator = torch.Generator().manual_seed(1)
    masks = Masks({n: torch.rand(w.shape, generator=generator) < share for n, w in prunable(model).items()})
    cost = cost_of(model, (4, 5, 4), masks)
    # 5 × 4 positions become 3 × 2, from each of which the transposed convolution makes 2 × 2.
    expected = {
        "0.weight": sum(bool(masks["0.weight"][e]) for e in applications(convolution, (5, 4), (3, 2))),
        "3.weight": sum(bool(masks["3.weight"][e]) for e in applications(up, (3, 2), (3, 2))),
        "5.weight": int(masks["5.weight"].sum()),
    }
    assert {name: layer.kept_macs for name, layer in cost.layers.items()} == expected
    assert {name: layer.kept for name, layer in cost.layers.items()} == masks.by_layer()
    assert cost.kept_macs == sum(expected.values())
    assert cost.macs == cost_of(model, (4, 5, 4)).macs
    assert cost.kept == masks.kept()


def test_a_mask_of_attention_covers_its_projections_and_nothing_else() -> None:
    model = SelfAttention(4, 2)
    masks = Masks.full(prunable(model))
    masks["attention.in_proj_weight"][5:] = False  # the queries' four rows and one of the keys'
    masks["attention.out_proj.weight"][:, 0] = False
    cost = cost_of(model, (3, 4), masks)
    products = 2 * 3 * 3 * 4  # queries by keys, weights by values: 3 × 3 positions of 4 channels each
    assert cost.macs == 3 * 48 + 3 * 16 + products
    assert cost.kept_macs == 3 * 20 + 3 * 12 + products
    assert {name: layer.kept_macs for name, layer in cost.layers.items()} == {
        "attention.in_proj_weight": 60, "attention.out_proj.weight": 36,
    }  # fmt: skip


class CrossAttention(nn.Module):
    """Of the first position to all."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x[:, :1], x, x)[0]


def test_parts_of_a_packed_weight_count_where_each_is_applied() -> None:
    model = CrossAttention()
    assert 2 * cost_of(model, (3, 4)).macs == flops(model, (3, 4))
    masks = Masks.full(prunable(model))
    masks["attention.in_proj_weight"][:3] = False  # three of the queries' four rows, applied at one position
    masks["attention.in_proj_weight"][8:, 1] = False  # a column of the values, applied at three
    layer = cost_of(model, (3, 4), masks).layers["attention.in_proj_weight"]
    assert (layer.macs, layer.kept_macs) == (1 * 16 + 3 * 32, 1 * 4 + 3 * 28)


def test_a_weight_that_is_applied_twice_costs_twice() -> None:
    layer = nn.Linear(3, 3)
    model = nn.Sequential(layer, nn.ReLU(), Skip(layer))
    masks = Masks({"0.weight": torch.eye(3, dtype=torch.bool)})
    cost = cost_of(model, (3,), masks)
    assert (cost.prunable, cost.kept, cost.macs, cost.kept_macs) == (9, 3, 18, 6)


def test_a_layer_that_takes_no_part_costs_nothing() -> None:
    model = nn.Linear(3, 3)
    model.add_module("unused", nn.Linear(3, 3))
    assert cost_of(model, (3,)).layers["unused.weight"].macs == 0


def test_counting_leaves_model_and_settings_as_they_are_and_cost_is_plain() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 2)).train()
    before, state = {n: v.clone() for n, v in model.state_dict().items()}, torch.get_rng_state()
    cost = cost_of(model, (3,))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())
    assert model.training
    assert torch.backends.mha.get_fastpath_enabled()
    plain = json.loads(json.dumps(cost.plain()))
    assert plain["macs"] == 15
    assert plain["layers"]["3.weight"] == {"weights": 6, "kept": 6, "macs": 6, "kept_macs": 6}


def test_masks_of_another_model_are_refused() -> None:
    with pytest.raises(PruningError, match="same prunable tensors"):
        cost_of(nn.Linear(2, 2), (2,), Masks({"other": torch.ones(2, 2, dtype=torch.bool)}))

"""Channels: what is removed, against smaller networks written out by hand and against laws that any network obeys."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.channels import Channels
from prunebench.engine.structure.effective import Connectivity
from prunebench.errors import PruningError, UnsupportedOperatorError
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.build import build_model
from tests.engine import shrunk
from tests.engine.residual import residual
from tests.engine.shrunk import Calls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ready()
IMAGE = (3, 8, 8)


def zoo(spec: str) -> Callable[[], nn.Module]:
    return lambda: build_model(Spec.parse(spec), IMAGE, 10, 0)


RESNET, PADDED = "resnet-20(width=0.25)", "resnet-20(width=0.25,shortcut=option-a)"
Shrunk = tuple["Callable[[], nn.Module]", "Callable[..., Tensor]", tuple[int, ...]]
SHRUNK: dict[str, Shrunk] = {
    "perceptron": (shrunk.perceptron, shrunk.shrunk_perceptron, (5,)),
    "pooled": (shrunk.pooled, shrunk.shrunk_pooled, IMAGE),
    "resnet-20, option B": (zoo(RESNET), shrunk.shrunk_resnet, IMAGE),
    "resnet-20, option A": (zoo(PADDED), shrunk.shrunk_resnet, IMAGE),
    "grouped and depthwise": (shrunk.grouped, shrunk.shrunk_grouped, IMAGE),
    "concatenated": (shrunk.concatenated, shrunk.shrunk_concatenated, IMAGE),
}


def gated(x: Tensor, a: nn.Module, b: nn.Module, c: nn.Module, d: nn.Module) -> Tensor:
    """Squeeze and excitation (Hu et al. 2018)."""
    y = F.relu(a(x))
    return d((y * torch.sigmoid(c(F.relu(b(y.mean((2, 3), keepdim=True)))))).flatten(1))


def shuffled(x: Tensor, a: nn.Module, b: nn.Module, norm: nn.Module, c: nn.Module) -> Tensor:
    """A unit of ShuffleNet v2 (Ma et al. 2018)."""
    left, right = F.relu(a(x)).chunk(2, dim=1)
    y = torch.cat([left, norm(b(right))], 1)
    return c(y.view(len(y), 2, 3, *y.shape[2:]).transpose(1, 2).flatten(1, 2)).mean((2, 3))


LAWFUL: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    **{name: (make, shape) for name, (make, _, shape) in SHRUNK.items()},
    "wrn-16": (lambda: build_model(Spec.parse("wrn-16(k=1)"), IMAGE, 10, 0), IMAGE),
    "zeros on both sides": (lambda: residual(1, "A", wide=4), IMAGE),
    "gated": (
        lambda: Calls(gated, a=nn.Conv2d(3, 6, 3), b=nn.Conv2d(6, 2, 1), c=nn.Conv2d(2, 6, 1), d=nn.Linear(216, 3)),
        IMAGE,
    ),
    "shuffled": (
        lambda: Calls(
            shuffled, a=nn.Conv2d(3, 6, 3), b=nn.Conv2d(3, 3, 3, padding=1, groups=3), norm=nn.BatchNorm2d(3),
            c=nn.Conv2d(6, 4, 1),
        ),
        IMAGE,
    ),
    "sum of a concatenation": (
        lambda: Calls(
            lambda x, a, b, c, d: d(F.relu(torch.cat([a(x), b(x)], -1) + c(x))),
            a=nn.Linear(5, 4), b=nn.Linear(5, 2), c=nn.Linear(5, 6), d=nn.Linear(6, 3),
        ),
        (5,),
    ),
    "transposed": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True), nn.ReLU(),
            nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), nn.GroupNorm(3, 6), nn.ReLU(), nn.Conv2d(6, 2, 1),
        ),
        IMAGE,
    ),
    "one-dimensional": (
        lambda: nn.Sequential(
            nn.Conv1d(2, 3, 5, padding=1), nn.BatchNorm1d(3), nn.MaxPool1d(2), nn.Flatten(), nn.BatchNorm1d(24),
            nn.Linear(24, 3),
        ),
        (2, 18),
    ),
    "shared": (
        lambda: Calls(
            lambda x, a, b, norm, c: c(F.relu(norm(b(F.relu(norm(b(F.relu(a(x)))))))) ),
            a=nn.Linear(5, 4), b=nn.Linear(4, 4), norm=nn.BatchNorm1d(4), c=nn.Linear(4, 3),
        ),
        (5,),
    ),
    "tokens": (
        lambda: Calls(lambda x, a, b, c: c(b(F.gelu(a(x))).mean(1)), a=nn.Linear(5, 6), b=nn.Linear(6, 4),
                      c=nn.Linear(4, 2)),
        (4, 5),
    ),
}  # fmt: skip


def made(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """In double precision, with random statistics and parameters of normalisations, and random biases."""
    torch.manual_seed(seed)
    model = make().double().eval()
    for name, value in model.state_dict().items():
        if value.dim() == 1:
            value.copy_(torch.rand_like(value) + 0.5 if "var" in name else torch.randn_like(value))
    return model


def drawn(channels: Channels, share: float = 0.5) -> dict[str, Tensor]:
    """Random channels to remove; of every kind at least one stays, and one goes if there are two."""
    removed = {name: torch.rand(group.size) < share for name, group in channels.groups.items()}
    for name, group in channels.groups.items():
        for kind in range(int(group.kinds.max()) + 1):
            own = (group.kinds == kind).nonzero().flatten()
            goes, *_, stays = own[torch.randperm(len(own))].tolist() * 2
            removed[name][goes], removed[name][stays] = True, False
    return removed


def without(model: nn.Module, masks: Masks, affine: Mapping[str, Tensor]) -> nn.Module:
    model = copy.deepcopy(model)
    masks.apply(model)
    with torch.no_grad():
        for name, keeps in affine.items():
            model.get_parameter(name)[~keeps] = 0
    return model


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", SHRUNK)
def test_a_network_without_channels_computes_what_the_smaller_network_does(name: str, training: bool) -> None:
    make, smaller, shape = SHRUNK[name]
    for seed in range(3):
        model = made(make, seed)
        channels = Channels.of(model, shape)
        removed = drawn(channels)
        kept = {group: (~flags).nonzero().flatten().tolist() for group, flags in removed.items()}
        x = torch.randn(6, *shape, dtype=torch.double)
        expected = smaller(model.state_dict(), kept, x, training)
        pruned = without(model, channels.masks(removed), channels.affine(removed)).train(training)
        torch.testing.assert_close(pruned(x), expected)
        assert any(flags.any() for flags in removed.values())
        assert not torch.allclose(model.train(training)(x), expected)


@pytest.mark.parametrize("name", LAWFUL)
def test_neither_a_removed_channel_nor_its_readers_matter_once_the_other_is_gone(name: str) -> None:
    make, shape = LAWFUL[name]
    model = made(make, 1)
    channels = Channels.of(model, shape)
    removed = drawn(channels)
    masks, affine = channels.masks(removed), channels.affine(removed)
    own = {layer: torch.ones(mask.shape, dtype=torch.bool) for layer, mask in masks.items()}
    for group in channels.groups.values():
        for layer, numbers in group.channels.items():
            gone = removed[group.name][numbers] & (numbers >= 0)
            module = model.get_submodule(layer.rpartition(".")[0])
            if isinstance(module, nn.ConvTranspose2d):
                own[layer] &= ~gone.view(module.groups, -1).repeat_interleave(
                    module.in_channels // module.groups, 0
                )[:, :, None, None]  # fmt: skip
            else:
                own[layer][gone] = False
    x = torch.randn(6, *shape, dtype=torch.double)
    for training in (False, True):
        whole = without(model, masks, affine).train(training)(x)
        readers = Masks({layer: masks[layer] | ~own[layer] for layer in masks})
        torch.testing.assert_close(without(model, readers, {}).train(training)(x), whole)
        torch.testing.assert_close(without(model, Masks(own), affine).train(training)(x), whole)
    assert any((~mask).any() for mask in affine.values())
    assert not all(mask.all() for mask in masks.values())


@pytest.mark.parametrize("name", LAWFUL)
def test_a_removed_channel_is_exactly_zero_after_its_layers_and_normalisations(name: str) -> None:
    make, shape = LAWFUL[name]
    model = made(make, 2)
    channels = Channels.of(model, shape)
    removed = drawn(channels)
    affine = channels.affine(removed)
    pruned = without(model, channels.masks(removed), affine)
    silent = {norm: affine[f"{norm}.bias"] for group in channels.groups.values() for norm in group.norms}
    for group in channels.groups.values():
        for layer, numbers in group.channels.items():
            silent[layer.removesuffix(".weight")] = ~(removed[group.name][numbers] & (numbers >= 0))
    seen, loud = list[bool](), list[bool]()

    def look(module: nn.Module, _: object, output: Tensor, keeps: Tensor) -> None:
        maps = output.movedim(-1 if isinstance(module, nn.Linear) else 1, 0)
        seen.append(bool((maps[~keeps] == 0).all()))
        loud.append(bool((maps[keeps] != 0).any()))

    for module, keeps in silent.items():
        pruned.get_submodule(module).register_forward_hook(lambda *a, keeps=keeps: look(*a, keeps))
    for training in (False, True):
        pruned.train(training)(torch.randn(6, *shape, dtype=torch.double))
    assert len(seen) >= 2 * len(silent)
    assert all(seen)
    assert any(loud)


@pytest.mark.parametrize("name", ["perceptron", "pooled", "resnet-20, option B", "resnet-20, option A", "concatenated",
                                  "gated", "zeros on both sides", "wrn-16"])  # fmt: skip
def test_all_weights_that_stay_are_effective(name: str) -> None:
    make, shape = LAWFUL[name]
    model = made(make, 3)
    channels = Channels.of(model, shape)
    masks = channels.masks(drawn(channels))
    effective, outputs = Connectivity(model, shape).effective(masks)
    assert outputs.all()
    assert effective == masks
    assert channels.masks({}) == Masks.full(prunable(model))


def test_groups_of_a_resnet_with_projections() -> None:
    channels = Channels.of(zoo(RESNET)(), IMAGE)
    stream = [group for group in channels.groups.values() if len(group.layers) > 1]
    assert [(group.name, group.size) for group in stream] == [
        ("conv.weight", 4), ("blocks.3.conv2.weight", 8), ("blocks.6.conv2.weight", 16),
    ]  # fmt: skip
    assert stream[1].layers == tuple(
        f"blocks.{layer}.weight" for layer in ("3.conv2", "3.shortcut.0", "4.conv2", "5.conv2")
    )
    assert stream[1].norms == tuple(f"blocks.{norm}" for norm in ("3.bn2", "3.shortcut.1", "4.bn2", "5.bn2"))
    assert all(numbers.tolist() == list(range(8)) for numbers in stream[1].channels.values())
    inner = [group for group in channels.groups.values() if len(group.layers) == 1]
    assert [group.name for group in inner] == [f"blocks.{block}.conv1.weight" for block in range(9)]
    assert channels.group_of("blocks.4.conv2.weight") is stream[1]


def test_padded_shortcuts_couple_the_stages_channel_by_channel() -> None:
    channels = Channels.of(zoo(PADDED)(), IMAGE)
    assert list(channels.groups)[:2] == ["conv.weight", "blocks.0.conv1.weight"]
    group = channels.group_of("blocks.8.conv2.weight")
    assert (group.name, group.size, len(group.layers)) == ("conv.weight", 16, 10)
    assert group.channels["blocks.3.conv2.weight"].tolist() == list(range(8))
    assert group.kinds.tolist() == [0] * 4 + [1] * 4 + [2] * 8
    # Zeros on both sides: of 8 channels 2 to 5 are the old ones, of 16 then 4 to 11.
    group = Channels.of(residual(1, "A", wide=4), IMAGE).groups["0.weight"]
    assert group.channels["4.conv2.weight"].tolist() == [4, 5, 0, 1, 2, 3, 6, 7]
    assert group.channels["5.conv2.weight"].tolist() == [8, 9, 10, 11, 4, 5, 0, 1, 2, 3, 6, 7, 12, 13, 14, 15]


def test_groups_of_other_networks_by_hand() -> None:
    def of(name: str) -> list[tuple[tuple[str, ...], list[list[int]], tuple[str, ...]]]:
        make, shape = LAWFUL[name]
        found = Channels.of(make(), shape).groups.values()
        return [(g.layers, [numbers.tolist() for numbers in g.channels.values()], g.norms) for g in found]

    assert of("grouped and depthwise")[0] == (
        ("0.weight", "2.weight"), [[0, 1, 2, 3], [0, 0, 1, 1, 2, 2, 3, 3]], ("3",)
    )  # fmt: skip
    assert of("concatenated") == [
        (("a.weight",), [[0, 1, 2, 3]], ("norm",)), (("b.weight",), [[0, 1, 2]], ("norm",)),
        (("c.weight",), [[0, 1, 2, 3, 4]], ()),
    ]  # fmt: skip
    assert of("sum of a concatenation") == [
        (("a.weight", "b.weight", "c.weight"), [[0, 1, 2, 3], [4, 5], [0, 1, 2, 3, 4, 5]], ())
    ]
    assert of("shuffled") == [(("a.weight", "b.weight"), [[0, 1, 2, 3, 4, 5], [3, 4, 5]], ("norm",))]
    assert of("transposed")[1] == (("3.weight",), [[0, 0, 1, 1, 2, 2]], ("4",))
    assert of("one-dimensional") == [(("0.weight",), [[0, 1, 2]], ("1", "4"))]
    assert of("gated")[0][:2] == (("a.weight", "c.weight"), [[0, 1, 2, 3, 4, 5]] * 2)


def test_what_is_tied_together_within_a_layer_is_one_channel() -> None:
    layers = {"a": nn.Linear(3, 4), "norm": nn.LayerNorm(4), "b": nn.Linear(4, 2)}
    group = Channels.of(Calls(lambda x, a, norm, b: b(norm(a(x))), **layers), (3,)).groups["a.weight"]
    assert (group.size, group.channels["a.weight"].tolist(), group.norms) == (1, [0] * 4, ("norm",))
    layers = {"a": nn.Linear(3, 4), "b": nn.Linear(1, 2)}
    channels = Channels.of(Calls(lambda x, a, b: b(a(x).mean(1, keepdim=True)), **layers), (3,))
    assert channels.groups["a.weight"].size == 1
    assert channels.masks({"a.weight": torch.tensor([True])}).kept() == 0


def test_what_is_the_networks_own_or_its_inputs_can_not_be_removed() -> None:
    class Fixed(nn.Linear):
        prunable_weights = ()

    layers = {"a": nn.Linear(4, 4), "b": nn.Linear(4, 4), "c": Fixed(4, 4), "d": nn.Linear(4, 4)}
    channels = Channels.of(Calls(lambda x, a, b, c, d: d(b(a(x)) + c(x)) + x, **layers), (4,))
    assert list(channels.groups) == ["a.weight"]
    partly = Channels.of(Calls(lambda x, a, b: b(a(x)) + a(x)[:, :2], a=nn.Linear(4, 5), b=nn.Linear(5, 2)), (4,))
    assert partly.groups["a.weight"].channels["a.weight"].tolist() == [-1, -1, 0, 1, 2]
    for layer, text in (("d.weight", "no output of layer d.weight"), ("e.weight", "no layer e.weight")):
        with pytest.raises(PruningError, match=text):
            channels.group_of(layer)


def test_a_depthwise_layer_does_not_depend_on_the_networks_input() -> None:
    channels = Channels.of(nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), nn.Conv2d(3, 2, 1)), IMAGE)
    masks = channels.masks({"0.weight": torch.tensor([False, True, False])})
    assert masks["0.weight"].flatten(1).all(1).tolist() == [True, False, True]
    assert masks["1.weight"][:, :, 0, 0].tolist() == [[True, False, True]] * 2
    # What the outputs read by depthwise filters is as fixed as they are.
    assert not Channels.of(nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3, groups=3)), IMAGE).groups


def test_a_weight_that_reads_also_what_stays_is_kept() -> None:
    # The features of `b` are tokens, each with both channels of `a`.
    model = Calls(lambda x, a, b: b(a(x).transpose(1, 2)), a=nn.Linear(3, 2), b=nn.Linear(4, 5))
    channels = Channels.of(model, (4, 3))
    assert channels.masks({"a.weight": torch.tensor([True, False])})["b.weight"].all()
    assert not channels.masks({"a.weight": torch.tensor([True, True])})["b.weight"].any()


def test_counts_and_fan_in_by_hand() -> None:
    channels = Channels.of(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3, groups=2), nn.Flatten(),
                                         nn.Linear(6 * 16, 5)), IMAGE)  # fmt: skip
    removed = {"0.weight": torch.arange(8) < 3, "2.weight": torch.arange(6) >= 4}
    # Group 0 has inputs 3 and outputs 0 to 2, group 1 inputs 4 to 7 and output 3.
    assert channels.kept(removed) == channels.masks(removed).kept() == 5 * 27 + (3 * 1 + 1 * 4) * 9 + 5 * 4 * 16
    assert channels.fan_in_ratio(removed) == {"0.weight": 1, "2.weight": 4 * 4 / 7, "4.weight": 6 / 4}
    assert channels.fan_in_ratio({"0.weight": torch.ones(8, dtype=torch.bool)})["2.weight"] == 1


def test_removing_what_is_not_there_is_refused() -> None:
    channels = Channels.of(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), (3,))
    with pytest.raises(PruningError, match=r"no group of channels 1\.weight \(did you mean '0\.weight'\?\)"):
        channels.masks({"1.weight": torch.ones(2, dtype=torch.bool)})
    for flags in (torch.ones(4), torch.ones(3, dtype=torch.bool)):
        with pytest.raises(PruningError, match=r"group 0\.weight needs 4 booleans"):
            channels.affine({"0.weight": flags})


def test_an_operator_without_a_rule_is_named() -> None:
    with pytest.raises(UnsupportedOperatorError, match="cumsum"):
        Channels.of(Calls(lambda x, a: a(x).cumsum(1), a=nn.Linear(4, 4)), (4,))


def test_a_layer_that_is_not_called_stays_whole() -> None:
    model = Calls(lambda x, a, b, c: b(a(x)), a=nn.Linear(3, 4), b=nn.Linear(4, 2), c=nn.Linear(4, 4))
    channels = Channels.of(model, (3,))
    removed = {"a.weight": torch.tensor([True] * 3 + [False])}
    assert channels.masks(removed)["c.weight"].all()
    assert channels.kept(removed) == channels.masks(removed).kept() == 3 + 2 + 16

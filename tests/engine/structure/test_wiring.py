"""Wiring: edges between units, against the weights that are effective in the whole network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.engine.layout import Layout
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.effective import Connectivity
from prunebench.engine.structure.wiring import Groups, Wiring, wiring
from prunebench.errors import UnsupportedOperatorError
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.build import build_model

if TYPE_CHECKING:
    from collections.abc import Callable

ready()
IMAGE = (3, 8, 8)


class Calls(nn.Module):
    """Layers by name, and a function of them and the input as forward pass."""

    def __init__(self, forward: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(x, **self.layers)


def zoo(spec: str) -> Callable[[], nn.Module]:
    return lambda: build_model(Spec.parse(spec), IMAGE, 10, 0)


def written_in_place(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
    y = a(x)
    y += x
    return b(F.relu_(y))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (zoo("mlp(widths=[7],repeat=3)"), IMAGE),
    "lenet-300-100": (zoo("lenet-300-100(width=0.05)"), IMAGE),
    "conv-4": (zoo("conv-4(width=0.06)"), IMAGE),
    "resnet-20": (zoo("resnet-20(width=0.25)"), IMAGE),
    "resnet-20 on small maps": (zoo("resnet-20(width=0.25)"), (3, 4, 4)),
    "resnet-20, padded shortcuts": (zoo("resnet-20(width=0.25,shortcut=option-a)"), IMAGE),
    "wrn-16": (lambda: build_model(Spec.parse("wrn-16(k=1)"), IMAGE, 10, 0), IMAGE),
    "concatenated": (
        lambda: Calls(
            lambda x, a, b, c: c(torch.cat([a(x), b(x), x], 1).mean((2, 3))),
            a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(3, 2, 1), c=nn.Linear(9, 5),
        ),
        IMAGE,
    ),
    "grouped and depthwise": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3, groups=3), nn.ReLU6(), nn.Conv2d(6, 4, 3, stride=2, groups=2), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(4, 3),
        ),
        IMAGE,
    ),
    "transposed": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), nn.Conv2d(6, 2, 1)),
        IMAGE,
    ),
    "one-dimensional": (
        lambda: nn.Sequential(nn.Conv1d(2, 3, 5, stride=2, padding=1), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(12, 3)),
        (2, 19),
    ),
    "sliced, so that units are dead": (
        lambda: Calls(
            lambda x, a, b: b(F.relu(a(x))[:, ::2].flatten(1)[:, :20]), a=nn.Conv2d(3, 6, 3), b=nn.Linear(20, 4)
        ),
        IMAGE,
    ),
    "padding only": (lambda: nn.Sequential(nn.Conv2d(3, 4, 5, padding=2), nn.Flatten(), nn.Linear(4, 2)), (3, 1, 1)),
    "gated and normalised": (
        lambda: Calls(
            lambda x, a, b, norm, c: c(norm(a(x)) * torch.sigmoid(b(x))),
            a=nn.Linear(5, 6), b=nn.Linear(5, 6), norm=nn.LayerNorm(6), c=nn.Linear(6, 2),
        ),
        (5,),
    ),
    "tokens": (
        lambda: Calls(lambda x, a, b: b(F.gelu(a(x)).mean(1)), a=nn.Linear(5, 6), b=nn.Linear(6, 2)), (4, 5)
    ),
    "shared": (lambda: Calls(lambda x, a, b: b(F.relu(a(F.relu(a(x))))), a=nn.Linear(4, 4), b=nn.Linear(4, 2)), (4,)),
    "in place": (lambda: Calls(written_in_place, a=nn.Linear(4, 4), b=nn.Linear(4, 2)), (4,)),
    "unfolded": (
        lambda: Calls(lambda x, a: a(F.unfold(F.pad(x, (1, 1, 0, 0)), 2, stride=2)[..., 0]), a=nn.Linear(12, 3)), IMAGE
    ),
}  # fmt: skip


def edge_weights(wires: Wiring, total: int) -> Tensor:
    found = torch.zeros(total, dtype=torch.bool)
    found[torch.from_numpy(wires.weight)] = True
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_the_edges_are_the_weights_that_are_effective_when_all_are_kept(name: str) -> None:
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = make()
    connectivity = Connectivity(model, shape)
    effective = Layout.of(connectivity.full()).flat(connectivity.effective(connectivity.full())[0])
    wires = wiring(model, shape)
    assert torch.equal(edge_weights(wires, len(effective)), effective)
    assert (np.diff(wires.target) >= 0).all()
    size = Layout.of(prunable(model)).flat(prunable(model)).abs().double().numpy()
    np.testing.assert_array_equal(wires.size, size[wires.weight])


def test_units_of_a_residual_block_and_its_shortcut_are_neighbours_of_what_reads_the_sum() -> None:
    model = Calls(lambda x, a, b, c: c(b(a(x)) + a(x)), a=nn.Linear(2, 3), b=nn.Linear(3, 3), c=nn.Linear(3, 1))
    wires = wiring(model, (2,))
    # Input units 0 and 1, those of a 2 to 4 and 8 to 10 (it is applied twice), of b 5 to 7, of c 11.
    feeds = np.split(wires.channels.members, wires.channels.starts[1:-1])
    assert [f.tolist() for f in feeds] == [[0], [1], [2], [3], [4], [0], [1], [5, 8], [6, 9], [7, 10]]
    assert (wires.inputs, wires.units, wires.outputs.members.tolist()) == (2, 12, [11])


def test_an_image_has_a_unit_a_channel_and_a_flat_input_one_a_feature() -> None:
    assert wiring(nn.Conv2d(3, 2, 3), IMAGE).inputs == 3
    assert wiring(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), IMAGE).inputs == 192
    wires = wiring(Calls(lambda x, a: a(x[:, 1:]), a=nn.Conv2d(2, 2, 3)), IMAGE)
    assert sorted(set(wires.channels.members.tolist())) == [1, 2]  # and 0, which nothing reads


def test_a_layer_that_is_not_prunable_is_passed_without_a_weight() -> None:
    class Fixed(nn.Linear):
        prunable_weights = ()

    wires = wiring(nn.Sequential(nn.Linear(3, 4), Fixed(4, 2)), (3,))
    assert wires.weight.tolist() == [*range(12), *[-1] * 8]


def test_kernel_entries_that_see_only_padding_are_no_edges() -> None:
    wires = wiring(nn.Conv2d(1, 1, 3, padding=1), (1, 1, 1))
    assert wires.weight.tolist() == [4]
    assert sorted(wiring(nn.Conv2d(1, 1, 3, padding=1), (1, 1, 2)).weight.tolist()) == [3, 4, 5]


@pytest.mark.parametrize(
    ("forward", "name"),
    [
        (lambda x, a: a(x).cumsum(1), "cumsum"),
        (lambda x, a: torch.matmul(a(x), a(x).t()), "matmul"),
        (lambda x, a: F.linear(a(x), a(x)), "weight that depends on the input"),
        (lambda x, a: F.avg_pool1d(a(x)[:, None], 2), "positions are several units"),
    ],
)
def test_an_operator_without_a_rule_is_named(forward: Callable[..., Tensor], name: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=name):
        wiring(Calls(forward, a=nn.Linear(4, 4)), (4,))


def test_a_model_whose_output_does_not_depend_on_its_input_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="one tensor that depends on its input"):
        wiring(Calls(lambda x, a: a(torch.ones(1, 4)), a=nn.Linear(4, 2)), (4,))


def test_tracing_changes_neither_the_model_nor_the_random_state() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.BatchNorm1d(4), nn.Linear(4, 2))
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    wiring(model, (4,))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(w.requires_grad for w in model.parameters())


def test_groups_by_hand() -> None:
    groups = Groups.of([[2, 0], [], [1]])
    assert groups.owners.tolist() == [0, 0, 2]
    assert groups.hit(np.array([True, False, False])).tolist() == [True, False, False]
    left = groups.only(np.array([True, True, False]))
    assert (left.starts.tolist(), left.members.tolist()) == ([0, 1, 1, 2], [0, 1])

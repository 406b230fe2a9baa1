"""Which tensors a method may prune."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from prunebench.engine.prunable import one_device, one_dtype, prunable
from prunebench.errors import PruningError


class Mixer(nn.Module):
    """A layer of its own making."""

    prunable_weights = ("matrix",)

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(3, 2))
        self.offset = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.t() + self.offset


LAYERS: dict[str, tuple[nn.Module, dict[str, tuple[int, ...]]]] = {
    "linear": (nn.Linear(2, 3), {"weight": (3, 2)}),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2), {"weight": (6, 2, 3, 3)}),
    "depthwise": (nn.Conv1d(4, 4, 5, groups=4), {"weight": (4, 1, 5)}),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, groups=2), {"weight": (4, 3, 3, 3)}),
    "volume": (nn.Conv3d(1, 2, 2), {"weight": (2, 1, 2, 2, 2)}),
    "attention": (nn.MultiheadAttention(4, 2), {"in_proj_weight": (12, 4), "out_proj.weight": (4, 4)}),
    "attention to another width": (
        nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
        {"q_proj_weight": (4, 4), "k_proj_weight": (4, 3), "v_proj_weight": (4, 5), "out_proj.weight": (4, 4)},
    ),
    "declared": (Mixer(), {"matrix": (3, 2)}),
    "neither embedding nor norm": (
        nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4), nn.BatchNorm1d(4), nn.PReLU(4), nn.Linear(4, 1)),
        {"4.weight": (1, 4)},
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_weights_of_linear_maps_are_prunable_in_module_order(name: str) -> None:
    model, expected = LAYERS[name]
    found = prunable(model)
    assert {n: tuple(w.shape) for n, w in found.items()} == expected
    assert list(found) == list(expected)
    assert all(found[n] is model.get_parameter(n) for n in found)


def test_a_tied_weight_counts_once_under_its_first_name() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    assert list(prunable(model)) == ["0.weight", "1.weight"]
    assert list(prunable(copy.deepcopy(model))) == ["0.weight", "1.weight"]
    shared = nn.Linear(3, 3)
    assert list(prunable(nn.Sequential(shared, nn.ReLU(), shared))) == ["0.weight"]


def test_a_layer_can_leave_all_its_weights_out() -> None:
    model = nn.ModuleDict({"memory": nn.LSTM(3, 3), "head": nn.Linear(3, 2)})
    with pytest.raises(PruningError, match=r"layer memory is LSTM.*prunable_weights to \(\)"):
        prunable(model)
    model["memory"].prunable_weights = ()
    assert list(prunable(model)) == ["head.weight"]
    model["memory"].prunable_weights = ("weight_ih_l0",)
    assert list(prunable(model)) == ["memory.weight_ih_l0", "head.weight"]


def pruned_by_torch() -> nn.Module:
    layer = nn.Linear(2, 2)
    prune.l1_unstructured(layer, "weight", amount=1)
    return layer


def declaring(value: object) -> nn.Module:
    layer = nn.Linear(2, 2)
    layer.prunable_weights = value
    return layer


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "no layers": (nn.Sequential(nn.ReLU(), nn.Embedding(3, 3)), "Sequential has no prunable weights"),
    "gru": (nn.Sequential(nn.GRU(3, 3)), "layer 0 is GRU"),
    "cell": (nn.LSTMCell(3, 3), "layer LSTMCell is LSTMCell"),
    "bilinear": (nn.Sequential(nn.Bilinear(2, 2, 2)), "layer 0 is Bilinear"),
    "weight norm": (parametrizations.weight_norm(nn.Linear(2, 2)), "layer weight is no parameter"),
    "torch pruning": (pruned_by_torch(), "layer weight is no parameter"),
    "lazy": (nn.LazyLinear(3), "layer weight is lazy"),
    "lazy convolution": (nn.Sequential(nn.LazyConv2d(3, 3)), "layer 0.weight is lazy"),
    "complex": (nn.Linear(2, 2, dtype=torch.complex64), "layer weight is torch.complex64"),
    "declared wrongly": (declaring("weight"), "tuple of parameter names, not 'weight'"),
    "declared numbers": (declaring((1,)), "tuple of parameter names"),
    "declared unknown": (declaring(("other",)), "layer other is no parameter"),
}


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_counted_rightly_is_refused_in_one_line(name: str) -> None:
    model, message = REFUSED[name]
    with pytest.raises(PruningError, match=message) as caught:
        prunable(model)
    assert "\n" not in str(caught.value)


def test_a_network_is_on_one_device_and_in_one_precision() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    assert one_device(model) == torch.device("cpu")
    assert one_dtype(model) == torch.float32
    assert one_dtype(copy.deepcopy(model).double()) == torch.float64
    with pytest.raises(PruningError, match="single or double precision"):
        one_dtype(copy.deepcopy(model).half())
    with pytest.raises(PruningError, match="single or double precision"):
        one_dtype(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double()))
    with pytest.raises(PruningError, match=r"several devices \(cpu, meta\)"):
        one_device(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, device="meta")))
    with pytest.raises(PruningError, match="meta device"):
        one_device(nn.Linear(2, 2, device="meta"))

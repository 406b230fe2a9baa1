"""Masks and what may be pruned."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from prunebench.engine.masks import Masks, check_alike
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))


def drawn(model: nn.Module, share: float = 0.5, seed: int = 0) -> Masks:
    generator = torch.Generator().manual_seed(seed)
    return Masks({n: torch.rand(w.shape, generator=generator) < share for n, w in prunable(model).items()})


def test_counts_density_and_dead_layers_are_those_of_the_tensors() -> None:
    masks = Masks({"a": torch.tensor([True, False, True]), "b": torch.zeros(2, 2, dtype=torch.bool)})
    assert (masks.total(), masks.kept(), masks.density()) == (7, 2, 2 / 7)
    assert masks.by_layer() == {"a": 2, "b": 0}
    assert masks.dead_layers() == ["b"]
    assert repr(masks) == "Masks(2 of 7 weights kept in 2 layers)"


def test_a_tensor_that_is_not_boolean_is_refused_with_its_name() -> None:
    with pytest.raises(TypeError, match=r"mask of conv is torch.float32, not bool"):
        Masks({"conv": torch.ones(3)})


def test_masks_are_equal_when_names_order_and_values_are() -> None:
    a, b = torch.tensor([True, False]), torch.tensor([False])
    masks = Masks({"a": a, "b": b})
    assert masks == Masks({"a": a.clone(), "b": b.clone()})
    assert hash(masks) == hash(Masks({"a": a.clone(), "b": b.clone()}))
    assert masks != Masks({"b": b, "a": a})
    assert masks != Masks({"a": ~a, "b": b})
    assert masks != {"a": a, "b": b}


def test_masks_keep_their_tensors_when_the_given_dict_changes() -> None:
    given = {"a": torch.tensor([True])}
    masks = Masks(given)
    given["b"] = torch.tensor([True])
    assert list(masks) == ["a"]


def test_full_masks_keep_every_prunable_weight() -> None:
    masks = Masks.full(prunable(network()))
    assert masks.density() == 1
    assert masks.total() == 2 * 9 + 8 * 3


def test_applying_zeroes_pruned_weights_and_nothing_else() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    masks = drawn(model)
    masks.apply(model)
    for name, value in model.state_dict().items():
        if name in masks:
            assert torch.equal(value, torch.where(masks[name], before[name], 0.0))
        else:
            assert torch.equal(value, before[name])
    after = {name: value.clone() for name, value in model.state_dict().items()}
    masks.apply(model)
    assert all(torch.equal(value, after[name]) for name, value in model.state_dict().items())


def test_applying_zeroes_a_pruned_weight_that_is_not_finite() -> None:
    model = nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[float("inf"), float("nan"), 2.0]]))
    Masks({"weight": torch.tensor([[False, False, True]])}).apply(model)
    assert model.weight.tolist() == [[0.0, 0.0, 2.0]]


def test_applying_masks_of_another_model_says_which_tensors_are_odd() -> None:
    model = network()
    masks = drawn(model)
    with pytest.raises(PruningError, match=r"same prunable tensors: 4\.weight"):
        Masks({"0.weight": masks["0.weight"]}).apply(model)
    with pytest.raises(PruningError, match=r"mask of 4\.weight is \[2, 8\], the weight \[3, 8\]"):
        Masks({**masks, "4.weight": masks["4.weight"][:2]}).apply(model)
    with pytest.raises(PruningError, match=r"same prunable tensors: head"):
        check_alike({**masks, "head": torch.ones(1)}, prunable(model))


@given(
    shapes=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_packing_and_unpacking_gives_the_same_masks(shapes: list[tuple[int, ...]], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = Masks({f"layer{i}": torch.rand(s, generator=generator) < 0.5 for i, s in enumerate(shapes)})
    packed = masks.packed()
    assert {name: t.numel() for name, t in packed.items()} == {n: -(-m.numel() // 8) for n, m in masks.items()}
    assert Masks.unpacked(packed, masks) == masks


def test_prunable_are_weights_of_linear_and_convolution_in_module_order() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(3, 2)
            self.first = nn.Conv2d(1, 3, 3)
            self.norm = nn.BatchNorm2d(3)
            self.line = nn.Conv1d(1, 1, 3)
            self.block = nn.Conv3d(1, 1, 3)

    model = Both()
    assert list(prunable(model)) == ["last.weight", "first.weight", "line.weight", "block.weight"]
    assert prunable(model)["first.weight"] is model.first.weight
    assert list(prunable(nn.Linear(2, 2))) == ["weight"]


def test_a_tied_weight_is_prunable_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    assert list(prunable(model)) == ["0.weight"]


def test_a_model_without_linear_or_convolution_is_refused() -> None:
    with pytest.raises(PruningError, match="Sequential has no prunable weights"):
        prunable(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()))


def test_a_lazy_layer_is_refused_with_its_name() -> None:
    with pytest.raises(PruningError, match=r"layer 1\.weight is lazy"):
        prunable(nn.Sequential(nn.Flatten(), nn.LazyLinear(3)))


def test_a_weight_that_is_computed_from_others_is_refused_with_its_name() -> None:
    parametrised = nn.Sequential(nn.Linear(2, 2), nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))
    with pytest.raises(PruningError, match=r"layer 1\.weight is no parameter"):
        prunable(parametrised)
    masked = nn.Sequential(nn.Linear(2, 2))
    prune.l1_unstructured(masked[0], "weight", amount=1)
    with pytest.raises(PruningError, match=r"layer 0\.weight is no parameter"):
        prunable(masked)


def test_masks_survive_a_file_with_names_order_and_shapes(tmp_path) -> None:
    masks = drawn(nn.Sequential(nn.Conv2d(3, 5, 3, groups=1), nn.Flatten(), nn.Linear(7, 3), nn.Linear(3, 1)))
    masks.save(tmp_path / "masks.safetensors")
    found = Masks.load(tmp_path / "masks.safetensors")
    assert found == masks
    assert list(found) == list(masks)
    assert [p.name for p in tmp_path.iterdir()] == ["masks.safetensors"]
    assert (tmp_path / "masks.safetensors").stat().st_size < 1000


def test_a_file_that_holds_no_masks_is_refused_in_one_line(tmp_path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(PruningError, match="cannot be read from"):
        Masks.load(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(PruningError, match="cannot be read from"):
        Masks.load(tmp_path / "text")
    save_file({"a": torch.zeros(3)}, tmp_path / "other")
    with pytest.raises(PruningError, match="holds no masks"):
        Masks.load(tmp_path / "other")
    save_file({"a": torch.zeros(1, dtype=torch.uint8)}, tmp_path / "cut",
              metadata={"format": "prunebench-masks-1", "shapes": '{"a": [4, 4]}'})  # fmt: skip
    with pytest.raises(PruningError, match="damaged: layer a has 1 bytes"):
        Masks.load(tmp_path / "cut")
    with pytest.raises(PruningError, match="cannot be written to"):
        drawn(network()).save(tmp_path / "missing" / "masks")

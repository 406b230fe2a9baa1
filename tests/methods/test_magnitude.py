"""Magnitude pruning against torch.nn.utils.prune."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

import prunebench as pb


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [2, 57, 400, 747])
def test_masks_are_those_of_global_unstructured_pruning_in_torch(count: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10)).to(dtype)
    masks = pb.prune(model, "magnitude", density=count / 748, input_shape=(3, 6, 6))
    theirs = copy.deepcopy(model)
    torch_prune.global_unstructured(
        [(theirs[0], "weight"), (theirs[3], "weight")], torch_prune.L1Unstructured, amount=748 - count
    )
    assert masks.kept() == count
    for name, module in (("0.weight", theirs[0]), ("3.weight", theirs[3])):
        assert torch.equal(masks[name], module.weight_mask.bool())


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_masks_in_the_scope_of_a_layer_are_those_of_pruning_each_by_itself(share: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10))
    masks = pb.prune(model, "magnitude(scope=layer)", density=share, input_shape=(20,))
    for name, layer in (("0.weight", model[0]), ("2.weight", model[2])):
        theirs = torch_prune.l1_unstructured(copy.deepcopy(layer), "weight", amount=1 - share)
        assert torch.equal(masks[name], theirs.weight_mask.bool())

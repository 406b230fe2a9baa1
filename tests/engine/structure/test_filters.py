"""Weights by output unit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from prunebench.engine.prunable import prunable
from prunebench.engine.structure.filters import by_filter

LAYERS = {
    "linear": (nn.Linear(4, 3), (5, 4)),
    "convolution": (nn.Conv2d(4, 6, (3, 2)), (1, 4, 5, 5)),
    "grouped": (nn.Conv1d(4, 6, 3, groups=2), (1, 4, 5)),
    "depthwise": (nn.Conv2d(4, 4, 3, groups=4), (1, 4, 5, 5)),
    "transposed": (nn.ConvTranspose2d(4, 6, (3, 2)), (1, 4, 5, 5)),
    "transposed in groups": (nn.ConvTranspose1d(4, 6, 3, groups=2), (1, 4, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_weights_of_a_row_are_those_that_lead_to_one_output_channel(name: str) -> None:
    layer, shape = LAYERS[name]
    model = nn.Sequential(layer)
    rows: list[int] = []

    def numbered(values: Tensor) -> Tensor:
        rows.append(values.shape[0])
        return torch.arange(len(values)).double()[:, None].expand_as(values).contiguous()

    found = by_filter(numbered, prunable(model), model)["0.weight"]
    output = layer(torch.randn(shape))
    channels = output.unbind(1)
    assert rows == [len(channels)]
    for channel, values in enumerate(channels):
        gradient = torch.autograd.grad(values.sum(), layer.weight, retain_graph=True)[0]
        assert torch.equal(gradient != 0, found == channel)


@pytest.mark.parametrize("name", LAYERS)
def test_the_identity_puts_every_value_back(name: str) -> None:
    model = nn.Sequential(LAYERS[name][0])
    values = {"0.weight": torch.arange(model[0].weight.numel()).view(model[0].weight.shape)}
    assert torch.equal(by_filter(lambda rows: rows, values, model)["0.weight"], values["0.weight"])


def test_a_vector_is_a_row_of_each_entry_and_the_model_itself_may_be_the_layer() -> None:
    class Scale(nn.Module):
        prunable_weights = ("factor",)

        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(3))

    assert by_filter(lambda rows: rows * len(rows), prunable(Scale()), Scale())["factor"].tolist() == [3, 3, 3]

"""The laws on scores that are given: sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunebench.engine.conservation.laws import cut_law, residual, size_slope, unit_law
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.flow_graph import FlowGraph


def counted(model: nn.Module) -> dict[str, Tensor]:
    """Scores 1, 2, 3, … through each layer, those of the n-th layer times 10ⁿ."""
    return {
        name: 10.0**number * torch.arange(1.0, 1 + weight.numel()).view(weight.shape)
        for number, (name, weight) in enumerate(prunable(model).items())
    }


def law(model: nn.Module, shape: tuple[int, ...]) -> tuple[list[str], list[float], list[float]]:
    found = unit_law(FlowGraph.of(model, shape), counted(model))
    return list(found.layers), found.incoming.tolist(), found.outgoing.tolist()


def test_a_hidden_unit_has_a_row_in_and_a_column_out():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    # [[1, 2, 3], [4, 5, 6]] and 10·[[1, 2], [3, 4]].
    assert law(model, (3,)) == (["0.weight"] * 2, [6, 15], [40, 60])


def test_a_channel_that_is_flattened_goes_out_at_all_positions():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2 * 2, 1))
    # Maps of 2 × 4 are pooled to 1 × 2: features 0 and 1 are of the first channel.
    assert law(model, (1, 2, 4)) == (["0.weight"] * 2, [1, 2], [30, 70])


def test_groups_read_their_own_channels_only():
    model = nn.Sequential(nn.Conv1d(1, 4, 1), nn.Conv1d(4, 2, 1, groups=2), nn.Flatten(), nn.Linear(2, 1))
    assert law(model, (1, 1)) == (["0.weight"] * 4 + ["1.weight"] * 2, [1, 2, 3, 4, 30, 70], [10, 20, 30, 40, 100, 200])


def test_transposed_convolutions_have_their_inputs_first():
    model = nn.Sequential(
        nn.ConvTranspose1d(2, 2, 1), nn.ConvTranspose1d(2, 4, 1, groups=2), nn.Flatten(), nn.Linear(4, 1)
    )
    # [[1, 2], [3, 4]] by input and output; then 10·[[1, 2], [3, 4]], a group each; 100·[1, 2, 3, 4].
    layers, into, out = law(model, (2, 1))
    assert layers == ["0.weight"] * 2 + ["1.weight"] * 4
    assert into == [4, 6, 10, 20, 30, 40]
    assert out == [30, 70, 100, 200, 300, 400]


class Block(nn.Module):
    def __init__(self, projected: bool) -> None:
        super().__init__()
        self.stem, self.inner = nn.Linear(1, 1), nn.Linear(1, 1)
        if projected:
            self.skip = nn.Linear(1, 1)
        self.head = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.inner(x.relu())
        return self.head((y + (self.skip(x) if hasattr(self, "skip") else x)).relu())


def cuts(model: nn.Module, shape: tuple[int, ...], scores: dict[str, float]) -> list[tuple[str, float]] | None:
    given = {name: torch.full(w.shape, scores[name.partition(".")[0]]) for name, w in prunable(model).items()}
    found = cut_law(FlowGraph.of(model, shape), given)
    return None if found is None else list(zip(found.layers, found.totals.tolist(), strict=True))


def test_an_identity_without_a_weight_joins_what_it_adds_up():
    model = Block(projected=False)
    # One set of units: what the stem and the branch feed, and what the branch and the head read.
    assert law(model, (1,)) == (["stem.weight"], [1 + 10], [10 + 100])


def test_a_layer_beside_an_identity_is_no_cut():
    assert cuts(Block(projected=False), (1,), {"stem": 1, "inner": 10, "head": 100}) == [
        ("stem.weight", 1), ("head.weight", 100),
    ]  # fmt: skip


def test_a_cut_takes_in_what_runs_beside_its_layer():
    model = Block(projected=True)
    assert cuts(model, (1,), {"stem": 1, "inner": 10, "skip": 100, "head": 1000}) == [
        ("stem.weight", 1), ("inner.weight", 110), ("head.weight", 1000),
    ]  # fmt: skip
    assert law(model, (1,)) == (["stem.weight", "inner.weight"], [1, 10 + 100], [10 + 100, 1000])


def test_an_input_that_is_added_to_the_output_leaves_no_cut_and_no_law():
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(2, 1), nn.Linear(1, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x).relu()) + x

    assert cuts(Around(), (2,), {"first": 1, "second": 1}) is None
    assert law(Around(), (2,))[0] == ["first.weight"]


def test_weights_that_are_not_prunable_have_no_law_and_spoil_the_cuts_that_they_cross():
    class Fixed(nn.Linear):
        prunable_weights = ()

    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.inner, self.beside, self.last = (
                nn.Linear(2, 2),
                nn.Linear(2, 2),
                Fixed(2, 2),
                nn.Linear(2, 2),
            )

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            return self.last(self.inner(x) + self.beside(x))

    assert law(Beside(), (2,)) == ([], [], [])
    assert cuts(Beside(), (2,), {"first": 1, "inner": 1, "last": 1}) == [("first.weight", 4), ("last.weight", 4)]


def test_a_layer_that_is_called_twice_counts_once():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(2, 1))
    # Its calls cannot be told apart: what feeds and reads its units in either call is one unit.
    layers, into, out = law(model, (3,))
    assert layers == ["0.weight"] * 2
    assert into == [6 + 30, 15 + 70]
    assert out == [40 + 100, 60 + 200]


def test_residuals_compare_with_a_share_of_what_cancels():
    found = residual(np.array([3.0, 0.0, 1e-12]), np.array([1.0, 0.0, -1e-12]), np.array([4.0, 0.0, 1.0]))
    assert found.tolist() == pytest.approx([0.5, 0, 2e-6])


def test_the_slope_is_minus_one_where_layers_have_one_total():
    assert size_slope([10, 100, 1000], [7, -7, 7]) == pytest.approx(-1)
    assert size_slope([10, 100, 1000], [20, 200, 2000]) == pytest.approx(0)
    assert size_slope([10, 10], [1, 2]) is None
    assert size_slope([10, 100], [0, 2]) is None

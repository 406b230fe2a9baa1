"""SynFlow-L2."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

import prunebench as pb


def test_scores_of_the_squared_network_by_hand() -> None:
    # θ²: W₁² = [[1, 4], [9, 16]], W₂² = [25, 36]; h = (5, 25), R = 125 + 900.
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    model[0].weight.data = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    model[2].weight.data = torch.tensor([[5.0, -6.0]])
    scores = pb.score(model, "synflow(rounds=1, l2=true)", input_shape=(2,))
    first = torch.tensor([[25.0, 100.0], [324.0, 576.0]]).double()
    second = torch.tensor([[125.0, 900.0]]).double()
    torch.testing.assert_close(scores["0.weight"].double() * 2050, first, rtol=1e-6, atol=0)
    torch.testing.assert_close(scores["2.weight"].double() * 2050, second, rtol=1e-6, atol=0)


def test_it_is_synflow_of_the_network_with_squared_weights_and_biases() -> None:
    torch.manual_seed(0)
    model, squared = (
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 5)).double()
        for _ in range(2)
    )
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), squared.parameters(), strict=True):
            theirs.copy_(ours**2)
    found = pb.score(model, "synflow(l2=true)", input_shape=(2, 6, 6))
    expected = pb.score(squared, "synflow", input_shape=(2, 6, 6))
    for name in found:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-12, atol=0)


def test_squared_flow_is_conserved_from_layer_to_layer() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in ((7, 9), (9, 4), (4, 3)))).double()
    scores = list(pb.score(model, "synflow(l2=true)", input_shape=(7,)).values())
    for before, after in itertools.pairwise(scores):
        torch.testing.assert_close(before.sum(1), after.sum(0), rtol=1e-10, atol=0)
    assert [float(s.sum()) for s in scores] == pytest.approx([1 / 3] * 3, rel=1e-10)


@pytest.mark.parametrize("rounds", ["1", "20", "adaptive"])
def test_counts_are_exact_and_a_strong_path_survives(rounds: str) -> None:
    torch.manual_seed(2)
    widths = [nn.Linear(a, b, bias=False) for a, b in ((30, 20), (20, 10), (10, 4))]
    model = nn.Sequential(widths[0], nn.ReLU(), widths[1], nn.ReLU(), widths[2])
    for count in (3, 40, 500):
        masks = pb.prune(model, f"synflow(l2=true, rounds={rounds})", density=count / 840, input_shape=(30,))
        assert masks.kept() == count
        if rounds == "adaptive":
            assert pb.effective_density(model, masks, input_shape=(30,)) > 0

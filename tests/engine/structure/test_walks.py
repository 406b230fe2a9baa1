"""Random walks: whole paths, with the chances of the paper."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from prunebench.engine.structure.walks import Walker
from prunebench.engine.structure.wiring import Wiring, wiring
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.build import build_model

ready()
WALKS = 20_000


def two_layers() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 2, bias=False))
    model[0].weight.data = torch.tensor([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]])
    model[1].weight.data = torch.tensor([[1.0, 2.0, -6.0], [3.0, -1.0, 1.0]])
    return model


def walker(wires: Wiring, *, biased: bool = True, seed: int = 0) -> Walker:
    return Walker(wires, biased, np.random.default_rng(seed))


def frequencies(walks: np.ndarray) -> dict[tuple[int, ...], float]:
    return {walk: n / len(walks) for walk, n in Counter(map(tuple, walks.tolist())).items()}


@pytest.mark.parametrize("biased", [True, False])
def test_a_walk_goes_on_with_chances_proportional_to_the_weights(biased: bool) -> None:
    model = two_layers()
    walks = walker(wiring(model, (2,)), biased=biased).rounds(2 * WALKS)
    first, second = (layer.weight.detach().abs().numpy() for layer in model)
    if not biased:
        first, second = np.ones_like(first), np.ones_like(second)
    # An edge's number is its weight's flat index: (h, i) is 2h + i, (o, h) is 6 + 3o + h.
    forward, backward = frequencies(walks[::2]), frequencies(walks[1::2])
    for i in range(2):
        for h in range(3):
            for o in range(2):
                on = 0.5 * first[h, i] / first[:, i].sum() * second[o, h] / second[:, h].sum()
                back = 0.5 * second[o, h] / second[o].sum() * first[h, i] / first[h].sum()
                bound = 4.5 * np.sqrt(0.25 / WALKS)
                assert forward.get((2 * h + i, 6 + 3 * o + h), 0) == pytest.approx(on, abs=bound * 2 * on**0.5)
                assert backward.get((6 + 3 * o + h, 2 * h + i), 0) == pytest.approx(back, abs=bound * 2 * back**0.5)


def test_readers_of_a_unit_are_drawn_by_the_weight_that_leads_there() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.left, self.right = nn.Linear(1, 1), nn.Linear(1, 2), nn.Linear(1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            return torch.cat([self.left(x), self.right(x)], 1)

    model = Fork()
    model.left.weight.data = torch.tensor([[1.0], [-2.0]])
    model.right.weight.data = torch.tensor([[5.0]])
    wires = wiring(model, (1,))
    last = [walk[walk >= 0][-1] for walk in walker(wires).rounds(2 * WALKS)[::2]]
    share = np.bincount(wires.weight[last], minlength=4) / WALKS
    np.testing.assert_allclose(share, [0, 1 / 8, 2 / 8, 5 / 8], atol=0.02)


def test_a_kernel_is_drawn_by_its_norm_and_its_entry_by_its_size() -> None:
    model = nn.Conv1d(2, 1, 2, bias=False)
    model.weight.data = torch.tensor([[[1.0, -3.0], [4.0, 2.0]]])
    walks = walker(wiring(model, (2, 4))).rounds(2 * WALKS)
    forward, backward = frequencies(walks[::2]), frequencies(walks[1::2])
    for entry, (on, back) in enumerate([(1 / 8, 1 / 10), (3 / 8, 3 / 10), (4 / 12, 4 / 10), (2 / 12, 2 / 10)]):
        assert forward[(entry,)] == pytest.approx(on, abs=0.02)
        assert backward[(entry,)] == pytest.approx(back, abs=0.02)


def test_walks_start_in_turn_from_every_input_and_every_output() -> None:
    wires = wiring(build_model(Spec.parse("mlp(widths=[5],repeat=2)"), (7,), 3, 0), (7,))
    walks = walker(wires).rounds(42)
    starts = wires.channels.members[wires.source[walks[::2, 0]]]
    assert np.bincount(starts).tolist() == [3] * 7
    assert len(set(starts[:7])) == 7
    assert np.bincount(wires.target[walks[1::2, 0]] - wires.units + 3).tolist() == [7] * 3


@pytest.mark.parametrize(
    "spec", ["resnet-20(width=0.25)", "resnet-20(width=0.25,shortcut=option-a)", "conv-4(width=0.1)"]
)
def test_every_walk_is_a_path_from_an_input_to_an_output(spec: str) -> None:
    wires = wiring(build_model(Spec.parse(spec), (3, 8, 8), 10, 0), (3, 8, 8))
    feeds = np.split(wires.channels.members, wires.channels.starts[1:-1])
    lengths = set()
    for number, walk in enumerate(walker(wires).rounds(400)):
        edges = [edge for edge in walk if edge >= 0][:: 1 if number % 2 == 0 else -1]
        lengths.add(len(edges))
        assert (feeds[wires.source[edges[0]]] < wires.inputs).any()
        assert wires.target[edges[-1]] in wires.outputs.members
        assert all(wires.target[a] in feeds[wires.source[b]] for a, b in itertools.pairwise(edges))
    assert (len(lengths) > 1) == spec.startswith("resnet")


def test_a_walk_through_a_unit_leads_through_it() -> None:
    wires = wiring(build_model(Spec.parse("resnet-20(width=0.25)"), (3, 8, 8), 10, 0), (3, 8, 8))
    units = np.arange(wires.inputs, wires.units)
    walks = walker(wires).through(units)
    passed = [set(wires.target[walk[walk >= 0]].tolist()) for walk in walks]
    assert set.union(*passed) == set(units.tolist())
    assert len(walks) == len(units)


def test_a_unit_whose_weights_are_zero_is_left_all_the_same() -> None:
    model = two_layers()
    model[1].weight.data.zero_()
    walks = walker(wiring(model, (2,))).rounds(100)
    assert (walks >= 0).all()

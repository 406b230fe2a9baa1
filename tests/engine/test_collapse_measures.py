"""Critical compression, and what masks leave of a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunebench.engine.collapse import Critical, Observer, critical_by_search, critical_of_descent
from prunebench.engine.masks import Masks
from prunebench.engine.method import build
from prunebench.engine.prunable import prunable
from prunebench.engine.selection.pruning import masks_at
from prunebench.engine.selection.scoring import Session
from prunebench.plugins import ready
from prunebench.records.metrics import NOTIONS
from prunebench.spec import Spec
from prunebench.tasks.datasets.base import Split
from tests.engine.structure.unit_graph import Skip, UnitGraph
from tests.walking import descend, prune

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

ready()
seeds = st.integers(0, 2**31)


class Idle(nn.Module):
    """A layer that takes no part beside one that does."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(3, 2)
        self.idle = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


TINY: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "chain": (lambda: nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)), (3,)),
    "deep chain": (lambda: nn.Sequential(*(nn.Linear(2, 2) for _ in range(4))), (2,)),
    "one layer": (lambda: nn.Linear(3, 4), (3,)),
    "skip": (lambda: nn.Sequential(nn.Linear(2, 3), Skip(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 3)), (2,)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 2, bias=False), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 3)),
        (1, 3, 3),
    ),
    "padding": (lambda: nn.Sequential(nn.Conv1d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(2, 2)), (1, 1)),
}


def survives(graph: UnitGraph, masks: Masks) -> dict[str, bool]:
    """The four notions, from the graph of units."""
    effective, reached = graph.effective(masks)
    return {
        "dead_layer": all(mask.any() for mask in masks.values()),
        "dead_effective_layer": all(effective.values()),
        "no_path": any(reached),
        "classes_unreached": all(reached),
    }


def random_ranks(model: nn.Module, seed: int) -> dict[str, Tensor]:
    weights = prunable(model)
    total = sum(w.numel() for w in weights.values())
    ranks = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).int() + 1
    parts = ranks.split([w.numel() for w in weights.values()])
    return {name: part.view(w.shape) for part, (name, w) in zip(parts, weights.items(), strict=True)}


def scanned(outcomes: dict[int, dict[str, bool]], total: int) -> dict[str, int | None]:
    """The smallest count from which on every count survives, by looking at every count."""
    found: dict[str, int | None] = {}
    for notion in NOTIONS:
        count = total
        while count > 0 and outcomes[count][notion]:
            count -= 1
        found[notion] = None if count == total else count + 1
    return found


@pytest.mark.parametrize("name", TINY)
@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_critical_counts_of_a_descent_are_those_of_a_scan_of_every_count(name: str, seed: int) -> None:
    make, shape = TINY[name]
    model = make()
    graph, observer, ranks = UnitGraph(model, shape), Observer(model, shape), random_ranks(model, seed)
    outcomes = {k: survives(graph, masks_at(ranks, k)) for k in range(observer.total + 1)}
    critical = critical_of_descent(observer, ranks)
    assert critical.counts == scanned(outcomes, observer.total)
    assert critical.evaluations is None
    for notion, label in (("dead_layer", "first_dead_layer"), ("dead_effective_layer", "first_dead_effective_layer")):
        count = critical.counts[notion]
        assert count is not None
        if count == observer.fewest[notion]:
            assert label not in critical.first
            continue
        masks = masks_at(ranks, count - 1)
        effective = graph.effective(masks)[0]
        gone = [
            n.removesuffix(".weight") for n in masks if not (masks[n].any() if notion == "dead_layer" else effective[n])
        ]
        assert critical.first[label] == ("all" if len(gone) == len(masks) else gone[0])


def test_a_layer_that_is_never_effective_leaves_its_notion_without_a_value() -> None:
    model = Idle()
    observer = Observer(model, (3,))
    critical = critical_of_descent(observer, random_ranks(model, 5))
    assert critical.counts["dead_effective_layer"] is None
    assert None not in [critical.counts[n] for n in ("dead_layer", "no_path", "classes_unreached")]
    metrics = critical.metrics(observer.total, observer.fewest)
    assert metrics["rho_cr_dead_effective_layer"] is None
    assert metrics["log_ratio_dead_effective_layer"] is None
    assert metrics["rho_max_dead_effective_layer"] == 10 / 2
    searched = critical_by_search(observer, lambda count: masks_at(random_ranks(model, 5), count))
    assert searched.counts["dead_effective_layer"] is None


@pytest.mark.parametrize("name", TINY)
def test_a_view_counts_kept_and_effective_weights_paths_and_classes(name: str) -> None:
    make, shape = TINY[name]
    model = make()
    graph, observer, ranks = UnitGraph(model, shape), Observer(model, shape), random_ranks(model, 7)
    for count in (0, 1, observer.total // 2, observer.total - 1, observer.total):
        masks = masks_at(ranks, count)
        effective, reached = graph.effective(masks)
        view = observer.view(masks)
        alive = {layer: len(entries) for layer, entries in effective.items()}
        metrics = view.metrics()
        assert view.survives() == survives(graph, masks)
        assert metrics["kept"] == count
        assert metrics["density"] == count / observer.total
        assert metrics["dead_layers"] == sum(not m.any() for m in masks.values())
        assert metrics["dead_effective_layers"] == sum(a == 0 for a in alive.values())
        assert metrics["effective_kept"] == sum(alive.values())
        assert metrics["effective_density"] == sum(alive.values()) / observer.total
        assert metrics["effective_share"] == (sum(alive.values()) / count if count else None)
        assert metrics["has_path"] == float(any(reached))
        assert metrics["classes_reached"] == sum(reached) == observer.reached(masks)
        assert view.series() == {
            "layer": list(masks),
            "size_by_layer": [m.numel() for m in masks.values()],
            "kept_by_layer": [int(m.sum()) for m in masks.values()],
            "effective_by_layer": list(alive.values()),
        }


def test_metrics_are_compressions_bounds_and_ratios_of_their_logarithms() -> None:
    counts = {"dead_layer": 10, "dead_effective_layer": None, "no_path": 1000, "classes_unreached": 100}
    fewest = {"dead_layer": 10, "dead_effective_layer": 10, "no_path": 4, "classes_unreached": 1000}
    metrics = Critical(counts, {}).metrics(1000, fewest)
    assert (metrics["rho_cr_dead_layer"], metrics["rho_max_dead_layer"], metrics["log_ratio_dead_layer"]) == (
        100,
        100,
        1,
    )
    assert (metrics["rho_cr_dead_effective_layer"], metrics["log_ratio_dead_effective_layer"]) == (None, None)
    assert (metrics["rho_cr_no_path"], metrics["rho_max_no_path"], metrics["log_ratio_no_path"]) == (1, 250, 0)
    assert metrics["rho_max_classes_unreached"] == 1
    assert metrics["log_ratio_classes_unreached"] is None
    assert math.isclose(
        Critical({"dead_layer": 100}, {}).metrics(1000, fewest)["log_ratio_dead_layer"] or 0, 0.5, rel_tol=1e-12
    )


def spoiled(model: nn.Module, dead: set[int], seen: list[int]) -> Callable[[int], Masks]:
    """Masks of every count; their first layer is empty where the count is in `dead`, and no layer elsewhere."""
    weights = prunable(model)

    def masks_with(count: int) -> Masks:
        seen.append(count)
        masks = {name: torch.zeros_like(w, dtype=torch.bool) for name, w in weights.items()}
        layers = list(masks.values())[1:] if count in dead else list(masks.values())
        for layer in layers:
            layer.view(-1)[0] = True
        left = count - len(layers)
        for layer in layers:
            room = min(left, layer.numel() - 1)
            layer.view(-1)[1 : 1 + room] = True
            left -= room
        assert left == 0
        return Masks(masks)

    return masks_with


@given(spans=st.lists(st.tuples(st.integers(2, 250), st.integers(0, 40)), max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_search_returns_a_count_above_which_nothing_it_looked_at_collapses(spans: list[tuple[int, int]]) -> None:
    model = nn.Sequential(nn.Linear(2, 5, bias=False), nn.Linear(5, 60, bias=False), nn.Linear(60, 1, bias=False))
    observer = Observer(model, (2,))
    dead = {k for start, length in spans for k in range(max(start, 3), start + length + 1)}
    seen: list[int] = []
    found = critical_by_search(observer, spoiled(model, dead, seen))
    count = found.counts["dead_layer"]
    assert count is not None
    assert count not in dead
    assert count == observer.layers or count - 1 in dead
    assert not [k for k in seen if k >= count and k in dead]
    assert observer.total in seen
    assert found.evaluations == len(set(seen))
    assert ("first_dead_layer" in found.first) == (count > observer.layers)
    if count > observer.layers:
        assert found.first["first_dead_layer"] == "0"
    # From one span that starts at the bottom, survival is monotone and the answer exact.
    below = {k for k in dead if set(range(3, k + 1)) <= dead}
    exact = critical_by_search(observer, spoiled(model, below, [])).counts["dead_layer"]
    assert exact == max(below, default=observer.layers - 1) + 1


def test_a_search_looks_again_above_what_bisection_found() -> None:
    model = nn.Sequential(nn.Linear(2, 5, bias=False), nn.Linear(5, 100, bias=False), nn.Linear(100, 1, bias=False))
    observer = Observer(model, (2,))
    # Bisection between two counts of the grid, 43 and 67, ends at 51; the scan up to 67 meets the upper span.
    dead = {*range(3, 51), 62, 63, 64}
    seen: list[int] = []
    found = critical_by_search(observer, spoiled(model, dead, seen))
    assert found.counts["dead_layer"] == 65
    assert len(seen) < 80


def test_a_network_that_is_collapsed_when_dense_has_no_critical_count() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    observer = Observer(model, (2,))
    nothing = Masks({"0.weight": torch.zeros(2, 2) > 0, "1.weight": torch.ones(2, 2) > 0})
    found = critical_by_search(observer, lambda count: nothing)
    assert found.counts == dict.fromkeys(NOTIONS)
    assert found.first == {}
    assert found.evaluations == 1


def tiny_session(method: str, model: nn.Module, shape: tuple[int, ...], repetition: int = 0) -> tuple:
    built = build(Spec.parse(method))
    generator = torch.Generator().manual_seed(1)
    batch = Split(torch.randn(12, *shape, generator=generator), torch.arange(12) % 3)
    session = Session(
        model, shape, mode=built.words.mode, batch=batch, purpose=built.name, repetition=repetition,
        device=torch.device("cpu"),
    )  # fmt: skip
    return built, session


@pytest.mark.parametrize("method", ["random", "magnitude", "snip", "synflow(rounds=1)", "magnitude(scope=layer)"])
def test_search_and_descent_agree_for_one_shot_methods(method: str) -> None:
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3)
    )
    shape = (1, 6, 6)
    observer = Observer(model, shape)
    for repetition in range(2):
        built, session = tiny_session(method, model, shape, repetition)
        descended = critical_of_descent(observer, descend(built, session).ranks)
        searched = critical_by_search(observer, lambda k: prune(built, session, k / observer.total))  # noqa: B023
        # No walk goes below one weight a layer.
        assert searched.counts == {n: max(c, observer.layers) for n, c in descended.counts.items() if c is not None}
        assert searched.evaluations is not None
        assert searched.evaluations < observer.total


def test_the_observer_knows_outputs_layers_weights_and_the_fewest_that_live() -> None:
    model = nn.Sequential(nn.Linear(2, 3), Skip(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 5))
    observer = Observer(model, (2,))
    assert (observer.outputs, observer.layers, observer.total) == (5, 3, 6 + 9 + 15)
    assert observer.fewest == {"dead_layer": 3, "dead_effective_layer": 3, "no_path": 2, "classes_unreached": 6}


def test_a_view_counts_macs_of_kept_and_of_effective_weights() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    observer = Observer(model, (1, 6, 6))
    masks = Masks(
        {"0.weight": torch.zeros(2, 1, 3, 3, dtype=torch.bool), "3.weight": torch.ones(3, 32, dtype=torch.bool)}
    )
    masks["0.weight"][0, 0, :, 0] = True  # three taps of the first filter, at 16 positions each; the second is dead
    found = observer.view(masks).metrics()
    assert (found["macs"], found["kept_macs"], found["effective_macs"]) == (16 * 18 + 96, 16 * 3 + 96, 16 * 3 + 48)
    assert found["kept_parameters"] == 3 + 96 + 2 + 3

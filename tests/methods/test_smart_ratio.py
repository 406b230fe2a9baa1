"""Smart ratios against the counts of the authors' routine, and by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import prunebench as pb
from prunebench.engine.selection.ratios import Layer, Layers
from prunebench.errors import PruningError
from prunebench.methods.smart_ratio import chained, smart_ratio

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "smart_ratio_reference.json"
CASES = [("vgg19", 0.9), ("vgg19", 0.98), ("resnet32", 0.9), ("resnet32", 0.98)]


def reference(arch: str, sparsity: float) -> dict[str, Any]:
    if not DATA.is_file():
        pytest.skip("the reference counts are not part of the repository")
    stored = json.loads(DATA.read_text(encoding="utf-8"))
    return next(case for case in stored if (case["arch"], case["sparsity"]) == (arch, sparsity))


def layers_of(*shapes: tuple[int, ...]) -> Layers:
    return Layers(Layer(f"l{i}", shape) for i, shape in enumerate(shapes, start=1))


@pytest.mark.parametrize(("arch", "sparsity"), CASES)
def test_every_layer_keeps_the_authors_count_within_three_weights(arch: str, sparsity: float) -> None:
    case = reference(arch, sparsity)
    layers = Layers(Layer(stored["name"], tuple(stored["shape"])) for stored in case["layers"])
    found = smart_ratio(layers, 1 - sparsity)
    for stored in case["layers"]:
        assert abs(round(found.by_layer[stored["name"]] * stored["size"]) - stored["kept"]) <= 3, stored["name"]
    assert found.notes == (f"decay=auto is decay={'square' if arch == 'vgg19' else 'none'} for these layers",)


@pytest.mark.parametrize("sparsity", [0.9, 0.98])
def test_another_number_of_layers_or_the_other_decay_misses_the_authors_counts(sparsity: float) -> None:
    case = reference("vgg19", sparsity)
    layers = Layers(Layer(stored["name"], tuple(stored["shape"])) for stored in case["layers"])
    other = smart_ratio(layers, 1 - sparsity, decay="none")
    assert max(abs(other.by_layer[s["name"]] * s["size"] - s["kept"]) for s in case["layers"]) > 1000


# Three 10 × 10 convolutions of 1 × 1 and a classifier of 10 × 10: 400 weights, L = 4.
SQUARE = layers_of((10, 10, 1, 1), (10, 10, 1, 1), (10, 10, 1, 1), (10, 10))


@pytest.mark.parametrize(
    ("profile", "parts"),
    [
        ("quadratic", (20, 12, 6)), ("linear", (4, 3, 2)), ("cubic", (64, 27, 8)), ("ascending", (2, 6, 12)),
        ("uniform", (1, 1, 1)),
    ],
)  # fmt: skip
def test_profiles_by_hand(profile: Any, parts: tuple[int, ...]) -> None:
    # 120 weights: 30 in the classifier, 90 by the profile.
    found = smart_ratio(SQUARE, 0.3, profile=profile, decay="none").by_layer
    assert list(found.values()) == pytest.approx([*(0.9 * part / sum(parts) for part in parts), 0.3])


def test_decay_divides_by_the_square_of_the_place() -> None:
    parts = 20, 12 / 4, 6 / 9
    found = smart_ratio(SQUARE, 0.1, decay="square").by_layer
    assert list(found.values()) == pytest.approx([*(0.1 * part / sum(parts) for part in parts), 0.3])


def test_what_a_layer_cannot_hold_goes_to_the_next_and_past_the_last_to_the_first_with_room() -> None:
    # 250 − 30 over parts 20, 12, 6: 115.8, 69.5, 34.7; the first gives 15.8 to the second.
    found = list(smart_ratio(SQUARE, 0.625, decay="none").by_layer.values())
    assert found == pytest.approx([1.0, 0.6947368 + 0.1578947, 0.3473684, 0.3], abs=1e-6)
    # 220 over parts 2, 6, 12: 22, 66, 132; nothing follows the third but the first.
    assert list(smart_ratio(SQUARE, 0.625, profile="ascending").by_layer.values()) == pytest.approx(
        [0.54, 0.66, 1, 0.3]
    )


def test_the_classifier_takes_what_dense_layers_cannot_and_says_so() -> None:
    found = smart_ratio(SQUARE, 0.9, decay="none")
    assert list(found.by_layer.values()) == pytest.approx([1, 1, 1, 0.6])
    assert found.notes == ("classifier keeps 0.6 instead of 0.3: all others are dense",)


def test_a_classifier_past_the_budget_is_scaled_down_and_recorded() -> None:
    # 20 weights, of which 30 were the classifier's: it keeps 17, one is left for each of the others.
    found = smart_ratio(SQUARE, 0.05, decay="none")
    assert found.by_layer["l4"] == pytest.approx(0.17)
    assert sum(found.by_layer[f"l{i}"] for i in (1, 2, 3)) == pytest.approx(0.03)
    assert found.notes == ("classifier keeps 0.17 instead of 0.3: density 0.05",)


def test_the_note_reaches_the_ticket() -> None:
    model = nn.Sequential(nn.Linear(20, 4), nn.ReLU(), nn.Linear(4, 30))
    ticket = pb.find_ticket(model, "smart-ratio(decay=none)", density=0.1, input_shape=(20,))
    assert ticket.notes == ("classifier keeps 0.158 instead of 0.3: density 0.1",)


def test_hidden_linear_layers_follow_the_profile_and_only_the_last_keeps_its_share() -> None:
    # Parts 12 and 6 of L = 3 for 20 × 10 and 20 × 20; the classifier keeps 0.3 · 100 of 140.
    found = smart_ratio(layers_of((20, 10), (20, 20), (5, 20)), 0.2, decay="none").by_layer
    assert found["l3"] == pytest.approx(0.3)
    assert found["l1"] == pytest.approx(2 * found["l2"])
    assert found["l1"] * 200 + found["l2"] * 400 == pytest.approx(110)


def test_a_classifier_in_the_middle_does_not_shift_the_places_of_the_others() -> None:
    shapes = [(10, 10, 1, 1), (10, 10), (10, 10, 1, 1), (10, 10, 1, 1)]
    found = smart_ratio(layers_of(*shapes), 0.3, decay="none").by_layer
    assert [found["l1"], found["l3"], found["l4"]] == pytest.approx([0.9 * part / 38 for part in (20, 12, 6)])


def test_without_a_linear_layer_all_follow_the_profile() -> None:
    found = smart_ratio(layers_of((8, 4, 1, 1), (8, 8, 1, 1)), 0.25, decay="none").by_layer
    assert found["l1"] == pytest.approx(3 * found["l2"])


def test_layers_are_a_chain_unless_one_takes_something_else_than_the_one_before_puts_out() -> None:
    assert chained(layers_of((8, 3, 3, 3), (16, 8, 3, 3), (32, 1, 3, 3), (20, 32 * 49), (10, 20)))
    assert not chained(layers_of((8, 3, 3, 3), (16, 8, 3, 3), (16, 16, 3, 3), (16, 8, 1, 1), (10, 16)))


def test_decay_of_its_own_accord_divides_the_quadratic_profile_of_chains_only() -> None:
    for profile in ("quadratic", "cubic"):
        free, none, square = (
            smart_ratio(SQUARE, 0.1, profile=profile, decay=decay).by_layer for decay in ("auto", "none", "square")
        )
        assert free == (square if profile == "quadratic" else none)
        assert none != square


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_of_the_classifier_outside_the_unit_interval_is_refused(share: float) -> None:
    with pytest.raises(PruningError, match="classifier"):
        smart_ratio(SQUARE, 0.5, classifier=share)

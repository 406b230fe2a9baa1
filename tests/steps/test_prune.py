"""The step that prunes at once: what it skips."""

from __future__ import annotations

import pytest

from prunebench import catalogue
from prunebench.graph import Component
from prunebench.spec import Spec
from prunebench.steps.prune import pruned


@pytest.mark.parametrize(
    ("method", "density", "reason"),
    [
        ("magnitude", 0.0001, "density 0.0001 keeps 0 weights, fewer than the 2 layers"),
        # A chain 40-10-10: the thinnest has one hidden unit, 40 + 10 weights.
        ("small-dense", 0.08, "no thinner network has 40 weights: the thinnest has 50"),
        ("small-dense", 0.1, None),
    ],
)
def test_densities_below_a_floor_are_skipped_with_a_reason(method: str, density: float, reason: str | None) -> None:
    catalogue.declare()
    found = pruned.run(
        model=Component("model", Spec.parse("mlp(widths=[10], repeat=1)")),
        dataset=Component("dataset", Spec("mnist1d")),
        method=Component("method", Spec(method)), density=density, repetition=0,
    )  # fmt: skip
    assert found.value.get("skipped") == reason
    assert (found.tensors is None) == (reason is not None)

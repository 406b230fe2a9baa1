"""The step that looks at what a descent leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file

from prunebench import catalogue
from prunebench.graph import Component, Outcome
from prunebench.spec import Spec
from prunebench.steps.descent import descent
from prunebench.steps.survey import survey

if TYPE_CHECKING:
    from pathlib import Path


def test_layers_stand_in_the_order_of_the_network_whatever_a_file_makes_of_it(tmp_path: Path) -> None:
    catalogue.declare()
    parts = {
        "model": Component("model", Spec.parse("conv-4(width=0.0625)")),
        "dataset": Component("dataset", Spec("digits32")),
    }
    found = descent.run(**parts, method=Component("method", Spec("magnitude")), repetition=0)
    save_file({name: rank.contiguous() for name, rank in found.tensors.items()}, tmp_path / "ranks.safetensors")
    stored = load_file(tmp_path / "ranks.safetensors")
    seen = survey.run(**parts, descent=Outcome(found.value, {n: stored[n] for n in sorted(stored)}), densities=[0.5])
    layers = seen.value["0.5"]["series"]["layer"]
    assert layers == ["0.weight", "2.weight", "5.weight", "7.weight", "11.weight", "13.weight", "15.weight"]
    assert layers != sorted(layers)

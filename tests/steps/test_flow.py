"""The step that holds scores to the laws of flow: what it records, and what it skips."""

from __future__ import annotations

import pytest

from prunebench import catalogue
from prunebench.graph import Component
from prunebench.records.metrics import METRICS
from prunebench.spec import Spec
from prunebench.steps.flow import flow
from prunebench.tasks.build import load_dataset


def view(method: str, model: str = "crossing(width=0.375,depth=1,bias=true)", **how: object) -> dict:
    catalogue.declare()
    arguments = {"count": "weights", "sign": "kept", "precision": "double", "against": "none", **how}
    found = flow.run(
        model=Component("model", Spec.parse(model)), dataset=Component("dataset", Spec("mnist1d")),
        method=Component("method", Spec.parse(method)), repetition=0, validation=0.0, **arguments,
    )  # fmt: skip
    assert found.tensors is None
    return found.value["view"]


def test_what_is_measured_is_defined_and_says_of_which_data() -> None:
    found = view("synflow", count="all")
    assert set(found["metrics"]) <= set(METRICS)
    assert found["metrics"]["unit_residual"] < 1e-9
    assert found["labels"] == {"data": load_dataset(Spec("mnist1d")).fingerprint}
    assert found["series"]["layer"] == ["0.weight", "3.conv1.weight", "3.conv2.weight", "6.weight"]
    assert len(found["series"]["cut_total"]) == found["metrics"]["cuts"] + 1 == 4


@pytest.mark.parametrize(
    "how", [{"count": "all"}, {"sign": "absolute"}, {"precision": "single"}, {"against": "gradient-norms"}]
)
def test_every_argument_counts(how: dict[str, str]) -> None:
    method = "grasp(mode=eval)"
    assert view(method, **how)["series"]["layer_total"] != view(method)["series"]["layer_total"]


@pytest.mark.parametrize(
    ("method", "model", "how", "reason"),
    [
        ("erk", "crossing", {}, "method 'erk' has no scores of all weights of a network"),
        ("lottery", "crossing", {}, "method 'lottery' has no scores of all weights of a network"),
        (
            "synflow(mode=train)", "crossing(norm=batch,width=0.25)", {"count": "all"},
            "synflow(mode=train) gives no scores where biases and shortcuts are weights: ",
        ),
    ],
)  # fmt: skip
def test_methods_that_have_no_scores_are_skipped_with_a_reason(method, model, how, reason) -> None:
    found = view(method, model, **how)
    assert set(found) == {"skipped"}
    assert found["skipped"].startswith(reason)

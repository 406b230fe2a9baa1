"""Scores of methods, held to the laws: what is a flow and what is not."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.engine.conservation.measure import SHOWN, Flow, measured
from prunebench.engine.subject import Subject
from prunebench.errors import InapplicableError, PruningError, ScoreError, SpecError, UnsupportedOperatorError
from prunebench.plugins import ready
from prunebench.spec import Spec
from tests.engine.conservation.branched import network, parts, subject

ready()

EXACT = 1e-9
SIGNED = "snip(signed=true,mode=eval)"
FLOWS = ("synflow", "synflow(l2=true)", SIGNED)


def flow(drawn, method: str, **how) -> Flow:
    return measured(subject(*network(**drawn)), Spec.parse(method), **how)


def worst(found: Flow) -> tuple[float, float]:
    metrics = found.metrics()
    return metrics["unit_residual"], metrics["cut_residual"]


@settings(max_examples=12, deadline=None)
@given(parts())
def test_flows_are_conserved_where_everything_is_counted(drawn):
    for method in FLOWS:
        found = flow(drawn, method, count="all")
        assert max(worst(found)) < EXACT
        # Of a chain, every layer is a cut by itself.
        assert len(found.cuts.totals) >= 2 * drawn["depth"] + 2


@settings(max_examples=8, deadline=None)
@given(parts(bias=False, norm=False, residual="none"))
def test_flows_of_a_chain_without_biases_are_conserved_as_they_are(drawn):
    for method in FLOWS:
        found = flow(drawn, method)
        assert max(worst(found)) < EXACT
        assert found.metrics()["layer_residual"] < EXACT
        slope = found.metrics()["size_slope"]
        assert slope is None or slope == pytest.approx(-1, abs=1e-6)


@settings(max_examples=6, deadline=None)
@given(parts(bias=False, norm=False, residual="identity"))
def test_units_are_conserved_through_shortcuts_without_weights_whose_branches_are_no_cuts(drawn):
    found = flow(drawn, SIGNED)
    assert found.metrics()["unit_residual"] < EXACT
    assert len(found.cuts.totals) == 2


@settings(max_examples=6, deadline=None)
@given(parts())
def test_what_grasp_does_not_conserve_is_what_the_norms_of_gradients_say(drawn):
    found = flow(drawn, "grasp(mode=eval)", count="all", against="gradient-norms")
    assert max(worst(found)) < EXACT


PLAIN = {"image": True, "width": 4, "depth": 2, "pool": "max"}


VIOLATED = settings(max_examples=4, deadline=None, derandomize=True)
"""How many networks each violation is seen on; the same every time, since a draw may come close to a law by chance."""


def wide(**fixed):
    """Chains of at least two units a layer, so that sums cancel, none of which is dead, so that something flows."""
    free = parts(residual="none", **fixed)
    return free.filter(lambda drawn: drawn["width"] > 1 and drawn["activation"] != "relu")


@pytest.mark.parametrize("method", ["snip(mode=eval)", "magnitude", "grasp(mode=eval)", "fisher", "random"])
@VIOLATED
@given(drawn=wide(bias=False, norm=False))
def test_other_scores_are_no_flow(method, drawn):
    assert max(worst(flow(drawn, method))) > 1e-2
    assert min(worst(flow(PLAIN, method))) > 1e-2


@VIOLATED
@given(drawn=wide(bias=False, norm=False))
def test_absolute_values_break_the_law(drawn):
    assert max(worst(flow(drawn, SIGNED))) < EXACT
    assert max(worst(flow(drawn, SIGNED, sign="absolute"))) > 1e-2


@pytest.mark.parametrize("activation", ["gelu", "tanh"])
@VIOLATED
@given(drawn=wide())
def test_activations_that_are_not_homogeneous_break_the_law_of_the_loss_and_not_that_of_synflow(activation, drawn):
    drawn = {**drawn, "activation": activation}
    assert max(worst(flow(drawn, SIGNED, count="all"))) > 1e-2
    assert max(worst(flow(drawn, "synflow", count="all"))) < EXACT


@pytest.mark.parametrize("what", ["bias", "norm"])
@pytest.mark.parametrize("method", FLOWS)
@VIOLATED
@given(drawn=wide())
def test_biases_and_norms_that_are_not_counted_break_the_law(what, method, drawn):
    drawn = {**drawn, what: True}
    assert max(worst(flow(drawn, method))) > 1e-2
    assert max(worst(flow(drawn, method, count="all"))) < EXACT


def test_the_output_cut_carries_the_outputs_times_their_gradient():
    case = subject(*network(**PLAIN, bias=True, norm=True, residual="projection"))
    found = measured(case, Spec.parse(SIGNED), count="all")
    logits = case.model(case.batch.x).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(logits, case.batch.y), logits)
    assert found.cuts.totals == pytest.approx(
        [float((logits.detach() * gradient).sum())] * len(found.cuts.totals), rel=1e-9
    )


def test_two_layers_by_hand():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))
        model[0].bias.copy_(torch.tensor([5.0, -1.0]))
        model[2].weight.copy_(torch.tensor([[2.0, -1.0], [0.5, 3.0]]))
        model[2].bias.zero_()
    case = subject(model, (2,))
    # On ones the hidden units are |1| + |−2| + 5 = 8 and 3 + 4 + 1 = 8, and are read by 2.5 and 4.
    plain, whole = (measured(case, Spec("synflow"), count=count) for count in ("weights", "all"))
    assert plain.units.incoming.tolist() == [3 * 2.5, 7 * 4]
    assert plain.units.outgoing.tolist() == whole.units.outgoing.tolist() == [20, 32]
    assert whole.units.incoming.tolist() == [20, 32]
    assert plain.units.residual.tolist() == pytest.approx([12.5 / 27.5, 4 / 60])
    assert plain.totals == (35.5, 52)
    assert (whole.cuts.layers, whole.cuts.totals.tolist()) == (("0.weight", "2.weight"), [52, 52])


@pytest.mark.parametrize("eps", [0.5, 1e-5, 1e-300])
def test_batch_norm_in_train_mode_takes_all_but_a_share_of_eps_from_what_comes_in(eps):
    case = subject(*network(image=True, width=3, depth=1, norm=True, activation="leaky"))
    for module in case.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = eps
    found = measured(case, Spec.parse("snip(signed=true,mode=train)"), count="all")
    first = [number for number, name in enumerate(found.units.layers) if name == "0.weight"]
    with torch.no_grad():
        before = nn.functional.conv2d(case.batch.x, case.model[0].weight, padding=1)
    share = eps / (before.var((0, 2, 3), unbiased=False) + eps)
    into, out = (torch.from_numpy(v[first]) for v in (found.units.incoming, found.units.outgoing))
    size = out.abs().max()
    assert size > 1e-6
    torch.testing.assert_close(into, out * share, rtol=1e-9, atol=1e-12 * float(size))
    # A unit behind γ and β is conserved again.
    gamma = [number for number, name in enumerate(found.units.layers) if name == "1.weight"]
    assert found.units.residual[gamma].max() < EXACT


def test_a_scorer_of_ones_own_needs_no_line_of_its_own():
    @pb.scorer("test-squared-logits", needs={"data", "gradients"})
    def squared_logits(ctx):
        total = sum(ctx.model(x).square().sum() for x, _ in ctx.batches())
        return {name: g * ctx.weights[name] for name, g in ctx.gradients(total).items()}

    @pb.scorer("test-nothing-much", needs=())
    def nothing_much(ctx):
        return {name: w.new_full(w.shape, float("nan")) for name, w in ctx.weights.items()}

    drawn = {**PLAIN, "bias": True, "norm": True, "residual": "identity"}
    assert max(worst(flow(drawn, "test-squared-logits", count="all"))) < EXACT
    assert max(worst(flow(drawn, "test-squared-logits"))) > 1e-3
    with pytest.raises(ScoreError, match="NaN"):
        flow(PLAIN, "test-nothing-much")


def test_single_precision_rounds():
    found = worst(flow(PLAIN, SIGNED, precision="single"))
    assert EXACT < max(found) < 1e-1


@pytest.mark.parametrize("method", ["uniform", "lottery", "phew"])
def test_methods_without_scores_have_no_flow(method):
    with pytest.raises(InapplicableError, match=f"method '{method}' has no scores"):
        flow(PLAIN, method)


@pytest.mark.parametrize(
    ("method", "sign"), [("magnitude", "kept"), ("synflow", "kept"), ("wanda", "kept"), ("grasp", "absolute")]
)
def test_norms_of_gradients_are_of_signed_scores_by_gradients(method, sign):
    with pytest.raises(SpecError, match="against=gradient-norms is of signed scores"):
        flow(PLAIN, method, sign=sign, against="gradient-norms")


def test_a_scorer_that_fails_on_virtual_weights_says_so():
    @pb.scorer("test-knows-its-layers")
    def knows_its_layers(ctx):
        if any(name.startswith("virtual.") for name in ctx.weights):
            raise PruningError("what is this?")
        return {name: w.abs() for name, w in ctx.weights.items()}

    flow(PLAIN, "test-knows-its-layers")
    with pytest.raises(
        InapplicableError, match=r"test-knows-its-layers gives no scores where biases .*: what is this?"
    ):
        flow({**PLAIN, "bias": True}, "test-knows-its-layers", count="all")


def test_a_network_of_one_layer_has_nothing_to_measure():
    found = measured(subject(nn.Sequential(nn.Linear(3, 3)).double(), (3,)), Spec("magnitude")).metrics()
    assert {name for name, value in found.items() if value is None} == {
        "unit_residual", "unit_residual_median", "cut_residual", "cut_residual_median", "layer_residual", "size_slope",
    }  # fmt: skip
    assert (found["units"], found["cuts"]) == (0, 0)


def test_of_many_units_some_are_shown_evenly_spaced_by_what_comes_in():
    model = nn.Sequential(nn.Linear(2, 1 + 2 * (SHOWN - 1)), nn.ReLU(), nn.Linear(1 + 2 * (SHOWN - 1), 2)).double()
    found = measured(subject(model, (2,)), Spec("magnitude"))
    series = found.series()
    assert series["unit_in"] == sorted(found.units.incoming.tolist())[::2]
    assert len(series["unit_in"]) == len(series["unit_out"]) == len(series["unit_layer"]) == SHOWN


def test_series_tell_layers_by_the_networks_own_names():
    found = flow({**PLAIN, "depth": 1, "bias": True, "norm": True, "residual": "identity"}, SIGNED, count="all")
    series = found.series()
    assert series["layer"] == ["0.weight", "3.body.0.weight", "3.body.3.weight", "7.weight"]
    assert series["layer_size"] == [2 * 4 * 9, 4 * 4 * 9, 4 * 4 * 9, 3 * 16]
    assert series["unit_group"] == [
        "0.weight", "1.weight", "3.body.0.weight", "3.body.1.weight", "3.body.3.weight", "3.body.4.weight", "sum1.0",
    ]  # fmt: skip
    assert len(series["layer_unit_residual"]) == len(series["unit_group"])
    assert series["cut_layers"][-1] == "7.weight"


def test_an_operator_without_a_rule_is_an_error():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.first(x).cumsum(1))

    case = Subject(Odd(), (2,), 0, torch.device("cpu"))
    with pytest.raises(UnsupportedOperatorError, match="cumsum"):
        measured(case, Spec("magnitude"))

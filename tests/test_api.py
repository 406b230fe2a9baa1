"""The library: pruning the user's own network."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu
from torch.nn.utils import prune as torch_prune

import prunebench as pb
from prunebench.errors import (
    PrunebenchError,
    PruningError,
    ScoreError,
    UnknownNameError,
    UnsupportedOperatorError,
    UsageError,
)
from prunebench.plugins import ready
from prunebench.registry import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator

ready()
SPECS = ["random", "magnitude(scope=layer)", "snip", "snip(mode=eval, rounds=3)", "synflow", "synflow(rounds=adaptive)"]


class Own(nn.Module):
    """A user's network: functional activations, a shortcut, dropout, BatchNorm, a buffer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.branch = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(4, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        x = relu(self.norm(self.stem(x)), inplace=True)
        x = x + relu(self.branch(x))
        return self.head(self.drop(x.mean((2, 3))))


SHAPE = (1, 6, 6)
TOTAL = 36 + 144 + 12


def batch(count: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, *SHAPE, generator=generator), torch.arange(count) % 3


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Own()


@pytest.fixture(autouse=True)
def _no_trace_in_the_registry() -> Iterator[None]:
    yield
    for name in [name for name in METHODS.entries if name.startswith("test-")]:
        del METHODS.entries[name], METHODS._objects[name]


def snapshot(model: nn.Module) -> dict[str, Any]:
    return {
        "state": {name: v.clone() for name, v in model.state_dict().items()},
        "gradients": {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()},
        "requires": {n: p.requires_grad for n, p in model.named_parameters()},
        "modes": {n: m.training for n, m in model.named_modules()},
        "identity": {n: id(p) for n, p in model.named_parameters()},
    }


def assert_untouched(before: dict[str, Any], model: nn.Module) -> None:
    after = snapshot(model)
    for part in ("requires", "modes", "identity"):
        assert before[part] == after[part]
    for part in ("state", "gradients"):
        assert before[part].keys() == after[part].keys()
        for name, value in before[part].items():
            other = after[part][name]
            assert (value is None and other is None) or torch.equal(value, other), f"{part} of {name}"


def in_use(model: nn.Module) -> nn.Module:
    """In the midst of training: gradients there, one layer frozen, modes mixed."""
    x, y = batch()
    cross_entropy(model(x), y).backward()
    model.stem.bias.requires_grad_(False)
    model.norm.eval()
    return model


@pytest.mark.parametrize("density", [0.02, 0.1, 0.333, 0.9, 1])
@pytest.mark.parametrize("spec", SPECS)
def test_prune_keeps_exactly_the_rounded_count(model: nn.Module, spec: str, density: float) -> None:
    masks = pb.prune(model, spec, density=density, batch=batch())
    assert list(masks) == ["stem.weight", "branch.weight", "head.weight"]
    assert (masks.kept(), masks.total()) == (round(density * TOTAL), TOTAL)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("spec", SPECS)
def test_prune_and_score_leave_model_and_random_state_exactly_as_they_were(
    model: nn.Module, spec: str, training: bool
) -> None:
    model = in_use(model.train(training))
    x, y = batch()
    before, state, data = snapshot(model), torch.get_rng_state(), (x.clone(), y.clone())
    masks = pb.prune(model, spec, density=0.2, batch=(x, y))
    pb.score(model, spec, batch=(x, y))
    pb.effective_density(model, masks, input_shape=SHAPE)
    assert_untouched(before, model)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, data[0])
    assert torch.equal(y, data[1])
    assert x.grad is None


def test_a_model_that_draws_noise_leaves_the_callers_random_state_as_it_was() -> None:
    class Noisy(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + torch.randn(1, 3)

    noisy, state = Noisy(3, 3), torch.get_rng_state()
    masks = pb.prune(noisy, "synflow(rounds=adaptive)", density=0.5, input_shape=(3,))
    pb.effective_density(noisy, masks, input_shape=(3,))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_scorer_that_raises_leaves_the_model_as_it_was(model: nn.Module) -> None:
    @pb.scorer("test-raises", needs={"data"})
    def raises(ctx: pb.Scoring) -> pb.Scores:
        """Spoils all that it sees."""
        torch.manual_seed(0)
        for tensor in ctx.model.state_dict().values():
            tensor.zero_()
        raise ZeroDivisionError("on purpose")

    before, state = snapshot(in_use(model)), torch.get_rng_state()
    for function in (pb.score, lambda *a, **k: pb.prune(*a, density=0.5, **k)):
        with pytest.raises(ZeroDivisionError):
            function(model, "test-raises", batch=batch())
        assert_untouched(before, model)
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("spec", SPECS)
def test_what_the_caller_drew_before_does_not_matter(model: nn.Module, spec: str) -> None:
    masks = pb.prune(model, spec, density=0.2, batch=batch())
    torch.manual_seed(77)
    torch.rand(3)
    model.train(not model.training)
    assert pb.prune(model, spec, density=0.2, batch=batch()) == masks


def test_seeds_decide_the_draws_of_random_and_the_order_of_ties(model: nn.Module) -> None:
    first, again, other = (pb.prune(model, "random", density=0.3, input_shape=SHAPE, seed=s) for s in (0, 0, 1))
    assert first == again != other
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    first, again, other = (pb.prune(model, "magnitude", density=0.3, input_shape=SHAPE, seed=s) for s in (0, 0, 1))
    assert first == again != other


def test_masks_come_from_the_scores_that_score_gives(model: nn.Module) -> None:
    scores = pb.score(model, "snip", batch=batch())
    masks = pb.prune(model, "snip", density=0.25, batch=batch())
    kept = torch.cat([scores[n][masks[n]] for n in masks])
    gone = torch.cat([scores[n][~masks[n]] for n in masks])
    assert float(kept.min()) >= float(gone.max())
    assert float(torch.cat([s.flatten() for s in scores.values()]).abs().sum()) == pytest.approx(1)


def test_the_input_shape_is_read_from_the_batch_or_given(model: nn.Module) -> None:
    by_batch = pb.prune(model, "synflow", density=0.1, batch=batch())
    by_shape = pb.prune(model, "synflow", density=0.1, input_shape=SHAPE)
    assert by_batch == by_shape


def test_the_batch_is_scored_as_it_is_and_in_pieces_alike(model: nn.Module) -> None:
    x, y = batch(300)
    y = torch.where(torch.arange(300) < 250, 0, y)  # not balanced, and not made so
    model = model.double().eval()
    scores = pb.score(model, "snip(mode=eval)", batch=(x.double(), y))
    probe = copy.deepcopy(model)
    cross_entropy(probe(x.double()), y).backward()
    expected = {n: (p.grad * p).abs().detach() for n, p in probe.named_parameters() if n in scores}
    total = sum(e.sum() for e in expected.values())
    for name, score in scores.items():
        torch.testing.assert_close(score, expected[name] / total, rtol=1e-9, atol=1e-15)


def test_effective_density_is_the_share_of_weights_on_a_path(model: nn.Module) -> None:
    full = pb.prune(model, "magnitude", density=1, input_shape=SHAPE)
    assert pb.effective_density(model, full, input_shape=SHAPE) == 1
    cut = pb.Masks({**full, "head.weight": torch.zeros(3, 4, dtype=torch.bool)})
    assert pb.effective_density(model, cut, input_shape=SHAPE) == 0
    one = torch.zeros(3, 4, dtype=torch.bool)
    one[0, 1] = True
    # Channel 1 comes from one kernel of the stem by the skip, and from all of the stem through its branch.
    thin = pb.Masks({**full, "head.weight": one})
    assert pb.effective_density(model, thin, input_shape=SHAPE) == (36 + 36 + 1) / TOTAL


def error_of(call: Any, kind: type[PrunebenchError] = PrunebenchError) -> str:
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert message
    return message


@pytest.mark.parametrize("density", [0, -0.1, 1.0001, 5, float("nan"), float("inf"), "half", None])
def test_densities_outside_of_zero_to_one_are_refused(model: nn.Module, density: Any) -> None:
    message = error_of(lambda: pb.prune(model, "magnitude", density=density, input_shape=SHAPE), UsageError)
    assert "density" in message


def test_fewer_weights_than_layers_are_refused_with_the_largest_compression(model: nn.Module) -> None:
    message = error_of(lambda: pb.prune(model, "magnitude", density=0.01, input_shape=SHAPE), PruningError)
    assert "2 of 192" in message
    assert "compression 64" in message
    assert pb.prune(model, "magnitude", density=1 / 64, input_shape=SHAPE).kept() == 3


def test_a_model_without_prunable_weights_is_refused() -> None:
    for empty in (nn.ReLU(), nn.BatchNorm1d(3), nn.Sequential(nn.Embedding(3, 3))):
        assert "no prunable weights" in error_of(lambda: pb.prune(empty, "random", density=0.5, input_shape=(3,)))  # noqa: B023


def test_missing_data_and_missing_shapes_are_told(model: nn.Module) -> None:
    assert "needs data: give batch" in error_of(lambda: pb.prune(model, "snip", density=0.5, input_shape=SHAPE))
    assert "give input_shape" in error_of(lambda: pb.prune(model, "synflow", density=0.5))
    assert "give input_shape" in error_of(lambda: pb.score(model, "magnitude"))


def test_batches_that_hold_nothing_or_do_not_match_are_refused(model: nn.Module) -> None:
    x, y = batch()
    for bad in ((x[:0], y[:0]), (x, y[:-1])):
        message = error_of(lambda: pb.prune(model, "snip", density=0.5, batch=bad))  # noqa: B023
        assert "batch" in message


def test_unknown_methods_and_parameters_are_refused(model: nn.Module) -> None:
    assert "did you mean 'synflow'" in error_of(
        lambda: pb.prune(model, "synflo", density=0.5, input_shape=SHAPE), UnknownNameError
    )
    error_of(lambda: pb.prune(model, "synflow(", density=0.5, input_shape=SHAPE))
    assert "steps" in error_of(lambda: pb.prune(model, "synflow(steps=3)", density=0.5, input_shape=SHAPE))


BAD: dict[str, tuple[Any, str]] = {
    "NaN": (lambda s: {**s, "branch.weight": s["branch.weight"] * float("nan")}, "branch.weight are NaN"),
    "infinite": (lambda s: {**s, "head.weight": s["head.weight"] / 0}, "head.weight are infinite"),
    "shape": (lambda s: {**s, "stem.weight": s["stem.weight"][:1]}, "stem.weight have shape"),
    "missing": (lambda s: {n: v for n, v in s.items() if n != "head.weight"}, "no scores for layer head.weight"),
    "unknown": (lambda s: {**s, "stem.bias": torch.zeros(4)}, "'stem.bias'"),
    "integers": (lambda s: {**s, "stem.weight": s["stem.weight"].long()}, "stem.weight are torch.int64"),
    "list": (lambda s: list(s.values()), "dict of tensors by layer, not list"),
    "none": (lambda s: None, "dict of tensors by layer, not NoneType"),
}


@pytest.mark.parametrize("kind", BAD)
def test_scores_that_cannot_be_used_are_an_error_that_names_the_layer(model: nn.Module, kind: str) -> None:
    spoil, message = BAD[kind]

    @pb.scorer("test-bad")
    def bad(ctx: pb.Scoring) -> pb.Scores:
        """Of no use."""
        return spoil({name: w.detach().abs() + 1 for name, w in ctx.weights.items()})

    assert message in error_of(lambda: pb.prune(model, "test-bad", density=0.5, input_shape=SHAPE), ScoreError)
    assert message in error_of(lambda: pb.score(model, "test-bad", input_shape=SHAPE), ScoreError)


def test_scores_that_are_all_zero_cannot_be_normalised_but_can_be_selected_from(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert "all scores" in error_of(lambda: pb.score(model, "magnitude", input_shape=SHAPE))
    assert pb.prune(model, "magnitude", density=0.5, input_shape=SHAPE).kept() == 96


def test_masks_of_another_model_have_no_effective_density(model: nn.Module) -> None:
    masks = pb.prune(nn.Linear(3, 3), "magnitude", density=0.5, input_shape=(3,))
    error_of(lambda: pb.effective_density(model, masks, input_shape=SHAPE), PruningError)


def test_an_operator_without_a_rule_has_no_effective_density_but_can_be_pruned() -> None:
    class Running(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).cumsum(1)

    masks = pb.prune(Running(), "magnitude", density=0.5, input_shape=(3,))
    assert masks.kept() == 4
    message = error_of(lambda: pb.effective_density(Running(), masks, input_shape=(3,)), UnsupportedOperatorError)
    assert "cumsum" in message


def test_a_model_that_cannot_be_copied_or_is_masked_already_is_refused(model: nn.Module) -> None:
    torch_prune.l1_unstructured(model.head, "weight", amount=2)
    error_of(lambda: pb.prune(model, "magnitude", density=0.5, input_shape=SHAPE), PruningError)
    torch_prune.remove(model.head, "weight")
    assert pb.prune(model, "magnitude", density=0.5, input_shape=SHAPE).kept() == 96


def test_frozen_and_double_precision_models_are_pruned_too(model: nn.Module) -> None:
    x, y = batch()
    masks = pb.prune(model.requires_grad_(False), "snip(mode=eval)", density=0.3, batch=(x, y))
    wide = pb.prune(model.double(), "snip(mode=eval)", density=0.3, batch=(x.double(), y))
    assert masks == wide
    assert not any(p.requires_grad for p in model.parameters())


def test_scoring_works_where_gradients_are_switched_off(model: nn.Module) -> None:
    expected = pb.prune(model, "snip", density=0.3, batch=batch())
    with torch.no_grad():
        assert pb.prune(model, "snip", density=0.3, batch=batch()) == expected
        assert pb.prune(model, "synflow", density=0.3, batch=batch()).kept() == 58
        assert pb.effective_density(model, expected, input_shape=SHAPE) > 0


def test_applied_masks_zero_the_pruned_weights_of_the_users_model(model: nn.Module) -> None:
    masks = pb.prune(model, "synflow", density=0.1, input_shape=SHAPE)
    masks.apply(model)
    assert sum(int((dict(model.named_parameters())[n] != 0).sum()) for n in masks) == masks.kept() == 19
    # Scored again, the pruned weights have no flow.
    scores = pb.score(model, "synflow", input_shape=SHAPE)
    assert all(not scores[n][~masks[n]].any() for n in masks)


def test_run_takes_every_option_of_a_run() -> None:
    import dataclasses
    import inspect

    from prunebench.harness.options import RunOptions

    assert {f.name for f in dataclasses.fields(RunOptions)} == set(inspect.signature(pb.run).parameters) - {"suites"}


def test_the_cost_of_a_network_under_masks() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Linear(3, 2))
    masks = pb.prune(model, "magnitude", density=0.5, input_shape=(4,))
    cost = pb.cost(model, masks, input_shape=(4,))
    assert (cost.parameters, cost.macs, cost.kept_macs) == (18 + 5, 18, 9)
    assert pb.cost(model, input_shape=(4,)).kept_macs == 18


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda x, y: x, "a pair of tensors"),
        (lambda x, y: (x,), "a pair of tensors"),
        (lambda x, y: (x, ["cat"] * len(x)), "a pair of tensors"),
        (lambda x, y: (x.numpy(), y.numpy()), "a pair of tensors"),
        (lambda x, y: (x.to(torch.uint8), y), "floating-point type, not torch.uint8"),
        (lambda x, y: (x, y.float()), "class numbers [n], not torch.float32"),
        (lambda x, y: (x, torch.eye(3)[y].long()), "class numbers [n], not torch.int64 of shape [12, 3]"),
        (lambda x, y: (x, y[:5]), "as many labels as inputs, not 5 for 12"),
    ],
)
def test_a_batch_that_is_none_is_refused_in_one_line(model, given, message):
    with pytest.raises(PruningError) as caught:
        pb.prune(model, "snip", density=0.5, batch=given(*batch()))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("shape", [4, (1, -6, 6), (1, 0, 6), (1.0, 6, 6), "166"])
def test_an_input_shape_is_positive_whole_numbers(model, shape):
    with pytest.raises(PruningError, match="is not the shape of one input"):
        pb.prune(model, "magnitude", density=0.5, input_shape=shape)


def test_an_input_shape_may_be_a_list(model):
    assert pb.prune(model, "synflow", density=0.5, input_shape=list(SHAPE)).kept() == TOTAL // 2


@pytest.mark.parametrize(
    ("suites", "settings", "message"),
    [
        ((), {}, "name at least one suite"),
        (("collapse",), {"methods": "snip"}, r"write methods=\['snip'\]"),
        (("collapse",), {"plugins": "mine.py"}, r"write plugins=\['mine.py'\]"),
        (("collapse",), {"device": "gpu"}, "unknown device 'gpu'"),
    ],
)
def test_wrong_arguments_of_a_run_are_refused_before_anything_is_written(tmp_path, suites, settings, message):
    with pytest.raises(UsageError, match=message):
        pb.run(*suites, store=tmp_path / "store", **settings)
    assert not (tmp_path / "store").exists()


def test_a_device_that_is_not_there_ends_a_run_before_its_first_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="--device cuda: torch finds no such device"):
        pb.run("collapse", methods=["random"], device="cuda", store=tmp_path / "store")
    assert not (tmp_path / "store").exists()

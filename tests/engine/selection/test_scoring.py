"""What a scorer sees, and that the caller's model never notices."""

from __future__ import annotations

import copy
import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.selection.scorer import ScoreMethod, Words
from prunebench.engine.selection.scoring import Objective, Scores, Scoring, Session
from prunebench.errors import PruningError
from prunebench.tasks.datasets.base import Split
from tests.walking import descend, open_session, prune

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (2, 5, 5)
CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(27, 3)
    )
    with torch.no_grad():
        model[1].running_mean.normal_()
        model[1].running_var.uniform_(0.5, 2)
    return model


def data(count: int = 30, classes: int = 3, dtype: torch.dtype = torch.float32) -> Split:
    generator = torch.Generator().manual_seed(1)
    return Split(torch.randn(count, *SHAPE, generator=generator, dtype=dtype), torch.arange(count) % classes)


def session(model: nn.Module, *, mode: Any = "eval", batch: Split | None = None, **given: Any) -> Session:
    return Session(
        model, SHAPE, mode=mode, batch=batch, purpose=given.get("purpose", "probe"),
        repetition=given.get("repetition", 0), device=CPU,
    )  # fmt: skip


def everything(s: Session) -> Masks:
    return s.masks(np.arange(s.layout.total))


def method(scorer: Callable[[Scoring], Scores], *, needs: frozenset[str] = frozenset(), **words: Any) -> ScoreMethod:
    return ScoreMethod("probe", scorer, Words(**words), needs)


def zeros(ctx: Scoring) -> Scores:
    return {name: torch.zeros_like(w) for name, w in ctx.weights.items()}


def fingerprint(model: nn.Module) -> dict[str, Any]:
    """All of a model that somebody could notice a change of."""
    return {
        "state": {name: v.clone() for name, v in model.state_dict().items()},
        "identity": [id(p) for p in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "requires": [p.requires_grad for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        "attributes": [sorted(vars(m)) for m in model.modules()],
    }


def assert_same(before: Any, after: Any) -> None:
    assert type(before) is type(after)
    if isinstance(before, dict):
        assert before.keys() == after.keys()
        for key in before:
            assert_same(before[key], after[key])
    elif isinstance(before, list):
        assert len(before) == len(after)
        for a, b in zip(before, after, strict=True):
            assert_same(a, b)
    elif isinstance(before, torch.Tensor):
        assert torch.equal(before, after)
    else:
        assert before == after


def used_model() -> nn.Module:
    """A model in the midst of somebody's work: gradients, frozen parameters, mixed modes."""
    model = network().train()
    x = data()
    cross_entropy(model(x.x), x.y).backward()
    model[0].bias.requires_grad_(False)
    model[0].bias.grad = None
    model[1].eval()
    return model


def vandal(ctx: Scoring) -> Scores:
    """Changes all that it can reach, and then fails."""
    torch.manual_seed(123)
    torch.rand(5)
    with torch.no_grad():
        for parameter in ctx.model.parameters():
            parameter.add_(1)
        for buffer in ctx.model.buffers():
            buffer.zero_()
    ctx.model.train()
    ctx.model(torch.randn(4, *SHAPE)).sum().backward()
    raise RuntimeError("on purpose")


def test_scoring_leaves_the_callers_model_and_random_state_untouched() -> None:
    def scorer(ctx: Scoring) -> Scores:
        torch.rand(3)
        gradients = ctx.gradients(ctx.loss())
        return {name: (gradients[name] * w).abs() for name, w in ctx.weights.items()}

    model = used_model()
    before, state = fingerprint(model), torch.get_rng_state()
    for mode in ("train", "eval"):
        found = method(scorer, needs=frozenset({"data"}), mode=mode, rounds=3, samples_per_class=4)
        opened = open_session(found, model, SHAPE, data=data(), repetition=0, device=CPU)
        prune(found, opened, 0.2)
        descend(found, opened)
        assert_same(before, fingerprint(model))
        assert torch.equal(torch.get_rng_state(), state)


def test_a_scorer_that_spoils_everything_and_raises_leaves_the_callers_model_untouched() -> None:
    model = used_model()
    before, state = fingerprint(model), torch.get_rng_state()
    states = random.getstate(), np.random.get_state()[1].tolist()
    with pytest.raises(RuntimeError, match="on purpose"):
        prune(method(vandal), session(model), 0.5)
    assert_same(before, fingerprint(model))
    assert torch.equal(torch.get_rng_state(), state)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states


def test_a_scorer_sees_the_masked_weights_as_leaves_of_its_own_copy() -> None:
    model = network()
    s = session(model, mode="train")
    index = np.array([0, 5, 7, 53, 54, 100, 134])
    seen: dict[str, Any] = {}

    def scorer(ctx: Scoring) -> Scores:
        seen.update(vars(ctx), kept=ctx.masks.kept())
        seen["values"] = {name: w.detach().clone() for name, w in ctx.weights.items()}
        seen["own"] = all(ctx.weights[n] is w for n, w in prunable(ctx.model).items())
        seen["leaves"] = [w.is_leaf and w.requires_grad for w in ctx.weights.values()]
        seen["others"] = [p.requires_grad for n, p in ctx.model.named_parameters() if n not in ctx.weights]
        return zeros(ctx)

    s.scores(scorer, s.masks(index), 0)
    flat = torch.zeros(s.layout.total, dtype=torch.bool)
    flat[torch.from_numpy(index)] = True
    expected = Masks({"0.weight": flat[:54].view(3, 2, 3, 3), "5.weight": flat[54:].view(3, 27)})
    assert seen["masks"] == expected == s.masks(index)
    for name, weight in prunable(model).items():
        assert torch.equal(seen["values"][name], weight.detach() * expected[name])
        assert seen["weights"][name] is not weight
    assert seen["own"]
    assert all(seen["leaves"])
    assert not any(seen["others"])
    assert (seen["mode"], seen["shape"], seen["kept"]) == ("train", SHAPE, 7)
    assert seen["model"].training
    s.scores(scorer, everything(s), 1)
    assert all(torch.equal(seen["values"][n], w) for n, w in prunable(model).items())


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_whole_copy_is_in_the_scoring_mode_whatever_the_callers_is(mode: str) -> None:
    for training in (True, False):
        model = network().train(training)
        modes: list[bool] = []
        s = session(model, mode=mode)
        s.scores(lambda ctx: (modes.extend(m.training for m in ctx.model.modules()), zeros(ctx))[1], everything(s), 0)  # noqa: B023
        assert set(modes) == {mode == "train"}


def test_scoring_in_train_mode_leaves_no_trace_in_the_statistics_of_later_rounds() -> None:
    model = network()
    original = {name: b.clone() for name, b in model.named_buffers()}
    starts: list[dict[str, torch.Tensor]] = []
    moved: list[bool] = []

    def scorer(ctx: Scoring) -> Scores:
        starts.append({name: b.clone() for name, b in ctx.model.named_buffers()})
        for x, _ in ctx.batches():
            ctx.model(x)
        moved.append(not torch.equal(ctx.model[1].running_mean, original["1.running_mean"]))
        return {name: torch.rand(w.shape) for name, w in ctx.weights.items()}

    prune(method(scorer, mode="train", rounds=4), session(model, mode="train", batch=data()), 0.1)
    assert len(starts) == 4
    assert all(moved)
    for start in starts:
        assert_same(original, start)


def test_the_next_round_starts_afresh_after_a_round_that_failed() -> None:
    model = network()
    s = session(model)
    with pytest.raises(RuntimeError, match="on purpose"):
        s.scores(vandal, everything(s), 0)
    seen: dict[str, torch.Tensor] = {}
    s.scores(lambda ctx: (seen.update(dict(ctx.model.named_buffers())), zeros(ctx))[1], everything(s), 1)
    assert_same({name: b.clone() for name, b in model.named_buffers()}, {n: b.clone() for n, b in seen.items()})


@pytest.mark.parametrize("count", [1, 255, 256, 257, 300, 515])
def test_the_loss_of_many_uneven_batches_is_the_mean_over_all_samples(count: int) -> None:
    model = network().double().eval()
    batch = data(count, dtype=torch.float64)
    sizes: list[int] = []
    found: dict[str, Any] = {}

    def scorer(ctx: Scoring) -> Scores:
        sizes.extend(len(y) for _, y in ctx.batches())
        found["loss"] = sum(float(part.detach()) for part in ctx.loss().parts())
        found["gradients"] = ctx.gradients(ctx.loss())
        return zeros(ctx)

    s = session(model, batch=batch)
    s.scores(scorer, everything(s), 0)
    loss = cross_entropy(model(batch.x), batch.y)
    gradients = torch.autograd.grad(loss, list(prunable(model).values()))
    assert sum(sizes) == count
    assert max(sizes) <= 256
    assert len(sizes) == -(-count // 256)
    assert found["loss"] == pytest.approx(float(loss.detach()), rel=1e-12)
    for name, expected in zip(prunable(model), gradients, strict=True):
        torch.testing.assert_close(found["gradients"][name], expected, rtol=1e-10, atol=1e-14)


def test_batches_give_the_samples_in_their_order() -> None:
    batch = data(300)
    got: list[tuple[torch.Tensor, torch.Tensor]] = []
    s = session(network(), batch=batch)
    s.scores(lambda ctx: (got.extend(ctx.batches()), zeros(ctx))[1], everything(s), 0)
    assert torch.equal(torch.cat([x for x, _ in got]), batch.x)
    assert torch.equal(torch.cat([y for _, y in got]), batch.y)


@pytest.mark.parametrize("labels", [torch.arange(30) // 10, torch.arange(30) % 3, torch.arange(30).flip(0) // 10])
@pytest.mark.parametrize(("parts", "size", "sizes"), [(1, 10, [10] * 3), (1, 8, [8, 8, 7, 7]), (2, 5, [5] * 6)])
def test_what_batch_norm_sees_together_is_class_balanced_in_any_order(
    labels: torch.Tensor, parts: int, size: int, sizes: list[int]
) -> None:
    batch = Split(data(30).x, labels)
    got: list[tuple[torch.Tensor, torch.Tensor]] = []
    s = Session(network(), SHAPE, mode="train", batch=batch, purpose="probe", repetition=0, device=CPU, batch_size=size)
    s.scores(lambda ctx: (got.extend(ctx.batches(parts)), zeros(ctx))[1], everything(s), 0)
    assert [len(y) for _, y in got] == sizes
    for _, y in got:
        counts = torch.bincount(y, minlength=3)
        assert counts.max() - counts.min() <= 1
    seen = {(float(x.sum()), int(label)) for xs, ys in got for x, label in zip(xs, ys, strict=True)}
    assert seen == {(float(x.sum()), int(label)) for x, label in zip(batch.x, labels, strict=True)}


def test_one_value_per_channel_in_train_mode_is_an_error_that_says_what_to_do() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(50, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    s = session(model, mode="train", batch=data(1))
    with pytest.raises(PruningError, match=r"one value per channel: give more samples.* or mode=eval"):
        s.scores(lambda ctx: ctx.gradients(ctx.loss()), everything(s), 0)


def test_errors_of_a_scorer_are_its_own() -> None:
    def scorer(ctx: Scoring) -> Scores:
        raise ValueError("no such thing")

    s = session(network(), batch=data(3))
    with pytest.raises(ValueError, match=r"^no such thing$"):
        s.scores(scorer, everything(s), 0)


def test_gradients_are_taken_at_the_mask() -> None:
    model = network().double().eval()
    batch = data(12, dtype=torch.float64)
    s = session(model, batch=batch)
    index = np.flatnonzero(np.random.default_rng(0).random(s.layout.total) < 0.4)
    found: dict[str, torch.Tensor] = {}

    def scorer(ctx: Scoring) -> Scores:
        found.update(ctx.gradients(ctx.loss()))
        return zeros(ctx)

    s.scores(scorer, s.masks(index), 0)
    pruned = copy.deepcopy(model)
    s.masks(index).apply(pruned)
    expected = torch.autograd.grad(cross_entropy(pruned(batch.x), batch.y), list(prunable(pruned).values()))
    for gradient, name in zip(expected, prunable(pruned), strict=True):
        torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-14)


def test_gradients_of_a_sum_of_parts_are_the_sum_of_gradients() -> None:
    def scorer(ctx: Scoring) -> Scores:
        weight = ctx.weights["0.weight"].sum() + ctx.weights["5.weight"].sum()
        parts = ctx.gradients(Objective(lambda: iter([weight * 2, weight**2])))
        whole = ctx.gradients(weight * 2 + weight**2)
        assert all(torch.allclose(parts[n], whole[n]) for n in whole)
        return parts

    s = session(network())
    s.scores(scorer, everything(s), 0)


def test_a_layer_that_takes_no_part_has_no_gradient_and_the_error_names_it() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x)

    s = Session(Idle(), (2,), mode="eval", batch=None, purpose="probe", repetition=0, device=CPU)
    with pytest.raises(PruningError, match=r"layer idle\.weight takes no part"):
        s.scores(lambda ctx: ctx.gradients(ctx.synaptic_flow()), everything(s), 0)


def test_a_scorer_without_data_is_told_how_to_get_it() -> None:
    s = session(network())
    with pytest.raises(PruningError, match="needs data and was given none"):
        s.scores(lambda ctx: dict(ctx.gradients(ctx.loss())), everything(s), 0)


def drawn(s: Session, number: int) -> tuple[list[float], list[float]]:
    """What a scorer draws from its own stream and from torch's."""
    got: list[list[float]] = []

    def scorer(ctx: Scoring) -> Scores:
        got.append(torch.rand(4, generator=ctx.generator).tolist())
        got.append(torch.rand(4).tolist())
        return zeros(ctx)

    s.scores(scorer, everything(s), number)
    return got[0], got[1]


def test_random_streams_are_named_by_method_repetition_and_round() -> None:
    model = network()
    reference = drawn(session(model), 3)
    torch.manual_seed(99)
    torch.rand(7)
    assert drawn(session(model), 3) == reference
    others = [
        drawn(session(model), 4),
        drawn(session(model, repetition=1), 3),
        drawn(session(model, purpose="other"), 3),
    ]
    assert all(a != reference[0] and b != reference[1] for a, b in others)
    # Neither what was drawn before nor the network's weights matter.
    s = session(network().double())
    drawn(s, 0)
    assert drawn(s, 3) == reference


def test_random_states_are_restored_after_each_round() -> None:
    s = session(network())
    state = torch.get_rng_state()
    drawn(s, 0)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(RuntimeError, match="on purpose"):
        s.scores(vandal, everything(s), 0)
    assert torch.equal(torch.get_rng_state(), state)


def scoring_set(per_class: int, repetition: int, name: str = "probe", pool: Split | None = None) -> Split:
    got: list[tuple[torch.Tensor, torch.Tensor]] = []
    found = ScoreMethod(
        name,
        lambda ctx: (got.extend(ctx.batches()), zeros(ctx))[1],
        Words(samples_per_class=per_class),
        frozenset({"data"}),
    )
    s = open_session(found, network(), SHAPE, data=pool or data(90), repetition=repetition, device=CPU)
    s.scores(found.scorer, everything(s), 0)
    return Split(torch.cat([x for x, _ in got]), torch.cat([y for _, y in got]))


def test_the_scoring_set_has_as_many_samples_of_every_class_as_asked() -> None:
    pool = Split(
        torch.arange(90.0)[:, None, None, None].expand(90, *SHAPE), torch.tensor([0] * 60 + [1] * 20 + [2] * 10)
    )
    for per_class in (1, 4, 10):
        drawn_set = scoring_set(per_class, 0, pool=pool)
        assert torch.bincount(drawn_set.y).tolist() == [per_class] * 3
        chosen = drawn_set.x[:, 0, 0, 0].long()
        assert len(set(chosen.tolist())) == 3 * per_class
        assert torch.equal(pool.y[chosen], drawn_set.y)


def test_the_scoring_set_is_shared_by_methods_and_changes_with_the_repetition() -> None:
    first, same, other = scoring_set(5, 0), scoring_set(5, 0, name="another"), scoring_set(5, 1)
    assert torch.equal(first.x, same.x)
    assert not torch.equal(first.x, other.x)


def test_too_few_samples_of_a_class_is_an_error_that_says_which() -> None:
    pool = Split(torch.zeros(9, *SHAPE), torch.tensor([0, 0, 0, 0, 0, 1, 1, 2, 2]))
    with pytest.raises(PruningError, match=r"class 1 has 2 samples; samples_per_class=3 asks more"):
        scoring_set(3, 0, pool=pool)


def test_a_method_that_needs_data_cannot_open_a_session_without() -> None:
    found = method(zeros, needs=frozenset({"data"}))
    with pytest.raises(PruningError, match="the method needs data"):
        open_session(found, network(), SHAPE, data=None, repetition=0, device=CPU)


def test_a_method_that_needs_no_data_is_given_none() -> None:
    found = method(lambda ctx: dict(ctx.gradients(ctx.loss())))
    opened = open_session(found, network(), SHAPE, data=data(), repetition=0, device=CPU)
    with pytest.raises(PruningError, match="needs data"):
        prune(found, opened, 0.5)


@pytest.mark.parametrize(
    ("model", "labels", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), 3, "the network cannot take inputs of shape"),
        (nn.Sequential(nn.Linear(SHAPE[-1], 3)), 3, r"the loss needs logits \[30, classes\]; the network gives"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(math.prod(SHAPE), 2)),
            3,
            "labels go from 0 to 2; the network has 2 outputs",
        ),
    ],
)
def test_inputs_and_labels_that_do_not_fit_the_network_are_one_line(
    model: nn.Module, labels: int, message: str
) -> None:
    s = session(model, batch=data(classes=labels))
    with pytest.raises(PruningError, match=message):
        s.scores(lambda ctx: dict(ctx.gradients(ctx.loss())), everything(s), 0)

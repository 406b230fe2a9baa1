"""Methods of their own kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
import torch
from torch import nn

import prunebench as pb
from prunebench.engine.method import build
from prunebench.engine.subject import Subject
from prunebench.errors import DuplicateNameError, PruningError, SpecError
from prunebench.parameters import AtLeast
from prunebench.registry import METHODS
from prunebench.spec import Spec
from prunebench.tasks.datasets.base import Split
from tests.walking import registering

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    with registering():
        yield


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 3))


def registered(prune: Any, **given: Any) -> None:
    class Probe(pb.Method):
        def prune(self, ctx: pb.Pruning) -> Any:
            return prune(ctx)

    pb.method("probe", **given)(Probe)


def pruned(density: float = 0.2, **given: Any) -> pb.Masks:
    return pb.prune(network(), "probe", density=density, **{"input_shape": (6,), **given})


@dataclass(frozen=True, kw_only=True)
class Timed(pb.Method):
    """Parameters that methods of other files inherit."""

    start: Annotated[float, AtLeast(0)] = 0.25
    events: Annotated[int | Literal["all"], AtLeast(1)] = 4


def test_parameters_have_the_minimum_and_the_module_of_where_they_are_written() -> None:
    elsewhere: dict[str, Any] = {"__name__": "prunebench.spec", "pb": pb, "Timed": Timed}
    exec("class Late(Timed):\n    by: str = 'x'\n    def prune(self, ctx):\n        return ctx.keep(0)", elsewhere)
    pb.method("late")(elsewhere["Late"])
    found = {p.name: (p.types, p.choices, p.minimum) for p in METHODS.entry("late").parameters}
    assert found["start"] == (("float",), (), 0)
    assert found["events"] == (("int",), ("all",), 1)
    assert found["by"] == (("str",), (), None)
    for text, message in (("start=-0.1", "start=-0.1 must be at least 0"), ("events=0", "events=0 must be at least 1")):
        with pytest.raises(SpecError, match=message):
            METHODS.resolve(Spec.parse(f"late({text})"))
    assert METHODS.resolve(Spec.parse("late(start=0, events=all)")) == {"start": 0.0, "events": "all", "by": "x"}


def test_a_class_with_typed_attributes_is_a_method_with_parameters() -> None:
    @pb.method("halving", paper="Doe 2026", traits={"random"}, notes="Twice.")
    class Halving(pb.Method):
        """Magnitude, in steps."""

        cycles: int = 2
        by: str = "magnitude"

        def prune(self, ctx: pb.Pruning) -> pb.Ticket:
            masks = ctx.keep(ctx.scores(self.by), round(ctx.layers.total / self.cycles))
            kept = {n: s.masked_fill(~masks[n], -1) for n, s in ctx.scores(self.by, masks).items()}
            return pb.Ticket(ctx.keep(kept), notes=(f"{self.cycles} cycles",))

    entry = METHODS.entry("halving")
    assert (entry.summary, entry.paper, entry.capabilities) == ("Magnitude, in steps", "Doe 2026", ("random",))
    assert [(p.name, p.types, p.default) for p in entry.parameters] == [
        ("cycles", ("int",), 2),
        ("by", ("str",), "magnitude"),
    ]
    ticket = pb.find_ticket(network(), "halving:cycles=4", density=0.1, input_shape=(6,))
    assert ticket.notes == ("4 cycles",)
    assert ticket.masks == pb.prune(network(), "magnitude", density=0.1, input_shape=(6,))
    with pytest.raises(SpecError, match=r"cycles=1\.5 is not int"):
        pb.prune(network(), "halving(cycles=1.5)", density=0.1, input_shape=(6,))
    with pytest.raises(PruningError, match="makes masks without scores"):
        pb.score(network(), "halving", input_shape=(6,))


def test_the_engine_counts_what_a_method_returns() -> None:
    registered(lambda ctx: ctx.keep(ctx.scores("magnitude"), ctx.count + 1))
    with pytest.raises(PruningError, match=r"kept 37 weights where density 0\.2 asks for 36"):
        pruned()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned NoneType, neither masks nor a ticket"),
        (pb.Masks({"0.weight": torch.ones(20, 6, dtype=torch.bool)}), "do not have the same prunable tensors"),
    ],
)
def test_what_is_no_mask_of_the_network_is_refused(returned: Any, message: str) -> None:
    registered(lambda ctx: returned)
    with pytest.raises(PruningError, match=message):
        pruned()


def test_the_callers_network_and_random_state_stay_as_they_are() -> None:
    def vandal(ctx: pb.Pruning) -> pb.Masks:
        masks = ctx.keep({n: torch.rand(w.shape, generator=ctx.generator) for n, w in ctx.weights.items()})
        torch.rand(5)
        ctx.model.train()(torch.randn(4, 6)).sum().backward()
        with torch.no_grad():
            for p in ctx.model.parameters():
                p.zero_()
        return masks

    registered(vandal)
    model, state = network(), torch.get_rng_state()
    before = {n: v.clone() for n, v in model.state_dict().items()}
    finder = build(Spec.parse("probe")).open(Subject(model, (6,), 0, torch.device("cpu")))
    state = torch.get_rng_state()
    masks = [finder.ticket(0.2).masks for _ in range(2)]
    assert masks[0] == masks[1]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    other = build(Spec.parse("probe")).open(Subject(model, (6,), 1, torch.device("cpu"))).ticket(0.2).masks
    assert other != masks[0]


def test_data_are_for_methods_that_declare_them() -> None:
    x, y = torch.randn(30, 6), torch.arange(30) % 3
    registered(lambda ctx: ctx.keep(ctx.scores("snip")), needs={"data", "labels", "gradients"})
    assert pruned(batch=(x, y)) == pb.prune(network(), "snip", density=0.2, batch=(x, y))
    with pytest.raises(PruningError, match="needs data"):
        pruned()


def test_a_method_that_declares_no_data_gets_none() -> None:
    registered(lambda ctx: ctx.data)
    train = Split(torch.randn(30, 6), torch.arange(30) % 3)
    finder = build(Spec.parse("probe")).open(Subject(network(), (6,), 0, torch.device("cpu"), train=train))
    with pytest.raises(PruningError, match="was given no data"):
        finder.ticket(0.2)


def test_a_method_that_trains_is_refused_by_the_library_call() -> None:
    registered(lambda ctx: ctx.keep(ctx.scores("magnitude")), needs={"training"})
    with pytest.raises(PruningError, match=r"trains: use pb\.find_ticket"):
        pruned()


def test_declarations_are_checked() -> None:
    with pytest.raises(TypeError, match="unknown 'gradient'"):
        pb.method("probe", needs={"gradient"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no subclass of Method"):
        pb.method("probe")(type("Loose", (), {}))

    class Untyped(pb.Method):
        widths: dict = {}  # noqa: RUF012

        def prune(self, ctx: pb.Pruning) -> pb.Masks:
            raise NotImplementedError

    with pytest.raises((TypeError, ValueError)):
        pb.method("probe")(Untyped)

    class Base(pb.Method):
        rounds: int = 3

    class Heir(Base):
        def prune(self, ctx: pb.Pruning) -> pb.Masks:
            raise NotImplementedError

    with pytest.raises(TypeError, match="its base class Base has parameters: make it a dataclass"):
        pb.method("probe")(Heir)
    with pytest.raises(DuplicateNameError, match="'random' is registered twice"):
        registered_as_random()


def registered_as_random() -> None:
    @pb.method("random")
    class Other(pb.Method):
        def prune(self, ctx: pb.Pruning) -> pb.Masks:
            raise NotImplementedError

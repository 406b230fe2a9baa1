"""How far a method's scores of an untouched network are from a flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from prunebench.engine.conservation.instrumented import Instrumented
from prunebench.engine.conservation.laws import CutLaw, UnitLaw, cut_law, residual, size_slope, unit_law
from prunebench.engine.masks import Masks
from prunebench.engine.method import build
from prunebench.engine.prunable import private_copy, prunable
from prunebench.engine.selection.allocate import competing
from prunebench.engine.selection.scorer import ScoreMethod
from prunebench.engine.selection.scoring import Scores, Scoring, Session
from prunebench.engine.structure.flow_graph import FlowGraph
from prunebench.errors import InapplicableError, PruningError, SpecError
from prunebench.registry import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from prunebench.engine.subject import Subject
    from prunebench.spec import Spec

Count = Literal["weights", "all"]
Sign = Literal["kept", "absolute"]
Precision = Literal["double", "single"]
Against = Literal["none", "gradient-norms"]

SHOWN = 400
"""Units of which a measurement keeps the totals in and out."""


@dataclass(frozen=True, eq=False)
class Flow:
    """What was measured of one method on one network."""

    layers: tuple[str, ...]
    """The network's own prunable weights, in forward order where the forward pass calls them."""
    sizes: tuple[int, ...]
    totals: tuple[float, ...]
    last: int
    """Which of them is the last that feeds the output."""
    spread: float | None
    """The largest residual of a layer's total against that of the last; None where there is one layer."""
    units: UnitLaw
    cuts: CutLaw | None

    def metrics(self) -> dict[str, float | None]:
        """By name of a metric; None where there is nothing to hold to the law."""
        found = self.units.residual
        others = np.zeros(0) if self.cuts is None else self.cuts.residual[:-1]
        return {
            "unit_residual": float(found.max()) if len(found) else None,
            "unit_residual_median": float(np.median(found)) if len(found) else None,
            "units": len(found),
            "cut_residual": float(others.max()) if len(others) else None,
            "cut_residual_median": float(np.median(others)) if len(others) else None,
            "cuts": len(others),
            "layer_residual": self.spread,
            "size_slope": size_slope(self.sizes, self.totals),
        }

    def series(self) -> dict[str, list[Any]]:
        """Layers, cuts, and units.

        Of more than `SHOWN` units, ordered by what comes in, those at round(i·(units − 1) / (SHOWN − 1)) are kept,
        least and most among them; they are given in that order.
        """
        order = np.argsort(self.units.incoming, kind="stable")
        if len(order) > SHOWN:
            order = order[np.linspace(0, len(order) - 1, SHOWN).round().astype(np.int64)]
        worst: dict[str, float] = {}
        for name, value in zip(self.units.layers, self.units.residual.tolist(), strict=True):
            worst[name] = max(worst.get(name, 0.0), value)
        return {
            "unit_layer": [self.units.layers[unit] for unit in order.tolist()],
            "unit_in": self.units.incoming[order].tolist(),
            "unit_out": self.units.outgoing[order].tolist(),
            "unit_group": list(worst),
            "layer_unit_residual": list(worst.values()),
            "layer": list(self.layers),
            "layer_size": list(self.sizes),
            "layer_total": list(self.totals),
            "cut_layers": [] if self.cuts is None else list(self.cuts.layers),
            "cut_total": [] if self.cuts is None else self.cuts.totals.tolist(),
        }


def measured(
    subject: Subject, method: Spec, *, count: Count = "weights", sign: Sign = "kept", precision: Precision = "double",
    against: Against = "none",
) -> Flow:  # fmt: skip
    """The flow of a method's scores of all weights of a network.

    Args:
        subject: the network and its data.
        method: whose first round's scores of the untouched network are taken.
        count: `weights` scores the network as it is; `all` has biases, BatchNorm's parameters and the operands of sums
            among its weights, see `Instrumented`.
        sign: `absolute` takes |S| of every weight.
        precision: of the network and its inputs; sums are in float64.
        against: `gradient-norms` holds S + g ⊙ g to the laws, g the gradient of the method's loss, with its temperature
            and split: in − out = ‖g_out‖² − ‖g_in‖² of S, which is exact of GraSP.

    Raises:
        InapplicableError: the method has no scores, or gives none of the network with virtual weights.
        SpecError: `gradient-norms` with absolute scores, or with a method that takes no gradient of a loss.
        ScoreError: the method's scores are not usable.
        UnsupportedOperatorError: the forward pass uses an operator without a rule.
    """
    pruner = build(method)
    if not isinstance(pruner, ScoreMethod) or pruner.ratios is not None:
        raise InapplicableError(f"method {method.name!r} has no scores of all weights of a network")
    if against == "gradient-norms" and (sign == "absolute" or not pruner.needs >= {"data", "labels", "gradients"}):
        raise SpecError(
            f"against=gradient-norms is of signed scores by gradients of a loss, not of {method} with sign={sign}"
        )
    words = pruner.words
    model = private_copy(subject.model).to(torch.float64 if precision == "double" else torch.float32)
    names, own = {name: name for name in prunable(model)}, set(prunable(model))
    if count == "all":
        rebuilt = Instrumented.of(model, subject.shape, words.mode)
        model, names, own = rebuilt, rebuilt.names, rebuilt.own
    graph = FlowGraph.of(model, subject.shape)
    session = Session(
        model, subject.shape, mode=words.mode, purpose=pruner.name, repetition=subject.repetition,
        device=subject.device, batch_size=words.batch_size,
        batch=subject.scoring_set(words.samples_per_class) if "data" in pruner.needs else None,
    )  # fmt: skip
    try:
        scores = _scores(session, pruner.scorer)
        if against == "gradient-norms":
            squares = _scores(session, _squares(METHODS.resolve(method)))
            scores = {name: score + squares[name] for name, score in scores.items()}
    except PruningError as error:
        if count == "weights":
            raise
        raise InapplicableError(f"{method} gives no scores where biases and shortcuts are weights: {error}") from error
    if sign == "absolute":
        scores = {name: score.abs() for name, score in scores.items()}
    return _flow(graph, scores, names, own)


def _scores(session: Session, scorer: Callable[[Scoring], Scores]) -> dict[str, Tensor]:
    """Checked, in float64 on the CPU."""
    masks = Masks.full({name: torch.empty(shape) for name, shape in session.layout.shapes.items()})
    found = session.scores(scorer, masks, 0)
    competing(found, session.layout, np.arange(session.layout.total))
    return {name: score.detach().cpu().double() for name, score in found.items()}


def _squares(parameters: Mapping[str, Any]) -> Callable[[Scoring], Scores]:
    """Squares of the gradient of the loss that a method with these parameters takes."""
    temperature, parts = float(parameters.get("temperature", 1.0)), int(parameters.get("split", 1))

    def scorer(ctx: Scoring) -> Scores:
        gradients = ctx.gradients(ctx.loss(temperature=temperature, parts=parts))
        return {name: gradient.square() for name, gradient in gradients.items()}

    return scorer


def _flow(graph: FlowGraph, scores: Mapping[str, Tensor], names: Mapping[str, str], own: set[str]) -> Flow:
    """Under the layers' names in the network that was given; `own` are its weights, the others virtual."""
    called = [name for name in graph.layers if name in own]
    real = called + [name for name in scores if name in own and name not in graph.layers]
    ending = [name for name in called if (graph.layers[name].target == graph.output).any()]
    last = real.index((ending or called or real)[-1])
    totals, absolute = (np.array([float(f(scores[name])) for name in real]) for f in (torch.sum, _absolute))
    spread = residual(totals, np.full_like(totals, totals[last]), absolute + absolute[last])
    units, cuts = unit_law(graph, scores), cut_law(graph, scores)
    return Flow(
        layers=tuple(names[name] for name in real),
        sizes=tuple(scores[name].numel() for name in real),
        totals=tuple(totals.tolist()),
        last=last,
        spread=float(spread.max()) if len(real) > 1 else None,
        units=UnitLaw(tuple(names[n] for n in units.layers), units.incoming, units.outgoing, units.residual),
        cuts=None if cuts is None else CutLaw(tuple(names[name] for name in cuts.layers), cuts.totals, cuts.residual),
    )


def _absolute(score: Tensor) -> Tensor:
    return score.abs().sum()

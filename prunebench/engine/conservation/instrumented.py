"""A network rebuilt so that biases, BatchNorm's parameters and shortcuts are prunable weights as well.

The function that it computes is the same. What has no weight of its own gets one, a *virtual* weight, in an ordinary
module, so that every scorer scores it without a line of its own:

- a bias is a linear layer that reads one feature, the constant 1, at every position;
- BatchNorm in eval mode is a depthwise convolution of kernel 1, the slope γ/√(σ² + ε), and a bias, β − μ·slope;
- BatchNorm in train mode, or without running statistics, normalises as before; γ is the convolution, β the bias;
- each operand of a sum of two activations passes a depthwise convolution of ones.

Layer, group and instance norm stay as they are, and so do bare parameters that the forward pass adds or multiplies by
itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from prunebench.engine.conservation.rewired import Kind, Rewired, Wanted
from prunebench.engine.prunable import private_copy, prunable
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.engine.selection.scoring import Mode


class Instrumented(nn.Module):
    """A network with virtual weights; `of` makes one.

    Attributes:
        network: a copy of the one that was given.
        virtual: the modules of the virtual weights.
        names: by name of a prunable weight here, its name in the network that was given: that of a bias or of
            BatchNorm's parameter, where it is virtual, and `sum1.0` for the first operand of the first sum.
        own: the names here of those that are not virtual.
    """

    def __init__(self, model: nn.Module) -> None:
        """Without virtual weights yet."""
        super().__init__()
        self.network = private_copy(model)
        self.virtual = nn.ModuleDict()
        self.names = {f"network.{name}": name for name in prunable(self.network)}
        self.own = set(self.names)
        self.places: list[tuple[Kind, tuple[str | None, ...]]] = []
        """In forward order: the kind, and the modules by name, None where BatchNorm has no such parameter."""

    @classmethod
    def of(cls, model: nn.Module, shape: tuple[int, ...], mode: Mode) -> Instrumented:
        """The network that takes inputs of `shape`, to be run in `mode`, in the model's precision.

        Raises:
            UnsupportedOperatorError: a sum of activations is written into a view, or has no channels.
        """
        found = cls(model)
        network = found.network.eval()
        first = next(iter(prunable(network).values()))
        source = torch.ones(1, *shape, device=first.device, dtype=first.dtype)
        planner = _Planner(found, fold=mode == "eval")
        with torch.no_grad(), torch.random.fork_rng(devices=[]), Rewired(source, planner):
            network(source)
        return found.train(model.training)

    def forward(self, x: Tensor) -> Tensor:
        """What the network gives.

        Raises:
            PruningError: the forward pass is not the one that was followed.
        """
        replay = _Replay(self)
        with Rewired(x, replay) as mode:
            output: Tensor = mode.now(self.network(x))
        replay.end()
        return output


class _Planner:
    """Makes them; a parameter that is used at two places is one weight."""

    def __init__(self, found: Instrumented, fold: bool) -> None:
        self._found, self._fold = found, fold
        self._named = {id(value): name for name, value in found.network.named_parameters()}
        self._known: dict[tuple[int, Kind], str] = {}
        self._sums = 0

    def folds(self, possible: bool) -> bool:
        return self._fold and possible

    def at(self, kind: Kind, wanted: Sequence[Wanted | None]) -> list[nn.Module | None]:
        self._sums += kind == "sum"
        keys = tuple(None if one is None else self._key(kind, number, one) for number, one in enumerate(wanted))
        self._found.places.append((kind, keys))
        return [None if key is None else self._found.virtual[key] for key in keys]

    def _key(self, kind: Kind, number: int, wanted: Wanted) -> str:
        known = None if wanted.own is None else self._known.get((id(wanted.own), kind))
        if known is not None:
            return known
        key = str(len(self._found.virtual))
        name = f"sum{self._sums}.{number}" if kind == "sum" else self._named.get(id(wanted.own), f"{kind}{key}")
        if wanted.own is not None:
            self._known[id(wanted.own), kind] = key
        value = wanted.value().detach()
        module: nn.Module
        if wanted.shift:
            module = nn.Linear(1, len(value), bias=False)
        else:
            module = nn.Conv1d(len(value), len(value), 1, groups=len(value), bias=False)
        module.weight = nn.Parameter(value.clone().view(module.weight.shape))
        self._found.virtual[key] = module
        self._found.names[f"virtual.{key}.weight"] = name
        return key


class _Replay:
    """Gives them in the order in which they were made."""

    def __init__(self, found: Instrumented) -> None:
        self._found = found
        self._done = 0

    def folds(self, possible: bool) -> bool:
        places = self._found.places
        folded = self._done < len(places) and places[self._done][0] == "folded"
        if folded and not possible:
            raise self._other()
        return folded

    def at(self, kind: Kind, wanted: Sequence[Wanted | None]) -> list[nn.Module | None]:
        places = self._found.places
        if self._done == len(places) or places[self._done][0] != kind or len(places[self._done][1]) != len(wanted):
            raise self._other()
        keys = places[self._done][1]
        self._done += 1
        return [None if key is None else self._found.virtual[key] for key in keys]

    def end(self) -> None:
        if self._done < len(self._found.places):
            raise self._other()

    def _other(self) -> PruningError:
        return PruningError(
            f"{type(self._found.network).__name__} computes something else from one call to the next, or in train mode "
            "than in eval mode: its biases, normalisations and sums cannot be counted"
        )

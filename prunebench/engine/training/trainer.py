"""Training by a recipe, under masks that hold at every step."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.engine.masks import Masks, check_alike
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.cost import PASSES, cost_of
from prunebench.engine.ticket import Phase, under
from prunebench.engine.training.augment import Augmentation
from prunebench.errors import PruningError, TrainingError
from prunebench.graph import counted, spend
from prunebench.seeding import seed_of
from prunebench.tasks.recipes.rates import last, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prunebench.tasks.datasets.base import Samples, Split
    from prunebench.tasks.recipes.base import Recipe

_READERS = 4
"""Processes that read files ahead of a GPU."""


class Trainer:
    """A network in training, which is trained in place.

    A weight that is pruned is zero after every step, and so are its gradient, its momentum and its Adam moments: zero
    weights with zero gradients stay zero under every optimiser and any weight decay. Batches and augmentation of an
    epoch, and dropout of a step, depend on the repetition and on the number of the epoch or step alone, so that a run
    that is taken up again, or starts anew at a rewind point, sees what the first one saw. A phase that goes on from
    trained weights goes on counting.

    Attributes:
        model: the network.
        total: steps at which the phase ends.
        length: T, in steps.
        per_epoch: steps of an epoch.
        step: steps done, those before the phase began included.
        begun: where it began.
        samples: of the training data.
        examples: samples seen so far.
        watch: called with the trainer after every epoch.
        constant: learning rate over the recipe's largest, instead of the phase's; None keeps that.
    """

    def __init__(
        self, model: nn.Module, recipe: Recipe, train: Samples, *, repetition: int, device: torch.device,
        phase: Phase | None = None,
    ) -> None:  # fmt: skip
        """Make ready; the network moves to the device.

        Raises:
            SpecError: the phase begins past the recipe's end.
            TrainingError: the recipe asks for dropout, and no linear layer but the first has inputs to drop.
        """
        phase = phase or Phase()
        self.model = model.to(device).train()
        self.recipe, self.repetition, self.device = recipe, repetition, device
        self.per_epoch = recipe.per_epoch(len(train))
        self.length = recipe.length(len(train))
        self.total = max(1, round(self.length * phase.length))
        self.step = self.begun = recipe.step_at(phase.begin, len(train))
        # Epochs are counted, and their batches drawn, by place: the step, unless others came before.
        self._shift = 0 if phase.after is None else round(phase.after * self.length) - self.begun
        self.examples = 0
        self.samples = len(train)
        self.watch: Callable[[Trainer], None] | None = None
        self.constant: float | None = None
        self._train, self._phase = train.to(device), phase
        self._optimiser = _optimiser(recipe, [p for p in model.parameters() if p.requires_grad])
        self._masks: Masks | None = None
        self._held: dict[str, Tensor] = {}
        self._zeros: list[tuple[nn.Parameter, Tensor]] = []
        _drop(model, recipe.dropout)

    @property
    def masks(self) -> Masks:
        """What the network keeps now."""
        return self._masks or Masks.full({name: weight.cpu() for name, weight in prunable(self.model).items()})

    @property
    def held(self) -> Mapping[str, Tensor]:
        """Other parameters that stay zero where their tensor is False."""
        return self._held

    def hold(self, masks: Masks | None, held: Mapping[str, Tensor] | None = None) -> None:
        """Keep these weights from now on; the others, and all that the optimiser knows of them, become zero.

        Weights that come back go on from zero. None keeps everything.

        Raises:
            PruningError: the masks are not those of the network, or `held` names no parameter of it.
        """
        weights = prunable(self.model)
        # A tied weight has all of its names: the prunable one need not be the first.
        parameters = dict(self.model.named_parameters(remove_duplicate=False))
        if masks is not None:
            check_alike(masks, weights)
        check_held(held or {}, parameters)
        self._masks, self._held = masks, dict(held or {})
        kept = {**(masks or {}), **self._held}
        self._zeros = [
            (parameters[name], mask.to(self.device, parameters[name].dtype))
            for name, mask in kept.items()
            if not mask.all()
        ]
        with torch.no_grad():
            for parameter, mask in self._zeros:
                parameter.mul_(mask)
                for value in self._optimiser.state.get(parameter, {}).values():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        value.mul_(mask)

    def run(self, until: int | None = None) -> None:
        """Train up to a step; None is to the end.

        Raises:
            TrainingError: the loss is not finite; the message names the step.
        """
        end = self.total if until is None else min(until, self.total)
        devices = [self.device] if self.device.type == "cuda" else []
        seen = self.examples
        # Whoever had the network before may have left gradients.
        self._optimiser.zero_grad(set_to_none=True)
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            while self.step < end:
                place = self.step + self._shift
                self._epoch(min(end, (place // self.per_epoch + 1) * self.per_epoch - self._shift))
        if counted():
            spend("examples", self.examples - seen)
            spend("macs", PASSES * self._macs * (self.examples - seen))

    @functools.cached_property
    def _macs(self) -> int:
        """Of one forward pass of the dense network on one sample."""
        return cost_of(self.model, self._train.shape).macs

    def state(self) -> dict[str, Tensor]:
        """All that the rest of the run depends on: `restore` on a trainer made alike goes on to the bit."""
        parameters: dict[Tensor, str] = {parameter: name for name, parameter in self.model.named_parameters()}
        found = {f"weight/{name}": value.detach().clone() for name, value in self.model.state_dict().items()}
        for parameter, state in self._optimiser.state.items():
            name = parameters[parameter]
            found |= {f"optimiser/{key}/{name}": v.clone() for key, v in state.items() if isinstance(v, Tensor)}
        found["step"] = torch.tensor([self.step, self.examples])
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state; masks are not part of it, hold them first."""
        self.model.load_state_dict(under("weight", state))
        parameters = dict(self.model.named_parameters())
        self._optimiser.state.clear()
        for key, value in under("optimiser", state).items():
            kind, _, name = key.partition("/")
            self._optimiser.state[parameters[name]][kind] = value.clone().to(self.device)
        self.step, self.examples = state["step"].tolist()

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers as they are now, copied to the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}

    def rate(self) -> float:
        """The learning rate of the next step."""
        if self.constant is not None:
            return self.recipe.lr * self.constant
        if self._phase.rate == "final":
            part = last(self.recipe, self.length, self.per_epoch)
        else:
            # Positions in epochs stretch as those in shares do.
            part = share(self.recipe, self.step, self.total, self.per_epoch * self.total / self.length)
        return self.recipe.lr * self._phase.scale * part

    def _epoch(self, end: int) -> None:
        """The steps of one epoch, or those that are left of it, up to `end`."""
        number, first = divmod(self.step + self._shift, self.per_epoch)
        seeds = torch.randint(2**62, (self.per_epoch,), generator=self._generator("training", number)).tolist()
        losses: list[Tensor] = []
        masked = [parameter for parameter, _ in self._zeros]
        masks = [mask for _, mask in self._zeros]
        self.model.train()
        for batch in self._batches(number, first, first + end - self.step):
            rate = self.rate()
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            self._seed(seeds[(self.step + self._shift) % self.per_epoch])
            loss = F.cross_entropy(self.model(batch.x), batch.y, label_smoothing=self.recipe.label_smoothing)
            torch.autograd.backward(loss)
            if grown := [(p.grad, m) for p, m in zip(masked, masks, strict=True) if p.grad is not None]:
                torch._foreach_mul_(*map(list, zip(*grown, strict=True)))
            self._optimiser.step()
            self._optimiser.zero_grad(set_to_none=True)
            losses.append(loss.detach())
            self.step += 1
            self.examples += len(batch)
        finite = torch.isfinite(torch.stack(losses)).tolist()
        if not all(finite):
            step = self.step - len(losses) + finite.index(False)
            value = float(losses[finite.index(False)])
            raise TrainingError(f"training diverged at step {step} of {self.total}: the loss is {value}")
        ended = (self.step + self._shift) % self.per_epoch == 0
        if self.watch is not None and (ended or self.step == self.total):
            self.watch(self)

    def _batches(self, epoch: int, first: int, end: int) -> Iterator[Split]:
        """Batches `first` to `end` of an epoch, augmented."""
        samples, size = len(self._train), self.recipe.batch
        order = torch.randperm(samples, generator=self._generator("data-order", epoch)).to(self._train.y.device)
        bounds = [*range(0, size * self.per_epoch, size), samples]
        chosen = [order[a:b] for a, b in itertools.pairwise(bounds)][first:end]
        workers = _READERS if self.device.type == "cuda" else 0
        augmented = self.recipe.crop > 0 or self.recipe.flip
        draw = Augmentation.draw(self.recipe, samples, self._generator("augmentation", epoch)) if augmented else None
        for number, batch in enumerate(self._train.chosen(chosen, workers=workers), start=first):
            if draw is None:
                yield batch
            else:
                yield type(batch)(draw(batch.x, number * size, self._train.black), batch.y)

    def _generator(self, purpose: str, epoch: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(purpose, self.repetition, epoch=epoch))

    def _seed(self, seed: int) -> None:
        """Set torch's own random stream, for dropout and the like; those of other devices stay as they are."""
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            with torch.cuda.device(self.device):
                torch.cuda.manual_seed(seed)


def _optimiser(recipe: Recipe, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    common: dict[str, Any] = {"lr": recipe.lr, "weight_decay": recipe.weight_decay, "fused": True}
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(parameters, momentum=recipe.momentum, nesterov=recipe.nesterov, **common)
    kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
    return kind(parameters, betas=recipe.betas, **common)


def check_held(held: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> None:
    """Raise PruningError unless all that is held are parameters of these shapes."""
    for name, mask in held.items():
        if name not in parameters:
            raise PruningError(f"{name} is to be held at zero, and the network has no such parameter")
        if mask.shape != parameters[name].shape:
            raise PruningError(f"mask of {name} is {list(mask.shape)}, the parameter {list(parameters[name].shape)}")


def _drop(model: nn.Module, share: float) -> None:
    """Drop inputs of every linear layer, apart from a first layer that reads the network's own.

    What an earlier trainer of the network dropped is dropped no more.

    Raises:
        TrainingError: there is none.
    """
    for module in model.modules():
        for key, hook in list(module._forward_pre_hooks.items()):
            if isinstance(hook, functools.partial) and hook.func is _dropped:
                del module._forward_pre_hooks[key]
    if not share:
        return
    owners = [name.rpartition(".")[0] for name in prunable(model)]
    linear = [m for name, m in model.named_modules() if isinstance(m, nn.Linear) and name != owners[0]]
    if not linear:
        raise TrainingError(f"dropout={share:g}: {type(model).__name__} has no linear layer after the first")
    for module in linear:
        module.register_forward_pre_hook(functools.partial(_dropped, share))


def _dropped(share: float, module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    first, *others = arguments
    return (F.dropout(first, share, training=module.training), *others)

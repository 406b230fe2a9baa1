"""Small tasks for methods with events, and what their networks go through while they train."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
from torch import nn

from prunebench.engine.method import build
from prunebench.engine.prunable import prunable
from prunebench.engine.subject import Subject
from prunebench.engine.training.by_function import TrainFunction
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.datasets.base import Split
from prunebench.tasks.recipes.base import Recipe

ready()
CPU = torch.device("cpu")
CLASSES = 4


def split(shape, samples=40, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(CLASSES, *shape, generator=torch.Generator().manual_seed(9), dtype=dtype)
    labels = torch.arange(samples) % CLASSES
    return Split(torch.randn(samples, *shape, generator=generator, dtype=dtype) + means[labels], labels)


def task(model, shape, *, epochs=8, repetition=0, validation=True, dtype=torch.float32, **values):
    """Five steps an epoch."""
    recipe = Recipe(**{"lr": 0.1, "batch": 8, "epochs": epochs, "validation": 0.0, "rewind": (), **values})
    held_back = split(shape, 100, 1, dtype) if validation else None
    train = split(shape, dtype=dtype)
    return Subject(model, shape, repetition, CPU, train=train, validation=held_back, recipe=recipe)


def found(spec, subject, density):
    return build(Spec.parse(spec)).open(subject).ticket(density)


def mlp(*widths, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = []
        for a, b in itertools.pairwise(widths):
            layers += [nn.Linear(a, b), nn.ReLU()]
        return nn.Sequential(*layers[:-1])


@dataclass
class Diary:
    """Parameters and buffers at every forward pass of training, as copies: entry t is before step t."""

    states: list = field(default_factory=list)

    def __deepcopy__(self, memo):
        return self

    def __call__(self, model, arguments):
        if model.training:
            self.states.append({name: value.detach().clone() for name, value in model.state_dict().items()})


def kept_diary(model):
    """A network and its diary; copies of the network write into the same one."""
    diary = Diary()
    model.register_forward_pre_hook(diary)
    return diary


@dataclass
class Still:
    """A train function that changes biases alone, and remembers what weights it was given at every call."""

    states: list = field(default_factory=list)
    places: list = field(default_factory=list)

    def __call__(self, model, stretch):
        self.places.append((stretch.begin, stretch.end))
        self.states.append({name: weight.detach().clone() for name, weight in prunable(model).items()})
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.add_(0.01)


def still(model, shape, steps=100, **more):
    function = Still()
    subject = Subject(model, shape, 0, CPU, train=split(shape), by_function=TrainFunction(function, steps), **more)
    return subject, function

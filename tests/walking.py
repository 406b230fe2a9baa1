"""Short names for what tests do with a scored method."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prunebench.engine.selection.pruning import Descent, Round, Walker
from prunebench.engine.subject import Subject
from prunebench.plugins import ready
from prunebench.registry import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn

    from prunebench.engine.masks import Masks
    from prunebench.engine.selection.scorer import ScoreMethod
    from prunebench.engine.selection.scoring import Session
    from prunebench.tasks.datasets.base import Split


def prune(method: ScoreMethod, session: Session, density: float) -> Masks:
    return Walker(method, session).ticket(density).masks


def walk(method: ScoreMethod, session: Session, density: float) -> Iterator[Round]:
    return Walker(method, session).rounds(density)


def descend(method: ScoreMethod, session: Session) -> Descent:
    return Walker(method, session).descend()


def open_session(
    method: ScoreMethod, model: nn.Module, shape: tuple[int, ...], *, data: Split | None, repetition: int,
    device: torch.device,
) -> Session:  # fmt: skip
    return method.open(Subject(model, shape, repetition, device, train=data)).session


@contextmanager
def registering() -> Iterator[None]:
    """Forget afterwards what was registered inside."""
    ready()
    before = set(METHODS.entries)
    try:
        yield
    finally:
        for name in set(METHODS.entries) - before:
            del METHODS.entries[name]
            METHODS._objects.pop(name, None)

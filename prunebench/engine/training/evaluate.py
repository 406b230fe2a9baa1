"""Loss and accuracy of a network, in eval mode."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from prunebench.errors import TrainingError

if TYPE_CHECKING:
    from torch import nn

    from prunebench.tasks.datasets.base import Samples

_ELEMENTS = 2**17
"""Of the inputs that pass through together: larger batches of small networks fall out of the cache."""

_MANY = 20
"""Classes beyond which the right one is also looked for among the first five."""


def evaluate(model: nn.Module, samples: Samples) -> dict[str, float]:
    """Mean cross-entropy under `loss` (nats) and top-1 accuracy under `accuracy` (%); the network stays as it is.

    Of more than 20 classes, top-5 accuracy under `top5` (%) as well.

    Raises:
        TrainingError: the loss is not finite.
    """
    size = min(max(_ELEMENTS // max(1, math.prod(samples.shape)), 128), 4096)
    modes = {name: module.training for name, module in model.named_modules()}
    model.eval()
    losses: list[torch.Tensor] = []
    right: list[torch.Tensor] = []
    among_five: list[torch.Tensor] = []
    try:
        with torch.no_grad():
            for batch in samples.batches(size):
                logits = model(batch.x)
                losses.append(F.cross_entropy(logits, batch.y, reduction="sum").double())
                right.append((logits.argmax(1) == batch.y).sum())
                if logits.shape[1] > _MANY:
                    among_five.append((logits.topk(5, dim=1).indices == batch.y[:, None]).sum())
    finally:
        for name, module in model.named_modules():
            module.training = modes[name]
    loss = float(torch.stack(losses).sum()) / len(samples)
    if not math.isfinite(loss):
        raise TrainingError(f"the network's loss in eval mode is {loss}: its weights or statistics have diverged")
    found = {"loss": loss, "accuracy": 100 * float(torch.stack(right).sum()) / len(samples)}
    return found | ({"top5": 100 * float(torch.stack(among_five).sum()) / len(samples)} if among_five else {})

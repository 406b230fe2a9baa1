"""Recipes of papers for ResNet-50 on ImageNet.

All of them cut a random part of random size out of an image, which is not done here: images are those that the dataset
has, mirrored at random.
"""

from __future__ import annotations

from dataclasses import replace

from prunebench.tasks.recipes.base import Recipe, recipe

_CROPS = "Without the random crops of random size."
_LARGE = Recipe(
    lr=0.4, nesterov=True, weight_decay=1e-4, batch=1024, epochs=90, schedule="step",
    milestones=(30 / 90, 60 / 90, 80 / 90), factor=0.1, warmup=5 / 90, flip=True, validation=0,
)  # fmt: skip
"""Batches of 1024, the rate 0.1 for every 256 of them, a tenth from 30, 60 and 80 on."""


@recipe(
    "imagenet-rewinding",
    paper="Renda et al. 2020, arXiv:2003.02389",
    notes=f"{_CROPS} BatchNorm had no weight decay. Weights for 81 epochs of retraining are kept. No validation part.",
)
def imagenet_rewinding() -> Recipe:
    """Rewinding: Nesterov momentum 0.9, 90 epochs of batches of 1024, a tenth from 30, 60 and 80 on."""
    return replace(_LARGE, rewind=(0.1,))


@recipe(
    "imagenet-gmp", paper="Gale et al. 2019, arXiv:1902.09574",
    notes=f"{_CROPS} 128 000 steps; the extended runs of magnitude pruning v2 take 1.5 times as many. No validation "
    "part.",
)  # fmt: skip
def imagenet_gmp() -> Recipe:
    """Gradual magnitude pruning: Nesterov momentum 0.9, 128 000 steps of 1024, a tenth from epochs 30, 60 and 80 on."""
    return replace(
        _LARGE, epochs=102.3, milestones=(30 / 102.3, 60 / 102.3, 80 / 102.3), warmup=5 / 102.3, label_smoothing=0.1
    )


@recipe(
    "imagenet-str", paper="Kusupati et al. 2020, arXiv:2002.03231",
    notes=f"{_CROPS} Decay is that of 90 % sparsity, on the thresholds too, and differs from sparsity to sparsity; "
    "the authors' gradual magnitude pruning has 3.0517578e-5. The rate changed by epoch, here by step. No "
    "validation part.",
)  # fmt: skip
def imagenet_str() -> Recipe:
    """Soft threshold reparametrisation: SGD with momentum 0.875, 100 epochs of a cosine after 5 of warm-up."""
    return Recipe(
        lr=0.256, momentum=0.875, weight_decay=2.251757813e-5, batch=256, epochs=100, schedule="cosine", warmup=0.05,
        label_smoothing=0.1, flip=True, validation=0,
    )  # fmt: skip


@recipe(
    "imagenet-grda", paper="Chao et al. 2020, arXiv:2006.09358",
    notes=f"{_CROPS} Without momentum and decay plain SGD is a weak baseline; runs without the drop took about 145 "
    "epochs. No validation part.",
)  # fmt: skip
def imagenet_grda() -> Recipe:
    """Directional pruning of ResNet-50: plain SGD, 150 epochs of batches of 256, a tenth from 140 on."""
    return Recipe(
        lr=0.1, momentum=0, batch=256, epochs=150, schedule="step", milestones=(140 / 150,), factor=0.1, flip=True,
        validation=0,
    )  # fmt: skip

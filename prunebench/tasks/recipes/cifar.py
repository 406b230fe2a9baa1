"""Recipes of papers for CIFAR-10, CIFAR-100 and Tiny-ImageNet.

Where a source trained on all samples and chose by the test set, nothing is held back here, and the last weights count.
"""

from __future__ import annotations

from dataclasses import replace

from prunebench.tasks.recipes.base import Recipe, recipe

_USUAL = Recipe(
    lr=0.1, momentum=0.9, weight_decay=1e-4, batch=128, epochs=160, schedule="step", milestones=(0.5, 0.75), factor=0.1,
    crop=4, flip=True, validation=0,
)  # fmt: skip
"""What most papers vary: 160 epochs, a tenth of the rate from 80 and from 120 on, images moved by up to 4 pixels."""


@recipe(
    "cifar-lottery", paper="Frankle & Carbin 2019, arXiv:1803.03635",
    notes="Defaults of open_lth for ResNet-20 and VGG-16, which also draws BatchNorm's scale from U(0, 1) "
    "(`bn_gamma=uniform`) and standardises by ImageNet's mean and deviation. No validation part. Weights of "
    "epoch 8 are kept: late rewinding is reported at 0.1 to 7 % of training.",
)  # fmt: skip
def cifar_lottery() -> Recipe:
    """Lottery tickets: SGD with momentum 0.9, 160 epochs, a tenth from 80 and 120 on."""
    return replace(_USUAL, rewind=(0.05,))


@recipe(
    "cifar-rewinding", paper="Renda et al. 2020, arXiv:2003.02389",
    notes="Decay 2e-4 is for ResNets, VGG-16 has 5e-4. Every image was standardised by itself. The paper retrained for "
    "10 to 182 epochs, chosen on 2000 of the test images: no validation part. Weights at a tenth and half are kept.",
)  # fmt: skip
def cifar_rewinding() -> Recipe:
    """Rewinding: SGD with momentum 0.9, 182 epochs, a tenth from 91 and 136 on."""
    return replace(_USUAL, weight_decay=2e-4, epochs=182, milestones=(91 / 182, 136 / 182), rewind=(0.1, 0.5))


@recipe(
    "cifar-sanity", paper="Su et al. 2020, arXiv:2009.11094",
    notes="The released code, which reports the best test epoch; no validation part. A replication of its random "
    "tickets had batches of 128 and decay 5e-4.",
)  # fmt: skip
def cifar_sanity() -> Recipe:
    """Sanity checks and random tickets: 160 epochs of batches of 64, a tenth from 80 and 120 on."""
    return replace(_USUAL, batch=64)


@recipe(
    "tiny-imagenet-sanity", paper="Su et al. 2020, arXiv:2009.11094",
    notes="The released code, which reports the best test epoch; no validation part.",
)  # fmt: skip
def tiny_imagenet_sanity() -> Recipe:
    """Sanity checks and random tickets: 300 epochs of batches of 64, a tenth from 150 and 225 on."""
    return replace(_USUAL, batch=64, epochs=300)


@recipe(
    "cifar-jackpot", paper="Ma et al. 2021, arXiv:2107.00166",
    notes="The paper varies lr, which decides what is found: 0.005 to 0.1; 0.1 is that of the released script for "
    "ResNet-20. Decay is the paper's, its code has 1e-4 whatever is asked for. VGG-16 had 75 epochs of "
    "warm-up. Rewinds to epoch 8. The code prunes the best test epoch; no validation part.",
)  # fmt: skip
def cifar_jackpot() -> Recipe:
    """Winning tickets by condition: 160 epochs of batches of 64, a tenth from 80 and 120 on."""
    return replace(_USUAL, weight_decay=5e-4, batch=64, rewind=(0.05,))


@recipe(
    "cifar-synflow", paper="Tanaka et al. 2020, arXiv:2006.05467",
    notes="Of VGG-11 and VGG-16 with BatchNorm; reports the best test epoch, 0.2 to 0.9 points above the last. No "
    "validation part.",
)  # fmt: skip
def cifar_synflow() -> Recipe:
    """SynFlow's VGGs: Nesterov momentum 0.9, 160 epochs, a tenth from 60 and 120 on."""
    return replace(_USUAL, nesterov=True, milestones=(60 / 160, 120 / 160))


@recipe(
    "cifar-synflow-resnet", paper="Tanaka et al. 2020, arXiv:2006.05467",
    notes="Of ResNet-18; reports the best test epoch. No validation part.",
)  # fmt: skip
def cifar_synflow_resnet() -> Recipe:
    """SynFlow's ResNet-18: Nesterov momentum 0.9, rate 0.01, 160 epochs, a fifth from 60 and 120 on."""
    return replace(cifar_synflow(), lr=0.01, weight_decay=5e-4, factor=0.2)


@recipe(
    "tiny-imagenet-synflow", paper="Tanaka et al. 2020, arXiv:2006.05467",
    notes="The factor is that of the authors' commands. Reports the best test epoch; no validation part.",
)  # fmt: skip
def tiny_imagenet_synflow() -> Recipe:
    """SynFlow's networks: Nesterov momentum 0.9, rate 0.01, 100 epochs, a fifth from 30, 60 and 80 on."""
    return replace(_USUAL, lr=0.01, nesterov=True, epochs=100, milestones=(0.3, 0.6, 0.8), factor=0.2)


@recipe(
    "cifar-snip", paper="Lee et al. 2019, arXiv:1810.02340",
    notes="A tenth is held back, and the rate falls to a tenth every 30 000 steps, as in the paper; 150 000 steps are "
    "those of the authors' VGG, whose rate fell to a fifth. Their code moves and mirrors images in some batches only.",
)  # fmt: skip
def cifar_snip() -> Recipe:
    """SNIP: SGD with momentum 0.9, 150 000 steps, a tenth every 30 000, a tenth of the samples for validation."""
    return replace(_USUAL, weight_decay=5e-4, epochs=426, milestones=(0.2, 0.4, 0.6, 0.8), validation=0.1)


@recipe(
    "cifar-grasp", paper="Wang et al. 2020, arXiv:2002.07376",
    notes="Decay 5e-4 is for VGG-19, ResNet-32 has 1e-4. Reports the best test epoch; no validation part.",
)  # fmt: skip
def cifar_grasp() -> Recipe:
    """GraSP: SGD with momentum 0.9, 160 epochs, a tenth from 80 and 120 on."""
    return replace(_USUAL, weight_decay=5e-4)


@recipe(
    "tiny-imagenet-grasp", paper="Wang et al. 2020, arXiv:2002.07376",
    notes="Decay 5e-4 is for VGG-19, ResNet-32 has 1e-4. Reports the best test epoch; no validation part.",
)  # fmt: skip
def tiny_imagenet_grasp() -> Recipe:
    """GraSP: SGD with momentum 0.9, 300 epochs, a tenth from 150 and 225 on."""
    return replace(_USUAL, weight_decay=5e-4, epochs=300)


@recipe(
    "cifar-force", paper="de Jorge et al. 2021, arXiv:2006.09081",
    notes="A tenth is held back, as in the authors' code. That steps the schedule before the first epoch: in today's"
    " PyTorch its drops would come an epoch earlier.",
)  # fmt: skip
def cifar_force() -> Recipe:
    """FORCE: SGD with momentum 0.9, 350 epochs, a tenth from 150 and 250 on."""
    return replace(_USUAL, weight_decay=5e-4, epochs=350, milestones=(150 / 350, 250 / 350), validation=0.1)


@recipe(
    "tiny-imagenet-force", paper="de Jorge et al. 2021, arXiv:2006.09081",
    notes="No validation part, in the authors' code neither.",
)  # fmt: skip
def tiny_imagenet_force() -> Recipe:
    """FORCE: SGD with momentum 0.9, 300 epochs, a tenth from 150 and 225 on."""
    return replace(_USUAL, weight_decay=5e-4, epochs=300)


@recipe(
    "cifar-stability", paper="Bartoldson et al. 2020, arXiv:1906.03728",
    notes="No weight decay, no augmentation. The authors trained on all samples, and measured stability and chose "
    "the epoch on the test set; here a tenth is held back for that.",
)  # fmt: skip
def cifar_stability() -> Recipe:
    """Stability without regularisation: Adam, rate 0.001, 325 epochs, a tenth from 150 and 300 on."""
    return Recipe(
        lr=1e-3, optimiser="adam", weight_decay=0, batch=128, epochs=325, schedule="step",
        milestones=(150 / 325, 300 / 325), factor=0.1, validation=0.1,
    )  # fmt: skip


@recipe(
    "cifar-stability-regularised", paper="Bartoldson et al. 2020, arXiv:1906.03728",
    notes="The authors trained on all samples, and measured stability and chose the epoch on the test set; here a "
    "tenth is held back for that.",
)  # fmt: skip
def cifar_stability_regularised() -> Recipe:
    """Stability under the usual regularisation: SGD with momentum 0.9, 165 epochs, a tenth from 83 and 125 on."""
    return replace(_USUAL, epochs=165, milestones=(83 / 165, 125 / 165), validation=0.1)


@recipe(
    "cifar-grda", paper="Chao et al. 2020, arXiv:2006.09358",
    notes="Of VGG-16 without BatchNorm, whose images were standardised by ImageNet's mean and deviation; the rate "
    "changed by epoch, here by step. Without momentum and decay plain SGD is a weak baseline. No validation "
    "part.",
)  # fmt: skip
def cifar_grda() -> Recipe:
    """Directional pruning of VGG-16: plain SGD, 600 epochs, constant to 50 %, linear to a hundredth at 90 %."""
    return replace(
        _USUAL, momentum=0, weight_decay=0, epochs=600, schedule="flat-then-linear", milestones=(0.5, 0.9), factor=0.01
    )


@recipe(
    "wrn-grda", paper="Chao et al. 2020, arXiv:2006.09358",
    notes="Of WRN-28-10; the rate changed by epoch, here by step. Without momentum and decay plain SGD is a weak "
    "baseline. No validation part.",
)  # fmt: skip
def wrn_grda() -> Recipe:
    """Directional pruning of wide ResNets: plain SGD, 200 epochs, constant to 50 %, linear to a hundredth at 90 %."""
    return replace(cifar_grda(), epochs=200)


@recipe(
    "cifar-swa", paper="Izmailov et al. 2018, arXiv:1803.05407",
    notes="Of VGG-16, 1.5 budgets, averaged once an epoch from 161 on. WRN-28-10 has lr=0.1, factor=0.5. VGG-16 had "
    "two hidden linear layers with dropout 0.5, and ImageNet's mean and deviation; the rate changed by epoch, "
    "here by step. No validation part.",
)  # fmt: skip
def cifar_swa() -> Recipe:
    """Weight averaging: constant rate to half of the 161 epochs before averaging, linear to a fifth at nine tenths."""
    return replace(
        _USUAL, lr=0.05, weight_decay=5e-4, epochs=300, schedule="flat-then-linear",
        milestones=(0.5 * 161 / 300, 0.9 * 161 / 300), factor=0.2,
    )  # fmt: skip

"""Builders of the zoo by the names that tests use."""

from __future__ import annotations

from prunebench.plugins import ready
from prunebench.registry import MODELS

ready()
conv_4 = MODELS.get("conv-4")
lenet_300_100 = MODELS.get("lenet-300-100")
resnet_20 = MODELS.get("resnet-20")
vgg_16 = MODELS.get("vgg-16")

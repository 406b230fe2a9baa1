"""The classification models of torchvision, not pretrained, as `torchvision:NAME`."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from prunebench.errors import PruningError
from prunebench.tasks.models.initial import Init, initialised
from prunebench.tasks.models.layers import image_shape
from prunebench.tasks.registration import model

_NAMES = (
    "alexnet", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny", "densenet121", "densenet161",
    "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l",
    "efficientnet_v2_m", "efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mnasnet0_75",
    "mnasnet1_0", "mnasnet1_3", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_16gf",
    "regnet_x_1_6gf", "regnet_x_32gf", "regnet_x_3_2gf", "regnet_x_400mf", "regnet_x_800mf", "regnet_x_8gf",
    "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf", "regnet_y_32gf", "regnet_y_3_2gf", "regnet_y_400mf",
    "regnet_y_800mf", "regnet_y_8gf", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "squeezenet1_0", "squeezenet1_1", "swin_b", "swin_s", "swin_t",
    "swin_v2_b", "swin_v2_s", "swin_v2_t", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19",
    "vgg19_bn", "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32", "wide_resnet101_2", "wide_resnet50_2",
)  # fmt: skip
"""Written out, so that names are known and checked while planning, without torchvision."""

_CHANNELS = 3


def classifier(name: str, shape: tuple[int, ...], classes: int, *, init: Literal["own"] | Init = "own") -> nn.Module:
    """A torchvision model with so many classes, initialised as torchvision does it unless `init` is given.

    All take three channels: the first layer is not adapted. Auxiliary classifiers are left out; Vision Transformer and
    MaxViT are made for the size of the images.

    Raises:
        PruningError: the inputs are no images of three channels, or of a size that the model cannot take.
    """
    channels, height, breadth = image_shape(f"torchvision:{name}", shape)
    if channels != _CHANNELS:
        raise PruningError(f"torchvision:{name} needs images of {_CHANNELS} channels, not {channels}")
    options: dict[str, Any] = {"weights": None, "num_classes": classes}
    if name in {"googlenet", "inception_v3"}:
        options |= {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):
        options["image_size"] = height
    if name.startswith("maxvit_"):
        options["input_size"] = (height, breadth)
    found = _made(name, options, shape)
    return found if init == "own" else initialised(found, init)


def _made(name: str, options: dict[str, Any], shape: tuple[int, ...]) -> nn.Module:
    """The model, after a look at whether an image passes through it: on the meta device, where nothing is computed.

    Raises:
        PruningError: none passes.
    """
    from torchvision.models import get_model

    try:
        made: nn.Module = get_model(name, **options).eval()
        state = {**dict(made.named_parameters()), **dict(made.named_buffers())}
        meta = {key: value.to("meta") for key, value in state.items()}
        with torch.no_grad():
            torch.func.functional_call(made, meta, torch.empty(1, *shape, device="meta"))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise PruningError(f"torchvision:{name} takes no images of {shape[1]} × {shape[2]} pixels: {reason}") from error
    return made.train()


for _name in _NAMES:
    model(f"torchvision:{_name}", _name, summary=f"torchvision's {_name}, not pretrained, for three channels")(
        classifier
    )

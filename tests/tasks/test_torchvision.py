"""torchvision's models under names of the registry."""

from __future__ import annotations

import pytest
import torch
import torchvision.models
from torch import nn

from prunebench.engine.prunable import prunable
from prunebench.engine.structure.effective import Connectivity
from prunebench.errors import PruningError, UnknownNameError
from prunebench.plugins import ready
from prunebench.registry import MODELS
from prunebench.seeding import seed_of
from prunebench.spec import Spec
from prunebench.tasks.build import build_model

ready()


def test_every_name_is_a_classification_model_of_torchvision() -> None:
    names = {e.name.removeprefix("torchvision:") for e in MODELS if e.name.startswith("torchvision:")}
    assert len(names) == 80
    assert names <= set(torchvision.models.list_models(module=torchvision.models))


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "regnet_y_400mf", "mobilenet_v3_small"])
def test_weights_are_those_that_torchvision_draws_from_the_seed(name: str) -> None:
    state = torch.get_rng_state()
    ours = build_model(Spec(f"torchvision:{name}"), (3, 64, 64), 7, 2)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(seed_of("initialisation", 2))
    theirs = torchvision.models.get_model(name, weights=None, num_classes=7)
    torch.set_rng_state(state)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    assert all(m.training for m in ours.modules())
    assert ours(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize(("name", "side"), [("googlenet", 32), ("vit_b_32", 64), ("densenet121", 32)])
def test_a_model_gives_one_tensor_for_the_size_of_the_images(name: str, side: int) -> None:
    model = build_model(Spec(f"torchvision:{name}"), (3, side, side), 7, 0)
    assert model(torch.zeros(2, 3, side, side)).shape == (2, 7)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5", "efficientnet_b0"])
def test_reachability_has_a_rule_for_every_operator(name: str) -> None:
    connectivity = Connectivity(build_model(Spec(f"torchvision:{name}"), (3, 64, 64), 7, 0), (3, 64, 64))
    masks, outputs = connectivity.effective(connectivity.full())
    assert outputs.all()
    assert masks.density() > 0.9


def test_init_draws_the_weights_anew() -> None:
    model = build_model(Spec.parse("torchvision:resnet18(init=orthogonal)"), (3, 32, 32), 7, 0)
    w = next(iter(prunable(model).values())).detach().flatten(1).double()
    torch.testing.assert_close(w @ w.T, 2 * torch.eye(64).double(), atol=1e-5, rtol=0)
    assert not any(m.bias.any() for m in model.modules() if isinstance(m, nn.Linear))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("resnet18", (1, 32, 32), "torchvision:resnet18 needs images of 3 channels, not 1"),
        ("resnet18", (1, 40), r"torchvision:resnet18 needs images \[channels, height, width\]"),
        ("alexnet", (3, 32, 32), "torchvision:alexnet takes no images of 32 × 32 pixels: .*output size"),
        ("vit_b_16", (3, 40, 40), "torchvision:vit_b_16 takes no images of 40 × 40 pixels"),
        ("vit_b_32", (3, 32, 64), "torchvision:vit_b_32 takes no images of 32 × 64 pixels"),
    ],
)
def test_images_that_a_model_cannot_take_are_refused_in_one_line(
    name: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(PruningError, match=message) as caught:
        build_model(Spec(f"torchvision:{name}"), shape, 10, 0)
    assert "\n" not in str(caught.value)


def test_a_name_that_torchvision_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'torchvision:resnet18'"):
        build_model(Spec.parse("torchvision:resnet81"), (3, 32, 32), 10, 0)

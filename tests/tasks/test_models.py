"""Models: counts, layers, shapes, initialisation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from prunebench.engine.prunable import prunable
from prunebench.errors import PrunebenchError, PruningError, SpecError, UnknownNameError
from prunebench.plugins import ready
from prunebench.registry import MODELS
from prunebench.spec import Spec
from prunebench.tasks.build import build_model

if TYPE_CHECKING:
    from torch import Tensor

ready()
ALL = sorted(entry.name for entry in MODELS if entry.target.startswith("prunebench."))
IMAGE = (3, 32, 32)


def sizes(model: nn.Module) -> list[int]:
    return [w.numel() for w in prunable(model).values()]


@pytest.mark.parametrize(
    ("name", "shape", "classes", "weights", "layers"),
    [
        ("lenet-300-100", (1, 28, 28), 10, 266_200, 3),
        ("conv-4", IMAGE, 10, 2_425_024, 7),
        ("resnet-20", IMAGE, 10, 270_896, 22),
        ("vgg-16", IMAGE, 10, 14_715_584, 14),
        ("vgg-16", IMAGE, 100, 14_761_664, 14),
    ],
)
def test_prunable_weights_and_layers_are_those_of_the_literature(
    name: str, shape: tuple[int, ...], classes: int, weights: int, layers: int
) -> None:
    found = sizes(build_model(Spec(name), shape, classes, 0))
    assert (sum(found), len(found)) == (weights, layers)


def test_resnet_20_has_three_stages_of_three_blocks_with_shortcuts_where_the_shape_changes() -> None:
    model = build_model(Spec("resnet-20"), IMAGE, 10, 0)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.kernel_size[0], c.in_channels, c.out_channels, c.stride[0]) for c in convolutions] == [
        (3, 3, 16, 1), *[(3, 16, 16, 1)] * 6,
        (3, 16, 32, 2), (3, 32, 32, 1), (1, 16, 32, 2), *[(3, 32, 32, 1)] * 4,
        (3, 32, 64, 2), (3, 64, 64, 1), (1, 32, 64, 2), *[(3, 64, 64, 1)] * 4,
    ]  # fmt: skip
    assert all(c.bias is None for c in convolutions)


def test_vgg_16_has_thirteen_convolutions_in_five_pooled_stages() -> None:
    model = build_model(Spec("vgg-16"), IMAGE, 10, 0)
    plan = [
        m.out_channels if isinstance(m, nn.Conv2d) else "M"
        for m in model.modules()
        if isinstance(m, nn.Conv2d | nn.MaxPool2d)
    ]
    assert plan == [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == 13
    assert all(m.bias is None for m in model.modules() if isinstance(m, nn.Conv2d))
    bare = build_model(Spec.parse("vgg-16(batch_norm=false, width=0.1)"), IMAGE, 10, 0)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in bare.modules())
    assert all(m.bias is not None for m in bare.modules() if isinstance(m, nn.Conv2d))


def test_conv_4_pools_twice_before_three_linear_layers() -> None:
    shapes = [tuple(w.shape) for w in prunable(build_model(Spec("conv-4"), (1, 28, 28), 10, 0)).values()]
    assert shapes == [
        (64, 1, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 128, 3, 3), (256, 128 * 7 * 7), (256, 256), (10, 256),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 32, 32), (3, 64, 40)])
def test_every_model_maps_images_to_one_logit_a_class(name: str, shape: tuple[int, ...]) -> None:
    model = build_model(Spec.parse(f"{name}(width=0.1)"), shape, 7, 0).eval()
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    logits: Tensor = model(x)
    assert logits.shape == (3, 7)
    assert torch.isfinite(logits).all()
    assert not torch.allclose(logits[0], logits[1])
    # Samples do not see each other in evaluation.
    torch.testing.assert_close(model(x[1:2])[0], logits[1], rtol=1e-4, atol=1e-5)
    logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_lenet_takes_inputs_of_any_shape() -> None:
    for shape in ((40,), (1, 40), (2, 3, 4)):
        model = build_model(Spec("lenet-300-100"), shape, 10, 0)
        assert sizes(model) == [math.prod(shape) * 300, 30_000, 1000]
        assert model(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("name", ALL)
def test_width_scales_hidden_units_and_leaves_at_least_one(name: str) -> None:
    full = [w.shape for w in prunable(build_model(Spec(name), IMAGE, 10, 0)).values()]
    half = [w.shape for w in prunable(build_model(Spec.parse(f"{name}(width=0.5)"), IMAGE, 10, 0)).values()]
    assert [s[0] for s in half] == [s[0] // 2 for s in full[:-1]] + [10]
    assert half[0][1] == full[0][1]
    least = prunable(build_model(Spec.parse(f"{name}(width=0.0001)"), IMAGE, 10, 0))
    assert [w.shape[0] for w in least.values()] == [1] * (len(full) - 1) + [10]


@pytest.mark.parametrize("name", ALL)
def test_weights_are_kaiming_normal_biases_zero_and_batch_norm_the_identity(name: str) -> None:
    model = build_model(Spec(name), (3, 32, 32), 10, 0)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            w = module.weight.detach()
            expected = math.sqrt(2 / w[0].numel())
            assert abs(float(w.std()) / expected - 1) < 5 / math.sqrt(2 * w.numel())
            assert abs(float(w.mean())) < 5 * expected / math.sqrt(w.numel())
            assert module.bias is None or not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert not module.bias.any()
            assert not module.running_mean.any()
            assert (module.running_var == 1).all()


@pytest.mark.parametrize("name", ALL)
def test_equal_repetitions_give_equal_weights_and_others_do_not(name: str) -> None:
    spec = Spec.parse(f"{name}(width=0.1)")
    state = torch.get_rng_state()
    first, again, other = (build_model(spec, IMAGE, 10, repetition) for repetition in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    later = build_model(spec, IMAGE, 10, 0)
    for a, b, c, d in zip(*(prunable(m).values() for m in (first, again, later, other)), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
        assert not torch.equal(a, d)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        ("vgg-16", (3, 16, 32), "vgg-16 needs images of at least 32 × 32 pixels"),
        ("conv-4", (3, 3, 8), "conv-4 needs images of at least 4 × 4 pixels"),
        ("resnet-20", (40,), r"needs images \[channels, height, width\], not inputs of shape \[40\]"),
        ("conv-4", (1, 40), r"needs images \[channels, height, width\], not inputs of shape \[1, 40\]"),
        ("vgg-16(width=0)", (3, 32, 32), "width=0 is not positive"),
        ("lenet-300-100(width=-1.0)", (10,), "width=-1 is not positive"),
    ],
)
def test_a_model_that_cannot_take_the_inputs_says_so_in_one_line(
    spec: str, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(PruningError, match=message) as caught:
        build_model(Spec.parse(spec), shape, 10, 0)
    assert "\n" not in str(caught.value)


def test_the_smallest_images_that_a_model_says_it_takes_do_work() -> None:
    for spec, shape in (
        ("vgg-16(width=0.05)", (1, 32, 32)),
        ("conv-4(width=0.1)", (1, 4, 4)),
        ("resnet-20(width=0.1)", (1, 1, 1)),
    ):
        model = build_model(Spec.parse(spec), shape, 2, 0).eval()
        assert model(torch.zeros(2, *shape)).shape == (2, 2)


def test_a_builder_that_fails_is_reported_with_the_model_and_the_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    def builder(shape: tuple[int, ...], classes: int, **_: object) -> nn.Module:
        raise RuntimeError("kernel larger than input")

    MODELS.get("resnet-20")
    monkeypatch.setitem(MODELS._objects, "resnet-20", builder)
    with pytest.raises(PruningError, match=r"model resnet-20 cannot be built for inputs of shape \[3, 4, 4\]: kernel"):
        build_model(Spec("resnet-20"), (3, 4, 4), 10, 0)


def test_unknown_models_and_parameters_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'resnet-20'"):
        build_model(Spec("resnet-2"), IMAGE, 10, 0)
    with pytest.raises(SpecError, match="depth"):
        build_model(Spec.parse("resnet-20(depth=3)"), IMAGE, 10, 0)
    assert issubclass(SpecError, PrunebenchError)

"""Models: counts, layers, shapes, initialisation."""

from __future__ import annotations

import hashlib
import importlib
import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

import prunebench as pb
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.effective import Connectivity
from prunebench.errors import PrunebenchError, PruningError, SpecError, UnknownNameError
from prunebench.plugins import ready
from prunebench.registry import MODELS
from prunebench.spec import Spec
from prunebench.tasks.build import build_model

if TYPE_CHECKING:
    from torch import Tensor

ready()
ALL = sorted(e.name for e in MODELS if e.target.startswith("prunebench.") and not e.name.startswith("torchvision:"))
SCALED = [name for name in ALL if name != "mlp" and not name.startswith("wrn-")]
IMAGE = (3, 32, 32)
SIGNAL = (1, 40)


def shape_for(name: str) -> tuple[int, ...]:
    return SIGNAL if name == "cnn-1d" else IMAGE


def narrow(name: str) -> Spec:
    if name in SCALED:
        return Spec.parse(f"{name}(width=0.1)")
    return Spec.parse("mlp(widths=[20], repeat=2)" if name == "mlp" else f"{name}(k=1)")


def sizes(model: nn.Module) -> list[int]:
    return [w.numel() for w in prunable(model).values()]


# By hand, or published: [pai] counted in Tanaka et al.'s repository; [s] SNIP's table; [fc] Frankle & Carbin, fig. 2,
# to the digits that it gives; [he] He et al., table 6, likewise.
@pytest.mark.parametrize(
    ("spec", "shape", "classes", "weights", "layers"),
    [
        ("lenet-300-100", (1, 28, 28), 10, 266_200, 3),
        ("lenet-5", (1, 28, 28), 10, 25 * 20 + 25 * 20 * 50 + 50 * 4 * 4 * 500 + 500 * 10, 4),  # 431k [s]
        ("lenet-5(variant=classic)", (1, 28, 28), 10, 25 * 6 + 25 * 6 * 16 + 16 * 25 * 120 + 120 * 84 + 84 * 10, 5),
        ("lenet-5(variant=classic)", IMAGE, 10, 75 * 6 + 25 * 6 * 16 + 16 * 25 * 120 + 120 * 84 + 84 * 10, 5),
        ("mlp", (1, 28, 28), 10, 784 * 100 + 4 * 100**2 + 100 * 10, 6),
        ("mlp(widths=[30, 20], repeat=2)", (40,), 7, 40 * 30 + 30 * 20 + 20 * 30 + 30 * 20 + 20 * 7, 5),
        ("mlp(widths=[50], repeat=49)", (50,), 10, 49 * 50**2 + 50 * 10, 50),
        ("mlp(widths=[])", (3, 4, 5), 10, 600, 1),
        ("cnn-1d", SIGNAL, 10, 5 * 25 + 2 * 3 * 25**2 + 5 * 25 * 10, 4),
        ("conv-2", IMAGE, 10, 4_300_992, 5),  # 4.3M [fc]
        ("conv-4", IMAGE, 10, 2_425_024, 7),  # 2.4M [fc]
        ("conv-6", IMAGE, 10, 1_144_512 + 256 * 4 * 4 * 256 + 256**2 + 256 * 10, 9),  # convolutions: 1.1M [fc]
        ("vgg-11", IMAGE, 10, 9_222_848, 9),  # [pai]
        ("vgg-13", IMAGE, 10, 9_407_168, 11),
        ("vgg-16", IMAGE, 10, 14_715_584, 14),  # [pai]
        ("vgg-16(batch_norm=false)", IMAGE, 10, 14_715_584, 14),
        ("vgg-16", IMAGE, 100, 14_761_664, 14),  # [pai]
        ("vgg-19", IMAGE, 10, 20_024_000, 17),
        ("resnet-18", IMAGE, 10, 11_164_352, 21),  # [pai]
        ("resnet-20", IMAGE, 10, 270_896, 22),  # [pai]
        ("resnet-20(shortcut=option-a)", IMAGE, 10, 270_896 - 16 * 32 - 32 * 64, 20),  # 0.27M [he]
        ("wrn-16(k=1)", IMAGE, 10, 432 + 9_216 + (4_608 + 27_648 + 512) + (18_432 + 110_592 + 2_048) + 640, 16),
    ],
)
def test_prunable_weights_and_layers_are_those_of_the_literature(
    spec: str, shape: tuple[int, ...], classes: int, weights: int, layers: int
) -> None:
    found = sizes(build_model(Spec.parse(spec), shape, classes, 0))
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


def test_cnn_1d_has_a_batch_norm_behind_each_convolution_where_it_is_asked_for() -> None:
    plain, normed = (build_model(Spec.parse(s), SIGNAL, 10, 0) for s in ("cnn-1d", "cnn-1d(batch_norm=true)"))
    kinds = [type(m).__name__ for m in normed if not isinstance(m, nn.Flatten)]
    assert kinds == [*["Conv1d", "BatchNorm1d", "ReLU"] * 3, "Linear"]
    assert [type(m).__name__ for m in normed if not isinstance(m, nn.BatchNorm1d)] == [type(m).__name__ for m in plain]


def test_conv_4_pools_twice_before_three_linear_layers() -> None:
    shapes = [tuple(w.shape) for w in prunable(build_model(Spec("conv-4"), (1, 28, 28), 10, 0)).values()]
    assert shapes == [
        (64, 1, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 128, 3, 3), (256, 128 * 7 * 7), (256, 256), (10, 256),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 32, 32), (3, 64, 40)])
def test_every_model_maps_inputs_to_one_logit_a_class(name: str, shape: tuple[int, ...]) -> None:
    shape = shape[::2] if name == "cnn-1d" else shape
    model = build_model(narrow(name), shape, 7, 0).eval()
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    logits: Tensor = model(x)
    assert logits.shape == (3, 7)
    assert torch.isfinite(logits).all()
    assert not torch.allclose(logits[0], logits[1])
    # Samples do not see each other in evaluation.
    torch.testing.assert_close(model(x[1:2])[0], logits[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_gradients_reach_every_parameter_and_pass_through_every_prunable_layer(name: str) -> None:
    model = build_model(narrow(name), shape_for(name), 7, 0)
    x = torch.randn(16, *shape_for(name), generator=torch.Generator().manual_seed(0))
    nn.functional.cross_entropy(model(x), torch.arange(16) % 7).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    # Not every weight: a ReLU may be dead on all samples, and a 1 × 1 map leaves the border of a kernel unused.
    assert all(w.grad is not None and w.grad.any() for w in prunable(model).values())


@pytest.mark.parametrize("name", ALL)
def test_every_prunable_weight_lies_on_a_path_at_full_density(name: str) -> None:
    connectivity = Connectivity(build_model(narrow(name), shape_for(name), 7, 0), shape_for(name))
    masks, outputs = connectivity.effective(connectivity.full())
    assert masks.density() == 1
    assert outputs.all()


@pytest.mark.parametrize("spec", ["resnet-110", "resnet-110(shortcut=option-a)", "mlp(widths=[50], repeat=49)"])
def test_synflow_prunes_the_deepest_networks(spec: str) -> None:
    model = build_model(Spec.parse(spec), (3, 8, 8), 10, 0)
    masks = pb.prune(model, "synflow(rounds=3)", density=0.05, input_shape=(3, 8, 8))
    assert sum(int(m.sum()) for m in masks.values()) == round(0.05 * sum(sizes(model)))
    scores = pb.score(model, "synflow", input_shape=(3, 8, 8))
    assert all(torch.isfinite(s).all() and s.any() for s in scores.values())


# The first sixteen digits of SHA-256 over all weights and buffers, as they were when these models came.
@pytest.mark.parametrize(
    ("spec", "shape", "digest", "first"),
    [
        ("lenet-300-100", (1, 28, 28), "68505b8caafddd6b", [-0.032513, 0.03496, 0.010703]),
        ("lenet-300-100(width=0.5)", (1, 40), "b8aa99d4354bf939", [-0.020206, 0.008011, 0.166044]),
        ("conv-4", (3, 32, 32), "ad621964c4e2a240", [-0.309736, -0.232931, -0.036603]),
        ("conv-4(width=0.1)", (1, 8, 8), "56b110117f7229a9", [-0.042734, -0.104527, 0.81007]),
        ("resnet-20", (3, 32, 32), "29673b1ff38918b1", [0.522174, -0.088772, 0.534879]),
        ("resnet-20(width=0.25)", (1, 8, 8), "0f9c43d8562f4118", [-0.417411, 0.25317, -0.368886]),
        ("vgg-16", (3, 32, 32), "7e30395b1669e7a3", [-0.14964, -0.011158, 0.264094]),
        ("vgg-16(batch_norm=false, width=0.1)", (3, 32, 32), "7bfae7fc0166e941", [0.270979, 0.511993, -0.093857]),
    ],
)
def test_the_initial_weights_of_a_seed_never_change(
    spec: str, shape: tuple[int, ...], digest: str, first: list[float]
) -> None:
    model = build_model(Spec.parse(spec), shape, 10, 0)
    weight = next(iter(prunable(model).values())).detach()
    assert weight.flatten()[:3].tolist() == pytest.approx(first, abs=1e-6)
    found = hashlib.sha256()
    for tensor in model.state_dict().values():
        found.update(tensor.contiguous().numpy().tobytes())
    assert found.hexdigest()[:16] == digest


def test_lenet_takes_inputs_of_any_shape() -> None:
    for shape in ((40,), (1, 40), (2, 3, 4)):
        model = build_model(Spec("lenet-300-100"), shape, 10, 0)
        assert sizes(model) == [math.prod(shape) * 300, 30_000, 1000]
        assert model(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("name", SCALED)
def test_width_scales_hidden_units_and_leaves_at_least_one(name: str) -> None:
    full = [w.shape for w in prunable(build_model(Spec(name), shape_for(name), 10, 0)).values()]
    half = [w.shape for w in prunable(build_model(Spec.parse(f"{name}(width=0.5)"), shape_for(name), 10, 0)).values()]
    assert [s[0] for s in half] == [s[0] // 2 for s in full[:-1]] + [10]
    assert half[0][1] == full[0][1]
    least = prunable(build_model(Spec.parse(f"{name}(width=0.0001)"), shape_for(name), 10, 0))
    assert [w.shape[0] for w in least.values()] == [1] * (len(full) - 1) + [10]


@pytest.mark.parametrize("name", ALL)
def test_equal_repetitions_give_equal_weights_and_others_do_not(name: str) -> None:
    spec, shape = narrow(name), shape_for(name)
    state = torch.get_rng_state()
    first, again, other = (build_model(spec, shape, 10, repetition) for repetition in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    later = build_model(spec, shape, 10, 0)
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
        ("cnn-1d", (3, 32, 32), r"cnn-1d needs signals \[channels, length\], not inputs of shape \[3, 32, 32\]"),
        ("cnn-1d", (1, 2), "cnn-1d needs signals of at least 3 samples, not 2"),
        ("lenet-5", (1, 15, 15), "lenet-5 needs images of at least 16 × 16 pixels, not 15 × 15"),
        ("lenet-5(variant=classic)", (1, 11, 40), "lenet-5 needs images of at least 12 × 12 pixels, not 11 × 40"),
        ("conv-6", (3, 7, 7), "conv-6 needs images of at least 8 × 8 pixels"),
        ("wrn-16", (1, 40), r"wrn-16 needs images \[channels"),
        ("wrn-16(k=0)", IMAGE, "wrn-16: k=0 must be at least 1"),
        ("mlp(widths=[10, 0])", (10,), r"mlp: widths=\[10, 0\] must be at least 1"),
        ("mlp(repeat=0)", (10,), "mlp: repeat=0 must be at least 1"),
        ("vgg-16(batch_norm=false, bn_gamma=uniform)", IMAGE, "bn_gamma=uniform: the model has no BatchNorm"),
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
        ("resnet-20(width=0.1, shortcut=option-a)", (1, 1, 1)),
        ("wrn-16(k=1)", (1, 1, 1)),
        ("conv-6(width=0.1)", (1, 8, 8)),
        ("lenet-5", (1, 16, 16)),
        ("lenet-5(variant=classic)", (1, 12, 12)),
        ("lenet-5(variant=classic)", (1, 32, 12)),
        ("cnn-1d", (2, 3)),
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
        build_model(Spec("resnet20"), IMAGE, 10, 0)
    with pytest.raises(SpecError, match="depth"):
        build_model(Spec.parse("resnet-20(depth=3)"), IMAGE, 10, 0)
    with pytest.raises(SpecError, match=r"widths=\[10, wide\] is not list\[int"):
        build_model(Spec.parse("mlp(widths=[10, wide])"), IMAGE, 10, 0)
    assert issubclass(SpecError, PrunebenchError)


def test_every_entry_names_the_function_that_builds_it() -> None:
    for entry in MODELS:
        if entry.target.startswith("prunebench."):
            builder = MODELS.get(entry.name)
            module, _, name = entry.target.partition(":")
            assert getattr(importlib.import_module(module), name) is getattr(builder, "func", builder)

"""The network of which every part can be chosen by itself."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from prunebench.errors import PruningError
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.build import build_model

ready()
IMAGE, SIGNAL = (3, 8, 8), (1, 16)


def built(text: str, shape: tuple[int, ...] = IMAGE) -> nn.Module:
    return build_model(Spec.parse(text), shape, 5, repetition=0)


@pytest.mark.parametrize("shape", [IMAGE, SIGNAL])
@pytest.mark.parametrize(
    ("norm", "pool", "residual"),
    list(itertools.product(("none", "batch"), ("none", "max", "average"), ("none", "identity", "projection"))),
)
def test_every_crossing_takes_images_and_signals(shape, norm, pool, residual):
    model = built(f"crossing(norm={norm},pool={pool},residual={residual},width=0.25,bias=true)", shape)
    assert model(torch.randn(3, *shape)).shape == (3, 5)


def test_parts_are_what_their_parameters_say():
    model = built("crossing(bias=true,norm=batch,pool=max,residual=projection,activation=tanh,depth=3,width=0.5)")
    counts = {
        kind: sum(isinstance(m, kind) for m in model.modules())
        for kind in (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.Tanh)
    }
    assert counts == {nn.Conv2d: 1 + 3 * 3, nn.BatchNorm2d: 1 + 3 * 3, nn.MaxPool2d: 3, nn.Tanh: 1 + 3 * 2}
    assert (
        sum(p.numel() for p in built("crossing(width=0.5,depth=1)").parameters()) == 4 * 3 * 9 + 2 * 4 * 4 * 9 + 4 * 5
    )


def test_a_shortcut_changes_what_is_computed_and_not_the_weights():
    x = torch.randn(2, *IMAGE)
    plain, around = built("crossing(residual=none)"), built("crossing(residual=identity)")
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), around.parameters(), strict=True))
    assert not torch.allclose(plain(x), around(x))


def test_biases_are_drawn_unless_told_otherwise_after_the_weights():
    drawn, zero, none = (built(f"crossing({how})") for how in ("bias=true", "bias=true,bias_init=zero", "bias=false"))
    biases = torch.cat([p.flatten() for n, p in drawn.named_parameters() if n.endswith("bias")])
    assert (biases != 0).all()
    assert float(biases.detach().std()) == pytest.approx(0.1, rel=0.4)
    assert all((p == 0).all() for n, p in zero.named_parameters() if n.endswith("bias"))
    assert not [n for n, _ in none.named_parameters() if n.endswith("bias")]
    for name, weight in none.named_parameters():
        assert torch.equal(weight, drawn.get_parameter(name))


@pytest.mark.parametrize(("how", "zero"), [("bn_beta=normal", False), ("bn_beta=zero", True)])
def test_betas_are_drawn_on_demand(how, zero):
    model = built(f"crossing(norm=batch,bn_gamma=uniform,{how})")
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(bool((m.bias == 0).all()) is zero for m in norms)
    assert all(bool(((m.weight >= 0) & (m.weight < 1)).all()) for m in norms)


@pytest.mark.parametrize(
    ("how", "shape", "message"),
    [
        ("", (40,), "crossing needs images or signals, not inputs of shape"),
        ("pool=max,depth=4", IMAGE, "crossing: pool=max with depth=4 needs inputs of at least 16 a side"),
        ("bn_beta=normal", IMAGE, "crossing: bn_beta=normal needs norm=batch"),
        ("bn_gamma=uniform", IMAGE, "the model has no BatchNorm"),
    ],
)
def test_what_it_cannot_be_is_said_in_a_line(how, shape, message):
    with pytest.raises(PruningError, match=message):
        built(f"crossing({how})" if how else "crossing", shape)

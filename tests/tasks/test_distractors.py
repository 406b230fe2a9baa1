"""Distractors: the base's inputs, then inputs that tell nothing."""

from __future__ import annotations

import pytest
import torch

from prunebench.errors import DataError, SpecError
from prunebench.plugins import ready
from prunebench.registry import DATASETS
from prunebench.spec import Spec
from prunebench.tasks.build import load_dataset

ready()


@pytest.fixture(scope="module")
def digits():
    return DATASETS.get("digits")()


def test_the_base_is_inside_and_dead_and_noisy_inputs_follow(digits):
    data = load_dataset(Spec.parse("distractors(base=digits, dead=2, noisy=3)"))
    assert (data.name, data.classes, data.shape) == ("distractors", 10, (1, 8, 8 * 6))
    for wide, base in ((data.train, digits.train), (data.test, digits.test)):
        assert torch.equal(wide.y, base.y)
        assert torch.equal(wide.x[..., :8], base.x)
        assert not wide.x[..., 8:24].any()
        assert (wide.x[..., 24:] != 0).all()


def test_noise_has_the_bases_moments_and_tells_nothing_of_labels_or_inputs(digits):
    data = load_dataset(Spec.parse("distractors(base=digits, noisy=2, dead=0)"))
    noise = data.train.x[..., 8:].flatten(1)
    assert abs(float(noise.mean()) - float(digits.train.x.mean())) < 0.02
    assert abs(float(noise.std()) - float(digits.train.x.std())) < 0.02
    # Correlations of n independent pairs have deviation n^-1/2: five of them hold for 128 × (10 + 64) numbers.
    n = len(noise)
    known = torch.cat([torch.nn.functional.one_hot(data.train.y).float(), digits.train.x.flatten(1)], dim=1)
    known = known[:, known.std(0) > 0.05]
    centred = [(t - t.mean(0)) / t.std(0) for t in (noise, known)]
    correlations = centred[0].T @ centred[1] / n
    assert float(correlations.abs().max()) < 5.5 / n**0.5
    assert len(torch.unique(noise, dim=0)) == n, "every sample has its own noise"
    test = data.test.x[..., 8:].flatten(1)
    assert not torch.equal(test, noise[: len(test)])


def test_the_same_noise_is_drawn_every_time_and_leaves_the_global_stream_alone():
    maker = DATASETS.get("distractors")
    torch.manual_seed(1)
    first = maker(base="digits")
    state = torch.get_rng_state()
    assert maker(base="digits").fingerprint == first.fingerprint
    assert torch.equal(torch.get_rng_state(), state)


def test_the_default_is_mnist1d_three_times_as_wide(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("mnist1d.data.make_dataset", _small)
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path_factory.mktemp("data")))
    data = load_dataset(Spec("distractors"))
    assert data.shape == (1, 120)
    assert len(data.train) == 5


def _small(_arguments):
    import numpy as np

    draw = np.random.default_rng(0)
    return {
        "x": draw.normal(size=(5, 40)),
        "y": np.arange(5),
        "x_test": draw.normal(size=(3, 40)),
        "y_test": np.arange(3),
    }


def test_what_cannot_be_is_refused():
    with pytest.raises(DataError, match="dead=-1 and noisy=1 must be at least 0"):
        load_dataset(Spec.parse("distractors(base=digits, dead=-1)"))
    with pytest.raises(SpecError, match="base=cifar-10 is not 'mnist1d' or 'digits'"):
        load_dataset(Spec.parse("distractors(base=cifar-10)"))

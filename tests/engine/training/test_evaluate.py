"""Loss and accuracy against float64, and what evaluation leaves as it was."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunebench.engine.training.evaluate import evaluate
from prunebench.errors import TrainingError
from prunebench.tasks.datasets.base import Split
from tests.engine.training.plain_training import CLASSES, FEATURES, conv, mlp, pictures, same, vectors


def in_double(model, data):
    """Sample by sample, by hand."""
    exact = copy.deepcopy(model).double().eval()
    total, right = 0.0, 0
    with torch.no_grad():
        for x, y in zip(data.x.double(), data.y.tolist(), strict=True):
            logits = exact(x[None])[0].tolist()
            top = max(logits)
            total += top + math.log(sum(math.exp(z - top) for z in logits)) - logits[y]
            right += logits.index(top) == y
    return {"loss": total / len(data), "accuracy": 100 * right / len(data)}


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(0, 99), st.floats(0.1, 30))
def test_loss_and_accuracy_are_those_in_double_precision(samples, seed, scale):
    model = mlp(seed)
    with torch.no_grad():
        model[4].weight.mul_(scale)
    labels = torch.randint(CLASSES, (samples,), generator=torch.Generator().manual_seed(seed))
    data = Split(vectors(samples, seed=seed).x, labels)
    found, expected = evaluate(model, data), in_double(model, data)
    assert found["accuracy"] == expected["accuracy"]
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_batchnorm_takes_its_running_statistics_and_uneven_batches_count_by_sample(monkeypatch):
    """Inputs as large as these pass 128 at a time: 300 are 128, 128 and 44."""
    sizes = []
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(1100), nn.Linear(1100, CLASSES), nn.Dropout(0.9))
    with torch.no_grad():
        model[1].running_mean.normal_(generator=torch.Generator().manual_seed(0))
        model[1].running_var.fill_(2)
    data = Split(torch.randn(300, 1100, generator=torch.Generator().manual_seed(1)), torch.arange(300) % CLASSES)
    # Losses that differ from batch to batch.
    data.x[200:] *= 5
    expected = in_double(model, data)
    model.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    found = evaluate(model, data)
    assert sizes == [128, 128, 44]
    assert found == {"loss": pytest.approx(expected["loss"], rel=1e-5), "accuracy": expected["accuracy"]}


def test_small_inputs_pass_in_large_batches():
    sizes = []
    model = nn.Linear(2, CLASSES)
    model.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    evaluate(model, Split(torch.zeros(5000, 2), torch.zeros(5000, dtype=torch.int64)))
    assert sizes == [4096, 904]


def test_the_network_and_random_streams_stay_as_they_are():
    model = nn.Sequential(conv(), nn.Dropout(0.5))
    model[0][1].eval()
    modes = [module.training for module in model.modules()]
    before, grads = {k: v.clone() for k, v in model.state_dict().items()}, [p.requires_grad for p in model.parameters()]
    state = torch.get_rng_state()
    first = evaluate(model, pictures())
    assert evaluate(model, pictures()) == first
    assert [module.training for module in model.modules()] == modes
    assert same(before, model.state_dict())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    assert [p.requires_grad for p in model.parameters()] == grads
    assert all(p.grad is None for p in model.parameters())


def test_modes_come_back_where_the_forward_pass_fails():
    model = nn.Sequential(nn.Linear(FEATURES, 2), nn.Linear(3, 2)).train()
    model[1].eval()
    with pytest.raises(RuntimeError, match="shape"):
        evaluate(model, vectors())
    assert [module.training for module in model.modules()] == [True, True, False]


def test_uint8_images_are_measured_as_the_tensors_that_they_are():
    assert evaluate(conv(), pictures(300)) == evaluate(conv(), pictures(300).whole())


@pytest.mark.parametrize("bad", [math.nan, math.inf, 3e38])
def test_a_loss_that_is_not_finite_is_an_error_and_modes_come_back(bad):
    model = mlp().train()
    with torch.no_grad():
        model[4].weight[0, 0] = bad
        model[4].weight[1, 1] = -bad
    with pytest.raises(TrainingError, match=r"^the network's loss in eval mode is (nan|inf): its weights or"):
        evaluate(model, Split(vectors().x * 100, vectors().y))
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("classes", [20, 21, 40])
def test_of_more_than_twenty_classes_the_first_five_count_as_well(classes):
    """Against sorted lists, over several batches."""
    torch.manual_seed(0)
    model = nn.Linear(3, classes)
    data = Split(torch.randn(5000, 3), torch.randint(classes, (5000,)))
    found = evaluate(model, data)
    if classes == 20:
        assert found.keys() == {"loss", "accuracy"}
        return
    rows = model(data.x).detach().tolist()
    ranked = (sorted(range(classes), key=lambda c, row=row: -row[c])[:5] for row in rows)
    hits = sum(y in five for y, five in zip(data.y.tolist(), ranked, strict=True))
    assert found["top5"] == pytest.approx(100 * hits / 5000)
    assert found["accuracy"] < found["top5"] < 100

"""Wanda: input norms against unfolded inputs, rows that keep their share."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import prunebench as pb
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError

BATCH = torch.randn(9, 4, 7, 7, generator=torch.Generator().manual_seed(1)).double(), torch.arange(9) % 3


def normalised(raw: dict[str, Tensor]) -> dict[str, Tensor]:
    total = sum(float(r.detach().sum()) for r in raw.values())
    return {name: r.detach() / total for name, r in raw.items()}


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 2), (3, 1, 1, 4)]
)
def test_scores_are_weights_times_norms_of_unfolded_inputs(
    stride: int, padding: int, dilation: int, groups: int
) -> None:
    torch.manual_seed(0)
    first = nn.Conv2d(4, 8, 3, stride, padding, dilation, groups)
    model = nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3)).double()
    scores = pb.score(model, "wanda(group=none)", batch=BATCH)
    # Columns [n, channels·9, positions]: the filters of a group meet the channels of that group.
    columns = F.unfold(BATCH[0], 3, dilation, padding, stride)
    norms = columns.square().sum((0, 2)).sqrt().view(groups, -1)
    by_filter = norms.repeat_interleave(8 // groups, 0).view(first.weight.shape)
    hidden = model[:4](BATCH[0])
    expected = normalised(
        {
            "0.weight": first.weight.abs() * by_filter,
            "4.weight": model[4].weight.abs() * hidden.square().sum(0).sqrt(),
        }
    )
    for name, score in scores.items():
        torch.testing.assert_close(score, expected[name], rtol=1e-10, atol=0)


def test_a_weight_that_is_used_twice_meets_both_inputs() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.layer(x))

    torch.manual_seed(0)
    model, x = Twice().double(), torch.randn(5, 3).double()
    raw = model.layer.weight.abs() * (x.square().sum(0) + model.layer(x).square().sum(0)).sqrt()
    scores = pb.score(model, "wanda(group=none)", batch=(x, torch.arange(5) % 3))
    torch.testing.assert_close(scores["layer.weight"], (raw / raw.sum()).detach(), rtol=1e-10, atol=0)


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 6, 3), nn.ReLU(), nn.ConvTranspose2d(6, 4, 2, groups=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(144, 10), nn.ReLU(), nn.Linear(10, 3),
    ).to(dtype)  # fmt: skip


def rows_of(values: pb.Masks | dict[str, Tensor]) -> dict[str, Tensor]:
    """`[units, weights]` of every layer of `network`."""
    return {
        "0.weight": values["0.weight"].flatten(1),
        "2.weight": values["2.weight"].view(2, 3, 2, 4).transpose(1, 2).reshape(4, 12),
        "5.weight": values["5.weight"],
        "7.weight": values["7.weight"],
    }


TOTAL = 216 + 48 + 1440 + 30


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("count", [40, 173, 867, 1700])
def test_every_layer_and_row_keeps_its_share_and_in_each_row_the_best(count: int, rounds: int) -> None:
    model = network()
    masks = pb.prune(model, f"wanda(rounds={rounds})", density=count / TOTAL, batch=BATCH)
    assert masks.kept() == count
    raw = rows_of(pb.score(model, "wanda(group=none)", batch=BATCH))
    for name, kept in rows_of(masks).items():
        per_row = kept.sum(1)
        # Webster's method may leave the quota, by half a weight a layer at most.
        assert abs(int(kept.sum()) - count / TOTAL * kept.numel()) <= 1 + 4 / 2
        assert int(per_row.max() - per_row.min()) <= 1
        if rounds == 1:
            for row, scores in zip(kept, raw[name], strict=True):
                if row.any() and not row.all():
                    assert float(scores[row].min()) >= float(scores[~row].max())


def test_masks_are_nested_and_the_scope_changes_rounding_only() -> None:
    model = network()
    found = [pb.prune(model, "wanda", density=count / TOTAL, batch=BATCH) for count in (4, 60, 500, 1733)]
    assert [masks.kept() for masks in found] == [4, 60, 500, 1733]
    assert all(not (a[name] & ~b[name]).any() for a, b in itertools.pairwise(found) for name in a)
    for count in (60, 500):
        spread = pb.prune(model, "wanda(scope=layer)", density=count / TOTAL, batch=BATCH)
        everywhere = pb.prune(model, "wanda", density=count / TOTAL, batch=BATCH)
        assert all(abs(spread.by_layer()[n] - kept) <= 1 for n, kept in everywhere.by_layer().items())


def test_pruned_weights_rank_behind_survivors_that_meet_zeros_only() -> None:
    torch.manual_seed(0)
    model = nn.Linear(10, 4).double()
    x = torch.zeros(6, 10).double()
    x[:, 0] = 1.0
    batch = x, torch.arange(6) % 4
    few, once = (pb.prune(model, f"wanda(rounds={n})", density=0.5, batch=batch)["weight"] for n in (6, 1))
    for masks in (few, once):
        assert masks[:, 0].all()
        assert masks.sum(1).tolist() == [5, 5, 5, 5]


def test_equals_in_a_row_are_kept_in_a_shuffled_order_that_no_seed_decides() -> None:
    model = nn.Linear(20, 5)
    nn.init.ones_(model.weight)
    batch = torch.ones(5, 20), torch.arange(5)
    first, again, other = (
        pb.prune(model, "wanda", density=0.5, batch=batch, seed=seed)["weight"] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert torch.equal(first, other)
    assert first.sum(1).tolist() == [10] * 5
    assert not first[:, :10].all()


def test_a_bias_and_its_keyword_do_not_matter() -> None:
    class Keywords(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(input=x, weight=self.layer.weight, bias=self.layer.bias)

    torch.manual_seed(0)
    model, x = Keywords(), torch.randn(6, 4)
    raw = model.layer.weight.detach().abs() * x.square().sum(0).sqrt()
    scores = pb.score(model, "wanda(group=none)", batch=(x, torch.arange(6) % 3))
    torch.testing.assert_close(scores["layer.weight"], raw / raw.sum(), rtol=1e-5, atol=0)


def test_a_weight_in_no_contraction_is_refused_by_name() -> None:
    class Skips(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(4, 3), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    with pytest.raises(PruningError, match=r"layer idle.weight is in no linear or convolution call"):
        pb.score(Skips(), "wanda", batch=(torch.randn(6, 4), torch.arange(6) % 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_networks_precision_decides_that_of_the_norms(dtype: torch.dtype) -> None:
    model = network(dtype)
    masks = pb.prune(model, "wanda", density=0.1, batch=(BATCH[0].to(dtype), BATCH[1]))
    assert masks.kept() == round(0.1 * TOTAL)
    assert masks == pb.prune(network(), "wanda", density=0.1, batch=BATCH)
    assert list(masks) == list(prunable(model))

"""Which repetitions make a pair, and which are only counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunebench.analysis.boards.cells import p_text, spread_text
from prunebench.analysis.boards.grid import places
from prunebench.analysis.boards.pairs import contrast, families, judge
from tests.analysis.boards.sanity_records import Made, presentation, row


def only(made):
    (place,) = places("sanity", made.results())
    return place


def test_a_difference_is_reference_minus_arm_in_the_same_repetition(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", [50.0, 60.0, 70.0], [48.0, 61.0, 65.0])
    found = contrast(only(made), "snip", "reinit", "test_accuracy")
    assert found.differences == (2.0, -1.0, 5.0)
    assert found.means == (60.0, 58.0)
    assert (found.n, found.name) == ("3", "snip · reinit")


def test_an_arm_is_compared_with_the_arm_that_its_record_names(tmp_path):
    made = Made(tmp_path)
    made.pair("lottery", "clean(length=3.0)", [50.0, 50.0], [55.0, 57.0])
    longer = {"reference": "clean(length=3.0)"}
    made.pair("lottery", "random-labels(length=3.0)", [], [40.0, 41.0], labels=longer)
    found = contrast(only(made), "lottery", "random-labels(length=3.0)", "test_accuracy")
    assert found.differences == (15.0, 16.0)
    assert found.name == "lottery · random-labels(length=3.0) vs clean(length=3.0)"


def test_missing_failed_skipped_and_collapsed_repetitions_are_no_pairs_and_collapse_is_counted_apart(tmp_path):
    made = Made(tmp_path)
    for n in range(7):
        if n == 0:
            made.add(row("snip", None, n), status="failed")
        elif n == 1:
            made.add(row("snip", None, n), 10.0, has_path=0.0, dead_layers=1.0)
        else:
            made.add(row("snip", None, n), 60.0 + n)
    made.add(row("snip", "reinit", 0), 50.0)
    made.add(row("snip", "reinit", 1), 50.0)
    made.add(row("snip", "reinit", 2), 10.0, has_path=0.0, dead_layers=1.0)
    made.add(row("snip", "reinit", 3), status="skipped", reason="too few")
    made.plan(row("snip", "reinit", 4))
    made.add(row("snip", "reinit", 5), 50.0)
    made.add(row("snip", "reinit", 6), 50.0, dead_layers=2.0)  # shortcuts are dead, the network is not
    found = contrast(only(made), "snip", "reinit", "test_accuracy")
    assert dict(found.pairs) == {5: (65.0, 50.0), 6: (66.0, 50.0)}
    assert (found.n, found.collapsed) == ("2/7", (1, 1))


def test_identical_means_that_every_ticket_is_and_not_only_its_mask(tmp_path):
    made = Made(tmp_path)
    made.pair("synflow", "corrupted", [50.0] * 2, [50.0] * 2, labels={"mask": "identical", "ticket": "identical"})
    made.pair("synflow", "reinit", [], [50.0] * 2, labels={"mask": "identical"})
    made.add(row("synflow", "no-data", 0), 50.0, labels={"ticket": "identical"})
    made.add(row("synflow", "no-data", 1), 50.0)
    judged = [contrast(only(made), "synflow", arm, "test_accuracy") for arm in ("corrupted", "reinit", "no-data")]
    assert [found.identical for found in judged] == [True, False, False]


def test_an_arm_without_any_result_says_why(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", None, 0), 50.0)
    made.plan(row("snip", "reinit", 0))
    made.add(row("snip", "no-data", 0), status="skipped", reason="sees no inputs")
    made.add(row("snip", "shuffle", 0), status="failed")
    place = only(made)
    absent = {arm: contrast(place, "snip", arm, "test_accuracy").absent for _, arm in place.arms()}
    assert absent == {"reinit": "not measured yet", "no-data": "skipped: sees no inputs", "shuffle": "failed"}


def test_a_family_is_one_task_and_density_with_the_margin_of_its_dataset(tmp_path):
    made = Made(tmp_path)
    for density in (0.1, 0.2):
        made.pair("snip", "reinit", [50.0, 51.0], [49.0, 51.5], density=density)
        made.pair("random", "rearrange", [50.0, 51.0], [49.0, 51.5], density=density)
    made.pair("snip", "reinit", [50.0], [49.0], dataset="cifar-10")
    made.add(row("dense", None, 0, density=None), 70.0)
    shown = presentation()
    shown = shown.model_copy(
        update={"verdicts": shown.verdicts.model_copy(update={"margin": {"default": 2.0, "cifar-10": 0.5}})}
    )
    found = families("sanity", shown, made.results())
    assert [(f.place.dataset, f.place.density, f.margin, len(f.contrasts)) for f in found] == [
        ("mnist1d", 0.1, 2.0, 2), ("mnist1d", 0.2, 2.0, 2), ("cifar-10", 0.1, 0.5, 1),
    ]  # fmt: skip
    assert [f.tested for f in found] == [2, 2, 0], "one repetition is no test"


def test_cells_of_a_changed_scale_say_so(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", None, 0, scale="quick + seeds=1"), 50.0)
    assert "compares with no others" in only(made).title


@pytest.mark.parametrize(
    ("p", "text"), [(None, "–"), (0.0, "<0.001"), (0.0004, "<0.001"), (0.0006, "0.001"), (1.0, "1.000")]
)
def test_p_values_are_never_shown_as_zero(p, text):
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("mean", "interval", "text"),
    [
        (None, None, "–"), (1.234, None, "1.23"), (-0.001, (-0.501, 0.499), "0.00 ± 0.50"),
        (-1.0, (-2.0, 0.0), "-1.00 ± 1.00"),
    ],
)  # fmt: skip
def test_a_difference_is_shown_with_half_its_interval(mean, interval, text):
    assert spread_text(mean, interval, 2) == text


def test_a_spread_below_the_metric_s_step_counts_as_one_step(tmp_path):
    """Accuracies on 100 test samples: three equal differences are chance, not exactness."""
    made = Made(tmp_path)
    for number in range(24):
        untouched = [float(50 + number + 3 * n) for n in range(3)]
        made.pair(f"m{number}", "reinit", untouched, [value - 1 for value in untouched])
    (family,) = families("sanity", presentation(margin=5.0), made.results())
    assert family.resolution == 1.0
    (_, verdict) = family.judged["m0", "reinit"]
    # t = 1 / (1 / √3) with two degrees of freedom, 24 times; without a floor p would be zero.
    p = 1 - 3**0.5 / (2 + 3) ** 0.5
    assert verdict.p_difference == pytest.approx(min(1.0, 24 * p))


def test_few_values_tell_no_step(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", [50.0, 60.0], [40.0, 50.0])
    (family,) = families("sanity", presentation(), made.results())
    assert family.resolution == 0.0


def test_values_that_differ_by_rounding_alone_tell_no_step(tmp_path):
    made = Made(tmp_path)
    values = [50.0 + n * 1e-11 for n in range(24)]
    made.pair("snip", "reinit", values, values[::-1])
    (family,) = families("sanity", presentation(), made.results())
    assert family.resolution == 0.0


def test_families_that_are_judged_together_are_each_judged_by_itself(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", [50.0, 61.0, 70.0], [40.0, 50.0, 61.0])
    made.pair("snip", "shuffled", [], [52.0, 61.5, 68.0])
    made.pair("grasp", "reinit", [50.0, 61.0, 70.0], [50.0, 61.0, 69.0])
    (family,) = families("sanity", presentation(), made.results())
    many = [replace(family, contrasts=family.contrasts[:count], margin=float(count)) for count in (1, 2, 3, 2)]
    alone = [replace(one).judged for one in many]
    judge(many)
    assert [one.judged for one in many] == alone
    assert len(alone[2]) == 3
    assert alone[1] == alone[3]
    assert alone[0] != alone[1]

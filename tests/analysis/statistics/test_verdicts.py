"""The ladder of verdicts: its rungs, its edges, its laws, and an oracle of other people's tests."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from statsmodels.stats.weightstats import ttost_paired

from prunebench.analysis.statistics.power import difference_power, equivalence_power
from prunebench.analysis.statistics.verdicts import Comparison, Family, Verdict, moments, verdicts, verdicts_of

if TYPE_CHECKING:
    import random


def alone(*differences: float, margin: float = 1.0, **more: float) -> Verdict:
    (verdict,) = verdicts([Comparison(differences)], margin, **more)
    return verdict


def spread_around(mean: float, spread: float, n: int) -> tuple[float, ...]:
    """n differences with exactly this mean and sample standard deviation."""
    values = np.arange(n, dtype=float)
    return tuple(mean + spread * (values - values.mean()) / values.std(ddof=1))


@pytest.mark.parametrize(
    ("mean", "spread", "text"),
    [
        (0.0, 0.3, "does not depend"),
        (0.5, 0.1, "immaterial"),
        (3.0, 0.5, "depends"),
        (-3.0, 0.5, "depends"),
        (0.9, 0.4, "depends, size unsettled"),
        (0.5, 1.0, "cannot tell"),
        (3.0, 9.0, "cannot tell"),
    ],
)
def test_the_rungs_of_the_ladder(mean: float, spread: float, text: str) -> None:
    assert alone(*spread_around(mean, spread, 5)).text == text


def test_a_verdict_worked_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, s = 1, t = 2√3; t₂ has the closed form P(T > t) = ½ − t / (2√(2 + t²))."""
    t, bound = 2 * math.sqrt(3), 4 * math.sqrt(3)
    verdict = alone(1.0, 2.0, 3.0, margin=6.0)
    assert verdict.mean == 2
    assert verdict.n == 3
    assert verdict.p_difference == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert verdict.p_equivalence == pytest.approx(0.5 - bound / (2 * math.sqrt(2 + bound * bound)))
    assert verdict.interval90 == pytest.approx((2 - 2.919986 / math.sqrt(3), 2 + 2.919986 / math.sqrt(3)), rel=1e-6)
    assert verdict.interval95 == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)), rel=1e-6)
    assert verdict.text == "does not depend"


def test_identical_masks_are_not_tested_and_not_in_the_family() -> None:
    tested = Comparison(spread_around(1.5, 0.9, 5))
    same = Comparison((0.0,) * 5, identical=True)
    by_itself, *_ = verdicts([tested], 1.0)
    assert by_itself.p_difference == pytest.approx(0.0204, abs=1e-4)
    found, *others = verdicts([tested, *[same] * 20], 1.0)
    assert found == by_itself
    assert others == [Verdict("does not depend (identical mask)", 0.0, 5)] * 20


@pytest.mark.parametrize("differences", [(), (2.5,)])
def test_nothing_can_be_told_of_less_than_two_repetitions(differences: tuple[float, ...]) -> None:
    """A single repetition, or cells that collapsed in all but one: no test, and no place in the family."""
    tested = Comparison(spread_around(1.5, 0.9, 5))
    found, few = verdicts([tested, Comparison(differences)], 1.0)
    assert few == Verdict("cannot tell", differences[0] if differences else None, len(differences))
    assert found == alone(*tested.differences)


def test_two_repetitions_are_tested_with_one_degree_of_freedom() -> None:
    """t₁ is Cauchy: 1 and 3 have t = 2, p = 1 − (2/π) atan 2."""
    verdict = alone(1.0, 3.0)
    assert verdict.p_difference == pytest.approx(1 - 2 / math.pi * math.atan(2))
    assert verdict.text == "cannot tell"
    assert alone(0.999, 1.001, margin=1e3).text == "immaterial"


@pytest.mark.parametrize(
    ("value", "p_difference", "p_equivalence", "text"),
    [
        (0.0, 1, 0, "does not depend"),
        (0.5, 0, 0, "immaterial"),
        (-0.5, 0, 0, "immaterial"),
        (1.0, 0, 1, "depends"),
        (-7.3, 0, 1, "depends"),
    ],
)
def test_differences_that_are_all_equal_are_exact(
    value: float, p_difference: float, p_equivalence: float, text: str
) -> None:
    verdict = alone(value, value, value)
    assert (verdict.p_difference, verdict.p_equivalence, verdict.text) == (p_difference, p_equivalence, text)
    assert verdict.interval90 == verdict.interval95 == (value, value)
    assert (verdict.mean, verdict.detectable, verdict.needed) == (value, 0, None)


def test_a_spread_below_the_metrics_step_is_one_step() -> None:
    assert alone(2.0, 2.0, margin=1.0).text == "depends"
    coarse = alone(2.0, 2.0, margin=1.0, resolution=0.5)
    assert coarse.text == "cannot tell"
    assert coarse.p_difference == pytest.approx(1 - 2 / math.pi * math.atan(2 / (0.5 / math.sqrt(2))))
    wide = spread_around(2.0, 0.8, 4)
    assert alone(*wide, resolution=0.5) == alone(*wide)


def test_more_tests_in_a_family_ask_for_more_evidence() -> None:
    """p = 0.0204 of its own; the smallest of two is doubled, the larger of two is not."""
    p = alone(*spread_around(1.5, 0.9, 5)).p_difference
    assert p is not None
    clear, weak = Comparison(spread_around(9, 0.1, 5)), Comparison(spread_around(1.5, 0.9, 5))
    nothing = Comparison(spread_around(0, 0.9, 5))
    assert verdicts([weak, nothing], 1.0)[0].p_difference == pytest.approx(2 * p)
    assert verdicts([weak, clear], 1.0)[0].p_difference == pytest.approx(p)
    assert [verdict.text for verdict in verdicts([weak, nothing], 1.0)] == ["depends", "cannot tell"]
    assert [verdict.text for verdict in verdicts([weak, nothing, nothing], 1.0)] == ["cannot tell"] * 3


def test_an_open_verdict_says_what_it_could_have_seen_and_what_would_settle_it() -> None:
    near, far = alone(*spread_around(0.2, 1.0, 4)), alone(*spread_around(2.0, 3.0, 4))
    assert near.text == far.text == "cannot tell"
    assert near.detectable is not None
    assert difference_power(near.detectable, 1.0, 4) == pytest.approx(0.8, abs=1e-6)
    assert far.detectable == pytest.approx(3 * near.detectable)
    assert near.needed is not None
    assert equivalence_power(0.2, 1, 1, near.needed) >= 0.8 > equivalence_power(0.2, 1, 1, near.needed - 1)
    assert far.needed is not None
    assert difference_power(2, 3, far.needed) >= 0.8 > difference_power(2, 3, far.needed - 1)


def test_what_is_settled_needs_nothing_and_what_lies_on_the_margin_cannot_be_settled() -> None:
    assert alone(*spread_around(0, 0.1, 5)).needed is None
    assert alone(*spread_around(0.999, 0.5, 5)).needed is None
    assert alone(*spread_around(0.999, 0.5, 5)).text == "depends, size unsettled"
    assert alone(*spread_around(0.7, 0.5, 5)).needed is not None


@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan, math.inf])
def test_a_margin_that_is_not_above_zero_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="a margin is above zero"):
        verdicts([Comparison((1.0, 2.0))], margin)


@pytest.mark.parametrize("alpha", [0.0, 0.5, math.nan])
def test_a_level_outside_its_range_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha lies between"):
        verdicts([Comparison((1.0, 2.0))], 1.0, alpha)


def test_values_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        verdicts([Comparison((1.0, math.nan))], 1.0)
    with pytest.raises(ValueError, match="a resolution is"):
        verdicts([Comparison((1.0, 2.0))], 1.0, resolution=-1)


def test_no_comparisons_have_no_verdicts() -> None:
    assert verdicts([], 1.0) == []


def stepped_down(p: list[float]) -> list[float]:
    """Holm, one test after the other."""
    result, worst = [0.0] * len(p), 0.0
    for i, which in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        worst = max(worst, min(1.0, (len(p) - i) * p[which]))
        result[which] = worst
    return result


def ladder(comparisons: list[tuple[float, ...]], margin: float) -> list[tuple[str, float, float]]:
    """The ladder in words, on the paired tests of scipy and statsmodels."""
    zeros = [np.zeros(len(sample)) for sample in comparisons]
    p_d = [float(ttest_rel(sample, zero).pvalue) for sample, zero in zip(comparisons, zeros, strict=True)]
    p_e = [
        float(ttost_paired(np.array(sample), zero, -margin, margin)[0])
        for sample, zero in zip(comparisons, zeros, strict=True)
    ]
    holm_d, holm_e = stepped_down(p_d), stepped_down(p_e)
    texts = []
    for sample, p_difference, p_equivalence in zip(comparisons, holm_d, holm_e, strict=True):
        is_different, is_equivalent = p_difference <= 0.05, p_equivalence <= 0.05
        if is_equivalent and is_different:
            texts.append("immaterial")
        elif is_equivalent:
            texts.append("does not depend")
        elif is_different and abs(sum(sample) / len(sample)) >= margin:
            texts.append("depends")
        elif is_different:
            texts.append("depends, size unsettled")
        else:
            texts.append("cannot tell")
    return list(zip(texts, holm_d, holm_e, strict=True))


def test_verdicts_are_those_of_statsmodels_and_scipy_on_random_families() -> None:
    generator = np.random.default_rng(0)
    seen: set[str] = set()
    for _ in range(200):
        means = generator.choice([0.0, 0.3, 0.9, 1.0, 1.2, 4.0], size=generator.integers(1, 9))
        family = [
            tuple(generator.normal(mean, generator.choice([0.05, 0.3, 1.0]), generator.integers(2, 9)).tolist())
            for mean in means
        ]
        found = verdicts([Comparison(sample) for sample in family], 1.0)
        expected = ladder(family, 1.0)
        assert [verdict.text for verdict in found] == [text for text, _, _ in expected]
        assert [verdict.p_difference for verdict in found] == pytest.approx([p for _, p, _ in expected], abs=1e-9)
        assert [verdict.p_equivalence for verdict in found] == pytest.approx([p for _, _, p in expected], abs=1e-9)
        seen |= {verdict.text for verdict in found}
    assert seen == {"immaterial", "does not depend", "depends", "depends, size unsettled", "cannot tell"}


values = st.one_of(
    st.floats(-3, 3).map(lambda value: round(value, 12)), st.integers(-4, 4).map(lambda quarters: quarters / 4)
)
comparison = st.builds(
    Comparison, st.lists(values, max_size=7).map(tuple), st.sampled_from([False, False, False, True])
)
families = st.lists(comparison, min_size=1, max_size=8)


@settings(max_examples=40)
@given(families)
def test_the_sign_of_differences_is_a_convention(family: list[Comparison]) -> None:
    mirrored = [Comparison(tuple(-value for value in one.differences), one.identical) for one in family]
    for found, other in zip(verdicts(family, 1.0), verdicts(mirrored, 1.0), strict=True):
        assert (found.text, found.p_difference, found.p_equivalence) == (
            other.text,
            other.p_difference,
            other.p_equivalence,
        )
        assert (found.detectable, found.needed) == (other.detectable, other.needed)
        if found.interval95 is not None and other.interval95 is not None:
            assert found.interval95 == tuple(-end for end in reversed(other.interval95))


@settings(max_examples=40)
@given(families, st.sampled_from([2.0**-20, 0.25, 8.0, 2.0**20]))
def test_the_unit_of_differences_is_a_convention(family: list[Comparison], unit: float) -> None:
    """By powers of two, so that nothing is rounded."""
    scaled = [Comparison(tuple(unit * value for value in one.differences), one.identical) for one in family]
    for found, other in zip(verdicts(family, 1.0), verdicts(scaled, unit), strict=True):
        assert (found.text, found.needed) == (other.text, other.needed)
        if found.mean is not None:
            assert other.mean == unit * found.mean
        if found.p_difference is not None:
            assert found.p_difference == pytest.approx(other.p_difference, rel=1e-9)
            assert found.p_equivalence == pytest.approx(other.p_equivalence, rel=1e-9)


@settings(max_examples=40)
@given(families, st.randoms(use_true_random=False))
def test_the_order_of_comparisons_is_irrelevant(family: list[Comparison], shuffler: random.Random) -> None:
    order = list(range(len(family)))
    shuffler.shuffle(order)
    found = verdicts(family, 1.0)
    assert verdicts([family[i] for i in order], 1.0) == [found[i] for i in order]


@settings(max_examples=40)
@given(families, st.integers(0, 7), values)
def test_another_repetition_is_always_taken(family: list[Comparison], which: int, value: float) -> None:
    which %= len(family)
    grown = list(family)
    grown[which] = Comparison((*family[which].differences, value), family[which].identical)
    found = verdicts(grown, 1.0)
    assert [verdict.n for verdict in found] == [len(one.differences) for one in grown]


@settings(max_examples=40)
@given(families, st.floats(0.01, 5))
def test_a_verdict_agrees_with_its_own_numbers(family: list[Comparison], margin: float) -> None:
    for verdict in verdicts(family, margin):
        numbers = (verdict.interval90, verdict.interval95, verdict.p_difference, verdict.p_equivalence)
        if verdict.p_difference is None or verdict.p_equivalence is None or verdict.interval95 is None:
            assert numbers == (None,) * 4
            assert verdict.text in {"cannot tell", "does not depend (identical mask)"}
            continue
        assert verdict.interval90 is not None
        assert verdict.mean is not None
        assert all(0 <= p <= 1 for p in (verdict.p_difference, verdict.p_equivalence))
        low, high = verdict.interval95
        if abs(verdict.p_difference - 0.05) > 1e-9 and min(abs(low), abs(high)) > 1e-9:
            assert (low > 0 or high < 0) == (verdict.p_difference <= 0.05)
        if verdict.text in {"immaterial", "does not depend"}:
            assert max(map(abs, verdict.interval90)) < margin * (1 + 1e-9)
        if verdict.text == "depends":
            assert abs(verdict.mean) >= margin
        if verdict.text in {"cannot tell", "depends, size unsettled"}:
            assert verdict.needed is None or verdict.needed > verdict.n


def test_many_families_have_the_verdicts_of_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any sizes, margins and resolutions, with comparisons that are not tested among them."""
    generator = np.random.default_rng(1)
    many = []
    for _ in range(60):
        comparisons = [
            Comparison(
                tuple(generator.normal(generator.choice([0, 0.5, 1.1]), 0.4, generator.integers(0, 9)).tolist()),
                identical=bool(generator.random() < 0.1),
            )
            for _ in range(generator.integers(0, 6))
        ]
        many.append(Family(comparisons, generator.choice([0.7, 1.0]), generator.choice([0.0, 0.3])))
    found = verdicts_of(many)
    assert found == [verdicts(family.comparisons, family.margin, resolution=family.resolution) for family in many]
    assert len({verdict.text for family in found for verdict in family}) == 6
    assert any(verdict.needed for family in found for verdict in family)
    monkeypatch.setattr("prunebench.analysis.statistics.verdicts._AT_ONCE", 1)
    assert verdicts_of(many) == found, "however little memory there is"
    assert verdicts_of([]) == []


def test_one_family_that_cannot_be_judged_refuses_them_all() -> None:
    good = Family([Comparison((1.0, 2.0))], 1.0)
    for bad, why in ((good._replace(margin=0.0), "a margin is"), (good._replace(resolution=-1.0), "a resolution is")):
        with pytest.raises(ValueError, match=why):
            verdicts_of([good, bad])


def test_moments_are_those_of_exact_arithmetic() -> None:
    """A mean is the nearest double, as half of what is shown depends on it; what is all equal has no spread at all."""
    generator = np.random.default_rng(2)
    samples = [
        (generator.choice([5.0, 0.0, 1e9]) + generator.normal(0, generator.choice([1e-9, 1, 30]), n))
        .round(places)
        .tolist()
        for n in range(2, 12)
        for places in (2, 12)
        for _ in range(40)
    ]
    samples += [[value] * n for value in (0.1, 13.345, -7 / 3) for n in range(2, 12)]
    samples += [[0.1 + 0.2, 0.3, 0.3], [56.58 - 43.24, 13.34, 13.34, 13.35]]
    samples += [[scale, 3 * scale, -2 * scale] for scale in (1e160, 1e-160, 1e-300)]
    means, spreads = moments(samples)
    assert means.tolist() == [statistics.mean(sample) for sample in samples]
    assert spreads == pytest.approx(np.array([statistics.stdev(sample) for sample in samples]), rel=1e-14, abs=0)

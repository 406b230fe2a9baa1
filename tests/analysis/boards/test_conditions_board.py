"""Ma et al.'s conditions: answers against scipy's tests, prizes by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.boards.conditions import conditions
from prunebench.analysis.boards.winning import Condition, Side, best_prize, judge, prize
from tests.analysis.boards.sanity_records import Made, presentation, row

FAST, SLOW = "small-sgd", "small-sgd(lr=0.01)"
NOISE = np.array([0.3, -0.2, 0.1, -0.4, 0.2, 0.0])


def condition(differences, threshold=1.0):
    ticket = Side("r", dict(enumerate(differences)), len(differences))
    return Condition(2, "r", "beats", ticket, Side("r", dict.fromkeys(range(len(differences)), 0.0)), threshold)


def test_both_sides_of_a_threshold_are_tested_and_adjusted_each_by_itself():
    samples = [NOISE + 1.25, NOISE + 1.4, NOISE - 1.0, NOISE + 1.0]
    found = judge([condition(sample) for sample in samples])
    greater = np.array([stats.ttest_1samp(s, 1.0, alternative="greater").pvalue for s in samples])
    less = np.array([stats.ttest_1samp(s, 1.0, alternative="less").pvalue for s in samples])
    holm = lambda p: [min(1.0, max((4 - i) * q for i, q in enumerate(sorted(p)) if q <= own)) for own in p]  # noqa: E731
    assert [one.p for one in found] == pytest.approx(np.minimum(holm(greater), holm(less)))
    assert [one.answer for one in found] == ["cannot tell", "yes", "no", "cannot tell"]
    assert greater[0] < 0.05, "significant alone, and not among four"


def test_the_same_test_counts_once():
    alone = judge([condition(NOISE + 1.3)])[0]
    assert [one.p for one in judge([condition(NOISE + 1.3)] * 5)] == [alone.p] * 5


def test_one_difference_settles_nothing_and_equal_ones_are_exact():
    found = judge([condition([50.0]), condition([2.0] * 3), condition([0.0] * 3), condition([1.0] * 3)])
    assert [one.answer for one in found] == ["cannot tell", "yes", "no", "cannot tell"]


@pytest.mark.parametrize(
    ("answers", "won"),
    [
        ("yyyy", "jackpot"), ("yyyn", "secondary prize"), ("yyy?", "secondary prize or jackpot"), ("nyyy", "neither"),
        ("ynyy", "neither"), ("yyn?", "neither"), ("?yyy", "cannot tell"), ("??n?", "neither"),
    ],
)  # fmt: skip
def test_what_answers_win(answers, won):
    words = {"y": "yes", "n": "no", "?": "cannot tell"}
    assert prize({number: words[c] for number, c in zip((2, 3, 4, 5), answers, strict=True)}) == won


@pytest.mark.parametrize(
    ("prizes", "best"),
    [
        (["neither", "jackpot", "cannot tell"], "jackpot"), (["neither", "secondary prize"], "secondary prize"),
        (["secondary prize", "cannot tell"], "secondary prize or jackpot"), (["neither", "cannot tell"], "cannot tell"),
        (["neither", "neither"], "neither"),
    ],
)  # fmt: skip
def test_a_method_wins_what_its_best_recipe_does(prizes, best):
    assert best_prize(prizes) == best


def add(made, method, arm, level, recipe=FAST, density=0.1, validation="same", noise=NOISE):
    for n, e in enumerate(noise):
        known = {} if validation is None else {"validation_accuracy": level if validation == "same" else validation}
        made.add(row(method, arm, n, recipe=recipe, density=density), level + e, **known)


def network(made, recipe, dense, ticket, fresh, small, validation="same"):
    rng = np.random.default_rng(len(recipe))
    for method, arm, level, density in (
        ("dense", None, dense, None), ("lottery", None, ticket, 0.1), ("lottery", "reinit", fresh, 0.1),
        ("small-dense", None, small, 0.1),
    ):  # fmt: skip
        add(made, method, arm, level, recipe, density, validation, NOISE + rng.normal(0, 0.1, 6))


def board(made):
    return conditions("sanity", presentation(margin=1.0), made.results())


def answers(table):
    return {line[0]: line[-1] for line in table.rows}


def test_a_ticket_that_wins_at_a_small_learning_rate_only_wins_nothing(tmp_path):
    made = Made(tmp_path)
    network(made, FAST, dense=70.0, ticket=64.0, fresh=64.0, small=60.0)
    network(made, SLOW, dense=60.0, ticket=60.0, fresh=50.0, small=45.0)
    (table,) = board(made)
    assert answers(table) == {
        f"{FAST} · 2 beats small-dense by {FAST}": "yes",
        f"{FAST} · 3 beats re-initialised by {FAST}": "no",
        f"{FAST} · 4 matches dense by {FAST}": "no",
        f"{FAST} · 5 matches the best dense by {FAST}": "no",
        f"{FAST} · together": "neither",
        f"{SLOW} · 2 beats small-dense by {FAST}": "no",
        f"{SLOW} · 3 beats re-initialised by {FAST}": "no",
        f"{SLOW} · 4 matches dense by {SLOW}": "yes",
        f"{SLOW} · 5 matches the best dense by {FAST}": "no",
        f"{SLOW} · together": "neither",
        "any recipe · together": "neither",
    }
    assert "sparsity 90.0%" in table.caption
    assert table.caption.endswith("test accuracy in points, margin 1")


def test_jackpot_and_secondary_prize(tmp_path):
    made = Made(tmp_path)
    network(made, FAST, dense=70.0, ticket=70.0, fresh=60.0, small=60.0)
    network(made, SLOW, dense=66.0, ticket=66.0, fresh=55.0, small=55.0)
    (table,) = board(made)
    assert [answers(table)[f"{recipe} · together"] for recipe in (FAST, SLOW, "any recipe")] == [
        "jackpot", "secondary prize", "jackpot",
    ]  # fmt: skip


def test_the_best_recipe_is_chosen_on_validation_and_not_on_test_accuracy(tmp_path):
    made = Made(tmp_path)
    network(made, FAST, dense=90.0, ticket=70.0, fresh=60.0, small=60.0, validation=10.0)
    network(made, SLOW, dense=70.0, ticket=70.0, fresh=60.0, small=60.0, validation=20.0)
    (table,) = board(made)
    assert answers(table)[f"{FAST} · 5 matches the best dense by {SLOW}"] == "yes"


def test_small_and_re_initialised_networks_are_those_whose_recipe_differs_in_the_learning_rate_alone(tmp_path):
    made = Made(tmp_path)
    longer, plugin = "small-sgd(epochs=40)", "our-sgd(epochs=5, lr={})"
    network(made, FAST, dense=70.0, ticket=70.0, fresh=60.0, small=60.0)
    network(made, "small-sgd(epochs=20.0, lr=0.01)", dense=70.0, ticket=68.0, fresh=64.0, small=64.0)
    network(made, longer, dense=90.0, ticket=90.0, fresh=88.5, small=80.0)
    for lr, better in ((1, 0), (2, 1)):
        network(made, plugin.format(lr), dense=50.0, ticket=50.0, fresh=40.0 + better, small=40.0 + better)
    (table,) = board(made)
    lines = [line for line in answers(table) if " · 2 " in line or " · 3 " in line or " · 5 " in line]
    small_rate = "small-sgd(epochs=20.0, lr=0.01)"
    assert lines == [
        f"{recipe} · {text} by {other}"
        for recipe, best in (
            (FAST, small_rate), (small_rate, small_rate), (longer, longer),
            (plugin.format(1), plugin.format(2)), (plugin.format(2), plugin.format(2)),
        )
        for text, other in (
            ("2 beats small-dense", best), ("3 beats re-initialised", best), ("5 matches the best dense", longer)
        )
    ]  # fmt: skip
    assert "differ from the ticket's in lr alone" in dict(table.legend)["condition"]


def test_without_a_recipe_that_differs_in_the_learning_rate_alone_there_is_no_such_network(tmp_path):
    made = Made(tmp_path)
    network(made, FAST, 70.0, 70.0, 60.0, 60.0)
    add(made, "lottery", None, 75.0, "small-sgd(epochs=40)")
    (table,) = board(made)
    assert answers(table)["small-sgd(epochs=40) · 2 beats small-dense"] == "not in this run"
    assert answers(table)[f"small-sgd(epochs=40) · 5 matches the best dense by {FAST}"] == "yes"


EQUAL = "matches the dense network of the ticket's total budget"
ANEW = "beats re-initialisation of equal total budget"


def spend(made, trainings):
    """Give the records of each method and arm that many trainings."""
    for found in made.records:
        known = trainings.get((found.row.method, found.row.arm))
        if known is not None:
            found.metrics["trainings"] = known


@pytest.mark.parametrize(
    ("of", "spent", "shown"),
    [
        ("lottery", 2.0, True), ("lr-rewinding", 2.015, True), ("lr-rewinding", 2.03, False), ("lottery", 3.0, False),
        ("lottery", None, True), ("lr-rewinding", None, False),
    ],
)  # fmt: skip
def test_a_dense_network_of_the_tickets_total_budget_stands_beside_it_and_wins_nothing(tmp_path, of, spent, shown):
    made = Made(tmp_path)
    network(made, FAST, 70.0, 70.0, 60.0, 60.0)
    long = "dense-long" if of == "lottery" else f"dense-long(of={of})"
    add(made, long, None, 80.0, density=None)
    add(made, long, None, 60.0, SLOW, density=None)
    spend(made, {("lottery", None): 2.0, (long, None): spent})
    (table,) = board(made)
    assert answers(table).get(f"{FAST} · {EQUAL} by {FAST}") == ("no" if shown else None)
    assert answers(table)[f"{FAST} · together"] == "jackpot"


def test_networks_of_equal_total_budget_are_in_the_family_of_the_table(tmp_path):
    made = Made(tmp_path)
    levels = {("dense", None): 70.55, ("lottery", "reinit(long=true)"): 68.6, ("dense-long", None): 70.75}
    add(made, "lottery", None, 70.0)
    add(made, "small-dense", None, 60.0)
    for (method, arm), level in levels.items():
        add(made, method, arm, level, density=0.1 if arm else None, noise=NOISE[::-1])
    add(made, "lottery", "reinit(long=true)", 99.0, SLOW)
    (table,) = board(made)
    gaps = [70.0 - level + NOISE - NOISE[::-1] for level in levels.values()]
    p = [
        stats.ttest_1samp(gap, threshold, alternative="greater").pvalue
        for gap, threshold in zip(gaps, (-1.0, 1.0, -1.0), strict=True)
    ]
    assert p == sorted(p)
    assert p[2] < 0.25
    shown = {line[0]: line[4] for line in table.rows}
    # Small-dense has the smallest of four p-values; Holm multiplies the others by 3, 2 and 1.
    assert [shown[f"{FAST} · {text} by {FAST}"] for text in ("4 matches dense", ANEW, EQUAL)] == [
        f"{max(p[0] * 3, 0):.3f}", f"{max(p[0] * 3, p[1] * 2):.3f}", f"{max(p[0] * 3, p[1] * 2, p[2]):.3f}",
    ]  # fmt: skip


def test_a_ticket_with_longer_re_initialisation_alone_has_a_table(tmp_path):
    made = Made(tmp_path)
    add(made, "lr-rewinding", None, 70.0)
    add(made, "lr-rewinding", "reinit(long=true)", 60.0)
    add(made, "dense", None, 70.0, density=None)
    (table,) = board(made)
    assert answers(table) == {
        f"{FAST} · 2 beats small-dense": "not in this run",
        f"{FAST} · 3 beats re-initialised": "not in this run",
        f"{FAST} · 4 matches dense by {FAST}": "yes",
        f"{FAST} · 5 matches the best dense by {FAST}": "yes",
        f"{FAST} · {ANEW} by {FAST}": "yes",
        f"{FAST} · together": "cannot tell",
    }


def test_several_recipes_without_validation_accuracy_have_no_best(tmp_path):
    made = Made(tmp_path)
    for recipe in (FAST, SLOW):
        network(made, recipe, 70.0, 70.0, 60.0, 60.0, validation=None)
    (table,) = board(made)
    said = answers(table)
    assert said[f"{FAST} · 5 matches the best dense"] == "no validation accuracy to choose a recipe by"
    assert said[f"{FAST} · 4 matches dense by {FAST}"] == "yes"
    assert said["any recipe · together"] == "cannot tell"


def test_one_recipe_needs_no_choice_and_no_last_line(tmp_path):
    made = Made(tmp_path)
    network(made, FAST, 70.0, 70.0, 60.0, 60.0, validation=None)
    (table,) = board(made)
    assert list(answers(table).values()) == ["yes", "yes", "yes", "yes", "jackpot"]


def test_what_the_run_does_not_have_is_said(tmp_path):
    made = Made(tmp_path)
    add(made, "lottery", None, 70.0)
    add(made, "lottery", "reinit", 60.0)
    assert board(made) == [], "no dense network at all"
    made.plan(*(row("dense", None, n, density=None) for n in range(6)))
    (table,) = board(made)
    assert list(answers(table).values()) == [
        "not in this run",
        "yes",
        "not measured yet",
        "not measured yet",
        "cannot tell",
    ]


def test_a_recipe_with_missing_cells_is_the_best_only_if_none_is_complete(tmp_path):
    made = Made(tmp_path)
    network(made, FAST, 70.0, 70.0, 60.0, 60.0)
    add(made, "dense", None, 99.0, SLOW, None, noise=NOISE[:2])
    made.plan(*(row("dense", None, n, recipe=SLOW, density=None) for n in range(2, 6)))
    (table,) = board(made)
    assert answers(table)[f"{FAST} · 5 matches the best dense by {FAST}"] == "yes"


def test_collapsed_tickets_are_in_no_mean(tmp_path):
    made = Made(tmp_path)
    network(made, FAST, 70.0, 70.0, 60.0, 60.0)
    for method, arm, density in (
        ("dense", None, None),
        ("lottery", None, 0.1),
        ("lottery", "reinit", 0.1),
        ("small-dense", None, 0.1),
    ):
        made.add(row(method, arm, 6, density=density), 10.0, has_path=float(method != "lottery"))
    (table,) = board(made)
    first = table.rows[0]
    assert (abs(float(first[1]) - 70) < 1, first[-2], first[-1]) == (True, "6/7", "yes, where it has a path")


def test_one_seed_cannot_tell(tmp_path):
    made = Made(tmp_path)
    for method, arm, level, density in (
        ("dense", None, 70.0, None),
        ("lottery", None, 70.0, 0.1),
        ("lottery", "reinit", 60.0, 0.1),
    ):
        made.add(row(method, arm, 0, density=density), level)
    (table,) = board(made)
    assert list(answers(table).values()) == ["not in this run", *["cannot tell"] * 4]
    assert table.rows[1][3:6] == ("10.00", "–", "1")

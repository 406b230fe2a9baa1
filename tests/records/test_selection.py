"""What a user chose of a suite: written into the plan, read back, and what it left out on purpose."""

from __future__ import annotations

import json

import pytest

from prunebench.environment import Environment
from prunebench.errors import StoreError
from prunebench.harness.plan import make_plan
from prunebench.plugins import ready
from prunebench.records.selection import Selection
from prunebench.records.suite import load_suite

TASK = ("collapse", "lenet-300-100(width=0.1)", "digits", None)
MORE = """
[[scale.quick.grid]]
check = "collapse"
models = ["lenet-300-100(width=0.1)"]
datasets = ["digits"]
methods = ["erk"]
densities = [0.5]
always = true
"""


@pytest.fixture
def chosen(tiny):
    """The selection of a plan of the tiny suite, read back from its JSON, and the plan."""
    ready()
    tiny.write_text(tiny.read_text() + MORE)
    suite = load_suite(str(tiny))

    def choose(*methods, seeds=None, overrides=()):
        plan = make_plan([suite], "quick", Environment(), methods=methods, seeds=seeds, overrides=overrides)
        return Selection.of(json.loads(json.dumps(plan.plain()))), plan

    return choose


def left(selection, method, *, density=0.5, repetition=0):
    return selection.left_out("tiny", TASK, method, None, density, repetition)


def test_a_plan_says_what_was_chosen_and_comes_back(chosen):
    found, plan = chosen("s*", "+synflow(rounds=100)", seeds=1, overrides=["timeout=5m"])
    assert found == plan.selection
    assert (found.methods, found.seeds, found.set) == (("s*", "+synflow(rounds=100)"), 1, ("timeout=5m",))
    assert found.named == ("synflow",), "without parameters that equal their default"
    (own,) = found.always
    assert (own.suite, own.task, own.method, own.densities) == ("tiny", TASK, "erk", (None, 0.5))


def test_what_was_chosen_moves_no_run_id(chosen):
    assert chosen()[1].run_id == chosen("*")[1].run_id == chosen(overrides=["seeds=2"])[1].run_id


def test_repetitions_by_seeds_or_by_set_are_the_same_restriction(chosen):
    for found, _ in (chosen(seeds=1), chosen(overrides=["seeds=1"])):
        assert (found.seeds, found.replaces) == (1, False)
        assert [left(found, "snip", repetition=n) for n in (0, 1, 2)] == [False, True, True]
    assert chosen(seeds=2, overrides=["seeds=1"])[0].seeds == 2, "as the plan has it"
    assert chosen()[0].seeds is None


@pytest.mark.parametrize(
    ("texts", "kept", "out"),
    [
        ((), {"snip", "magnitude", "gone"}, set()),
        (("+snip",), {"snip", "magnitude", "gone"}, set()),
        (("snip",), {"snip"}, {"magnitude", "gone"}),
        (("s*",), {"snip", "synflow(rounds=5)"}, {"magnitude"}),
        (("snip", "+magnitude"), {"snip", "magnitude"}, {"random"}),
        (("snip(rounds=1)",), {"snip"}, {"random"}),
        (("*(rounds=?)",), {"synflow(rounds=5)"}, {"snip"}),
    ],
)
def test_a_method_that_a_text_stands_for_was_not_left_out(chosen, texts, kept, out):
    found, _ = chosen(*texts)
    assert {m for m in kept | out if not left(found, m)} == kept


def test_what_a_suite_always_has_was_not_left_out_where_it_always_has_it(chosen):
    found, _ = chosen("snip")
    assert not left(found, "erk")
    assert not left(found, "erk", density=None)
    assert left(found, "erk", density=0.05)
    assert found.left_out("tiny", TASK, "erk", "reinit", 0.5, 0)
    assert found.left_out("tiny", (*TASK[:2], "mnist1d", None), "erk", None, 0.5, 0)
    assert found.left_out("other", TASK, "erk", None, 0.5, 0)


def test_a_plan_of_an_earlier_version_is_read_by_its_texts():
    assert Selection.of({}) == Selection.of({"selection": None}) == Selection()
    found = Selection.of({"selection": {"methods": ["snip", "+lamp", "s*"], "seeds": None}})
    assert found.named == ("snip", "lamp")
    assert (left(found, "lamp"), left(found, "erk")) == (False, True)


@pytest.mark.parametrize(
    "damage",
    [
        [], "all", {"methods": 3}, {"methods": [3]}, {"seeds": "1"}, {"seeds": True}, {"set": [1]}, {"named": 3},
        {"always": [1]}, {"always": [["a", ["b"], "c", [], []]]}, {"always": [["a", [None] * 4, "c", [], []]]},
        {"always": [["tiny", list(TASK), "erk", [None], ["0.5"]]]},
    ],
)  # fmt: skip
def test_a_damaged_selection_is_an_error_of_one_line(damage):
    with pytest.raises(StoreError, match=r"^run r: the selection in plan\.json is damaged: [^\n]+$"):
        Selection.of({"run": "r", "selection": damage})

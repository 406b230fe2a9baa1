"""Stages as nodes: what is shared, what it costs, and that both ways of finding a ticket give the same."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from prunebench.engine.method import build
from prunebench.engine.subject import Subject
from prunebench.engine.ticket import Ticket
from prunebench.errors import PluginError, PruningError, SpecError
from prunebench.graph import ancestors, decoded, find_step
from prunebench.methods.lottery import rounds
from prunebench.plugins import ready
from prunebench.registry import METHODS, STAGED, Entry
from prunebench.spec import Spec
from prunebench.steps.nodes import Nodes

ready()
MODEL, DATASET, RECIPE = Spec.parse("mlp(widths=[20])"), Spec("mnist1d"), Spec.parse("small-sgd(epochs=2)")
STEPS = Nodes(MODEL, DATASET, RECIPE, 0)
GRID = [round(0.8**r, 10) for r in range(1, 11)]
ONE_SHOT = [
    "lottery",
    "weight-rewinding",
    "lr-rewinding",
    "fine-tune",
    "hybrid",
    "reinit",
    "reinit(long=true)",
    "dense-long",
]


def planned(methods, densities, steps=STEPS):
    """The trainings of all tickets, and those of the tickets themselves."""
    return [steps.train(steps.find(method, density)) for method in methods for density in densities]


def trainings(nodes):
    """Distinct trainings behind nodes, and how many of them are of the dense network."""
    found = [node for node in ancestors(nodes) if node.name == "trained"]
    return len(found), sum(node.arguments["ticket"] is None for node in found)


@pytest.mark.parametrize("method", ["imp", "imp(rewind=0.1)", "lr-rewinding(rate=0.2)", "fine-tune(rate=0.2)"])
def test_ten_densities_of_an_iterative_method_are_ten_rounds_and_one_dense_run(method):
    assert trainings(planned([method], GRID)) == (11, 1)
    # Between two of them, one more.
    assert trainings(planned([method], [*GRID, 0.6])) == (12, 1)


def test_rounds_are_of_one_method():
    assert trainings(planned(["imp", "lr-rewinding(rate=0.2)", "fine-tune(rate=0.2)"], GRID)) == (31, 1)


def test_all_methods_of_a_repetition_share_one_dense_run():
    nodes = planned([*ONE_SHOT, "dense"], [0.5, 0.1])
    # A training a ticket; of dense-long there is one, and dense is the dense run.
    assert trainings(nodes) == (2 * 7 + 1 + 1, 1)
    assert trainings(planned(["dsd"], [0.5, 0.1])) == (5, 1)
    everything = [entry.name for entry in METHODS if STAGED in entry.capabilities]
    assert {"imp", "dsd", "swa", "dense"} <= set(everything)
    assert trainings(planned([*everything, "reinit(of=snip)"], [0.5, 0.1]))[1] == 1
    other = Nodes(MODEL, DATASET, RECIPE, 1)
    both = planned(["lottery"], [0.5]) + planned(["lottery"], [0.5], other)
    assert trainings(both) == (4, 2)


def test_methods_that_are_the_same_are_one():
    assert STEPS.find("weight-rewinding", 0.3).key == STEPS.find("lottery(rewind=0.1)", 0.3).key
    assert STEPS.find("weight-rewinding(rate=0.2)", 0.3).key == STEPS.find("imp(rewind=0.1)", 0.3).key
    assert STEPS.find("imp(rate=1)", 0.3).key == STEPS.find("lottery", 0.3).key
    assert STEPS.find("lr-rewinding", 0.3).key != STEPS.find("fine-tune", 0.3).key


def test_a_position_that_the_recipe_keeps_costs_no_run():
    assert trainings([STEPS.find("weight-rewinding(rewind=0.1)", 0.3)]) == (1, 1)
    assert trainings([STEPS.find("weight-rewinding(rewind=0.3)", 0.3)]) == (2, 2)
    # To a position there is one run, for all densities and rounds.
    assert trainings(planned(["weight-rewinding(rewind=0.3)"], [0.5, 0.1])) == (4, 2)


def test_a_method_without_stages_is_one_step():
    node = STEPS.find("reinit(of=snip)", 0.3)
    assert [part.name for part in ancestors([node])] == ["pruned", "control"]
    node = STEPS.find('reinit(of="reinit(of=snip)")', 0.3)
    assert [part.name for part in ancestors([node])] == ["pruned", "control", "control"]
    assert [part.name for part in ancestors([STEPS.find("small-dense", 0.3)])] == ["pruned"]


class Stages:
    """A method as a plug-in has it, made of the stages that a test gives."""

    def __init__(self, tickets):
        self.method = SimpleNamespace(tickets=tickets)


def complain(text):
    raise ValueError(text)


def planning(tickets, *, trains=True, target="plug_in.py:Own"):
    """Plan a method of one's own."""
    needs = ("data", "gradients", "labels", "training") if trains else ()
    METHODS.add(Entry("method", "own", target, capabilities=(*needs, STAGED)), lambda resolved: Stages(tickets))
    try:
        return STEPS.find("own", 0.5)
    finally:
        del METHODS.entries["own"], METHODS._objects["own"]


@pytest.mark.parametrize(
    ("tickets", "message"),
    [
        (lambda steps, d: steps.train(), "a trained network was given where a ticket is needed: cut it first"),
        (lambda steps, d: None, "NoneType was given where a ticket is needed"),
        (lambda steps, d: steps.cut(steps.find("lottery", d), d), "a ticket was given where a trained network is"),
        (lambda steps, d: steps.control(steps.train(), fresh=True), "a trained network was given where a ticket is"),
        (lambda steps, d: steps.average(steps.train(), start=0.5, rate=1.0), "a trained network was given where"),
        (lambda steps, d: steps.train(steps.train()), "a trained network was given where a ticket is needed"),
        (lambda steps, d: steps.cut(None, d), "NoneType was given where a trained network is needed"),
        (lambda steps, d: steps.cut(steps.train(), d, by="imp"), "by=imp trains, and has no scores"),
    ],
)
def test_stages_in_the_wrong_place_are_refused_while_planning(tickets, message):
    with pytest.raises(PruningError, match=f"^method own: {message}"):
        planning(tickets)


def test_stages_that_fail_while_planning_are_said_in_one_line_with_their_method():
    with pytest.raises(PluginError, match=r"^method own fails while it is planned: TypeError: .*'foo'$"):
        planning(lambda steps, d: steps.cut(steps.train(), d, foo=3))
    with pytest.raises(PluginError, match=r"^method own fails while it is planned: ValueError: one line of two$"):
        planning(lambda steps, d: complain("one line\nof two"))
    # What is built in is no plug-in: its fault is an internal error.
    with pytest.raises(TypeError, match="'foo'"):
        planning(lambda steps, d: steps.cut(steps.train(), d, foo=3), target="prunebench.methods.own:Own")


def test_stages_of_a_method_that_does_not_say_that_it_trains_are_refused():
    with pytest.raises(PruningError, match=r"method 'own' may not train: declare needs={'training'}"):
        planning(lambda steps, d: steps.cut(steps.train(), d), trains=False)


@pytest.mark.parametrize(
    "spec",
    [
        "lottery(rewind=3)", "lr-rewinding(rewind=2.5)", "fine-tune(begin=9)", "swa(start=3)",
        "reinit(of=imp(rewind=3))", "lottery(rewind=-0.5)", "swa(start=-1)", "fine-tune(begin=-0.1)",
    ],
)  # fmt: skip
def test_positions_outside_of_the_recipe_are_refused_while_planning(spec):
    with pytest.raises(SpecError, match=r"is outside the recipe, which has 2 epochs|must be at least 0"):
        STEPS.find(spec, 0.5)


def test_positions_of_a_recipe_in_steps_are_left_to_those_who_know_the_data():
    steps = Nodes(MODEL, DATASET, Spec.parse("small-sgd(steps=90, rewind=[])"), 0)
    assert [part.name for part in ancestors([steps.find("lottery(rewind=5)", 0.5)])][-1] == "cut"


@pytest.mark.parametrize("method", ["imp", "lr-rewinding", "fine-tune", "weight-rewinding"])
def test_a_rate_that_takes_forever_is_refused(method):
    with pytest.raises(SpecError, match=r"takes more than 1000 rounds to density 0\.3: prune more in a round"):
        STEPS.find(f"{method}(rate=1e-9)", 0.3)
    # 0.9988^1000 is 0.301, 0.9987^1000 is 0.272.
    with pytest.raises(SpecError, match="rounds"):
        STEPS.find(f"{method}(rate=0.0012)", 0.3)
    assert len(list(rounds(0.3, 0.0013))) == 926


PLAN = """
import sys
from prunebench.plugins import ready
from prunebench.registry import METHODS, STAGED
from prunebench.spec import Spec
from prunebench.steps.nodes import Nodes
ready()
steps = Nodes(Spec("mlp"), Spec("mnist1d"), Spec("small-sgd"), 0)
for entry in list(METHODS):
    if STAGED in entry.capabilities:
        steps.train(steps.find(entry.name, 0.3))
sys.exit("torch" in sys.modules)
"""


def test_planning_imports_no_torch():
    subprocess.run([sys.executable, "-c", PLAN], check=True)


METHODS_IN_FULL = [
    "weight-rewinding(rewind=0.5)", "lr-rewinding(rate=0.5)", "fine-tune", "hybrid", "dsd", "swa(start=0.4)", "dense",
    "reinit(of=snip, long=true)", "reinit(long=true)", "dense-long(of=imp, density=0.5)", 'swa(of="reinit(of=hybrid)")',
    "small-dense",
]  # fmt: skip


@pytest.fixture(scope="module")
def results():
    """Outcomes by key, as a store has them."""
    return {}


@pytest.mark.parametrize("method", METHODS_IN_FULL)
def test_a_ticket_is_the_same_whichever_way_it_was_found(method, results):
    node = STEPS.find(method, 0.3)
    for part in ancestors([node]):
        if part.key not in results:
            arguments = decoded(dict(part.arguments), results.__getitem__)
            outcome = find_step(part.step).run(**arguments)
            results[part.key] = SimpleNamespace(value=outcome.value, tensors=outcome.tensors)
    subject = Subject.of(MODEL, DATASET, 0, RECIPE)
    planned = Ticket.read(results[node.key].value, results[node.key].tensors, subject.layers)
    live = build(Spec.parse(method)).open(subject).ticket(0.3)
    assert planned.masks == live.masks
    assert (planned.phase, planned.sparse, planned.spent, planned.notes) == (
        live.phase, live.sparse, live.spent, live.notes
    )  # fmt: skip
    assert set(planned.weights or {}) == set(live.weights or {})
    assert all(torch.equal(value, live.weights[name]) for name, value in (planned.weights or {}).items())

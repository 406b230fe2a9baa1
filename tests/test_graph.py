"""Steps, nodes and content keys."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench import catalogue, graph
from prunebench.errors import SpecError, UnknownNameError
from prunebench.graph import Component, Node, Outcome, Step, ancestors, decoded, find_step, step
from prunebench.parameters import Parameter
from prunebench.registry import METHODS, Entry
from prunebench.spec import Spec

catalogue.declare()

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@step(version=1, role="measure")
def work(first=None, second=None, third="default"):
    """Does nothing."""
    return Outcome({"first": first})


@step(version=1, role="find")
def source(name=""):
    """Does nothing either."""
    return Outcome({"name": name})


@step(version=1, role="find")
def twin(name=""):
    """As `source`."""
    return Outcome({"name": name})


def method(text):
    return Component("method", Spec.parse(text))


@given(st.fixed_dictionaries({"first": plain, "second": plain, "third": plain}))
@settings(deadline=None)
def test_equal_arguments_have_equal_keys_whatever_their_order(arguments):
    backwards = dict(reversed(arguments.items()))
    assert work(**arguments).key == work(**backwards).key


@given(plain, plain)
@settings(deadline=None)
def test_keys_differ_exactly_where_the_json_of_an_argument_does(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (work(first=one).key == work(first=other).key) is same


def test_keys_inside_a_mapping_have_no_order_and_tuples_are_lists():
    assert work(first={"a": 1, "b": 2}).key == work(first={"b": 2, "a": 1}).key
    assert work(first=(1, 2)).key == work(first=[1, 2]).key
    assert work(first=[1, 2]).key != work(first=[2, 1]).key


def test_defaults_are_filled_in():
    assert work(first=1).key == work(first=1, second=None, third="default").key
    assert work(first=1).arguments == {"first": 1, "second": None, "third": "default"}


def test_the_argument_that_a_value_is_given_to_counts():
    assert work(first=1).key != work(second=1).key


def test_the_name_of_the_step_counts():
    assert twin(name="a").key != source(name="a").key


def test_the_version_counts():
    assert Step(work.run, 2, "measure")(first=1).key != work(first=1).key


def test_the_role_names_the_cost_and_not_the_content():
    node = Step(work.run, 1, "train")(first=1)
    assert node.role == "train"
    assert node.key == work(first=1).key


def test_the_digest_of_the_code_behind_the_step_counts(monkeypatch):
    before = work(first=1).key
    asked = []
    monkeypatch.setattr(graph, "code_digest", lambda module: asked.append(module) or "another")
    assert work(first=1).key != before
    assert asked == [work.run.__module__]


def test_a_dependency_counts_by_its_key():
    assert work(first=source(name="a")).key == work(first=source(name="a")).key
    assert work(first=source(name="a")).key != work(first=source(name="b")).key
    assert work(first=work(first=source(name="a"))).key != work(first=work(first=source(name="b"))).key


def test_dependencies_are_found_inside_lists_and_mappings():
    a, b, c = (source(name=name) for name in "abc")
    assert work(first=[a, {"x": b}], third=c).dependencies == (a, b, c)


def test_keys_are_short_hexadecimal_names():
    key = work(first=1).key
    assert len(key) == 32
    int(key, 16)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("snip", "snip(rounds=1)"),
        ("snip", "snip:mode=train,scope=global"),
        ("snip(mode=eval, rounds=10)", "snip(rounds=10, mode=eval)"),
        ("synflow", "synflow(rounds=100)"),
    ],
)
def test_components_that_resolve_to_the_same_parameters_have_equal_keys(one, other):
    assert work(first=method(one)).key == work(first=method(other)).key


@pytest.mark.parametrize(
    ("one", "other"),
    [("snip", "snip(rounds=2)"), ("snip", "snip(mode=eval)"), ("snip", "magnitude"), ("synflow", "synflow(rounds=1)")],
)
def test_components_that_resolve_to_other_parameters_have_other_keys(one, other):
    assert work(first=method(one)).key != work(first=method(other)).key


def test_a_whole_number_counts_as_the_float_that_the_parameter_wants():
    one, other = (Component("model", Spec.parse(f"lenet-300-100(width={w})")) for w in ("2", "2.0"))
    assert work(first=one).key == work(first=other).key


def test_a_changed_default_changes_the_key(monkeypatch):
    before = work(first=method("snip"))
    entry = METHODS.entry("snip")
    changed = tuple(
        Parameter(p.name, p.types, 7, p.choices, p.minimum) if p.name == "rounds" else p for p in entry.parameters
    )
    monkeypatch.setitem(METHODS.entries, "snip", Entry("method", "snip", entry.target, parameters=changed))
    assert work(first=method("snip")).key != before.key
    assert work(first=method("snip(rounds=1)")).key == before.key


def test_the_digest_of_the_components_own_module_counts(monkeypatch):
    before = work(first=method("snip")).key, work(first=method("magnitude")).key
    real = graph.code_digest
    monkeypatch.setattr(
        graph, "code_digest", lambda module: "edited" if module == "prunebench.methods.snip" else real(module)
    )
    assert work(first=method("snip")).key != before[0]
    assert work(first=method("magnitude")).key == before[1]


def test_entries_of_one_name_in_two_registries_have_different_keys(monkeypatch):
    entry = Entry("model", "snip", METHODS.entry("snip").target, parameters=METHODS.entry("snip").parameters)
    monkeypatch.setitem(graph.REGISTRIES["model"].entries, "snip", entry)
    assert work(first=method("snip")).key != work(first=Component("model", Spec("snip"))).key


@pytest.mark.parametrize(("text", "error"), [("snipp", UnknownNameError), ("snip(round=1)", SpecError)])
def test_a_component_that_cannot_be_resolved_makes_no_node(text, error):
    with pytest.raises(error):
        work(first=method(text))


@pytest.mark.parametrize("value", [object(), {1, 2}, Spec("snip"), lambda: None, [b"bytes"]])
def test_an_argument_that_is_not_plain_is_refused(value):
    with pytest.raises(TypeError, match="must be plain, a component or a node"):
        work(first=value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_argument_that_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        work(first=value)


def test_an_argument_that_the_step_does_not_take_is_refused():
    with pytest.raises(TypeError, match="fourth"):
        work(fourth=1)


def test_what_a_step_gets_back_is_what_it_was_given():
    start = source(name="a")
    node = work(first=method("snip(mode=eval)"), second=[start, {"x": (1, 2.5, None)}])
    stored = json.loads(json.dumps(node.arguments))
    found = {name: decoded(value, lambda key: f"artifact {key}") for name, value in stored.items()}
    assert found["second"] == [f"artifact {start.key}", {"x": [1, 2.5, None]}]
    assert found["first"].kind == "method"
    assert METHODS.minimal(found["first"].spec) == Spec.parse("snip(mode=eval)")
    assert work(**{**found, "second": [start, {"x": (1, 2.5, None)}]}).key == node.key


def test_a_step_is_found_again_by_its_target():
    node = work(first=1)
    assert find_step(node.step) is work
    assert node.name == "work"
    with pytest.raises(TypeError, match="is no step"):
        find_step(f"{__name__}:method")


def test_a_step_still_runs_as_the_function_that_it_wraps():
    assert work.run(first=3) == Outcome({"first": 3})
    assert work.__doc__ == "Does nothing."


@given(st.lists(st.lists(st.integers(0, 100), max_size=3), min_size=1, max_size=12), st.lists(st.integers(0, 100)))
@settings(deadline=None)
def test_ancestors_come_once_each_after_all_that_they_depend_on(edges, wanted):
    nodes: list[Node] = []
    for number, targets in enumerate(edges):
        chosen = [nodes[t % number] for t in targets] if number else []
        nodes.append(Node("m:s", {}, str(number), tuple(chosen), "find"))
    roots = [nodes[w % len(nodes)] for w in wanted]
    found = [node.key for node in ancestors(roots)]
    assert len(found) == len(set(found))
    for node in ancestors(roots):
        assert all(found.index(d.key) < found.index(node.key) for d in node.dependencies)
    reachable, todo = set(), list(roots)
    while todo:
        node = todo.pop()
        reachable.add(node.key)
        todo += node.dependencies
    assert set(found) == reachable


def test_equal_nodes_of_different_cells_are_one_piece_of_work():
    ends = [work(first=source(name="shared"), second=n) for n in range(3)]
    assert [node.name for node in ancestors(ends)].count("source") == 1


def test_a_chain_of_thousands_of_steps_is_walked():
    node = source()
    for number in range(5000):
        node = Node("m:s", {}, f"n{number}", (node,), "find")
    assert sum(1 for _ in ancestors([node])) == 5001


def test_a_component_whose_entry_was_replaced_is_resolved_anew(monkeypatch):
    parameter = Parameter("rate", ("float",), 1.0)
    monkeypatch.setitem(METHODS.entries, "reloaded", Entry("method", "reloaded", "json:loads", parameters=(parameter,)))
    component = Component("method", Spec("reloaded"))
    assert component.plain()["$component"][1] == component.plain()["$component"][1] == "reloaded(rate=1.0)"
    parameter = Parameter("rate", ("float",), 2.0)
    monkeypatch.setitem(METHODS.entries, "reloaded", Entry("method", "reloaded", "json:loads", parameters=(parameter,)))
    assert component.plain()["$component"][1] == "reloaded(rate=2.0)"


def test_a_sketch_reads_no_code_and_leaves_a_plan_as_it_is(monkeypatch):
    def made():
        return work(first=source(name="a"), second=method("snip"))

    def read(module):
        raise AssertionError(module)

    whole = made()
    with graph.planning():
        with monkeypatch.context() as patch:
            patch.setattr(graph, "code_digest", read)
            with graph.sketching():
                sketch = made()
            with pytest.raises(AssertionError):
                made()
        assert made().key == whole.key != sketch.key
    assert (sketch.step, sketch.role, len(sketch.dependencies)) == (whole.step, whole.role, 1)

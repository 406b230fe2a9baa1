"""Registries: names, typed parameters, one way of writing each row."""

from __future__ import annotations

import inspect
import json
import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench import registry
from prunebench.errors import DuplicateNameError, SpecError, UnknownNameError
from prunebench.parameters import Parameter, keyword_parameters
from prunebench.registry import Entry, Registry, describe
from prunebench.spec import Spec

PARAMETERS = (
    Parameter("rounds", ("int",), 1, ("adaptive",), 1),
    Parameter("width", ("float",), 1.0),
    Parameter("scope", (), "global", ("global", "layer")),
    Parameter("on", ("bool",), False),
    Parameter("label", ("str",), "x"),
    Parameter("ratios", ("list",), (1, 2)),
)


def shrink(ctx, *, width: float = 1.0):
    """Shrink it. Really.

    More.
    """


@pytest.fixture
def methods():
    found = Registry("method")
    found.add(Entry("method", "grasp", "here:grasp", parameters=PARAMETERS), "the live grasp")
    found.declare([Entry("method", "snip", "here:snip")])
    return found


def resolve(methods, text):
    return methods.resolve(Spec.parse(text))


def test_a_live_entry_is_found_by_its_name(methods):
    assert methods.get("grasp") == "the live grasp"
    assert methods.entry("grasp").target == "here:grasp"


def test_entries_come_in_the_order_of_their_names(methods):
    methods.add(Entry("method", "abc", "here:abc"), None)
    assert [entry.name for entry in methods] == ["abc", "grasp", "snip"]


def test_a_declared_entry_is_imported_when_it_is_needed(methods, monkeypatch):
    asked = []

    def imported(module):
        asked.append(module)
        methods.add(Entry("method", "late", "late_methods:late"), "the live late")

    monkeypatch.setattr(registry, "importlib", SimpleNamespace(import_module=imported))
    methods.declare([Entry("method", "late", "late_methods:late")])
    assert methods.entry("late").name == "late"
    assert asked == []
    assert methods.get("late") == methods.get("late") == "the live late"
    assert asked == ["late_methods"]


@pytest.mark.parametrize(
    "register",
    [
        lambda methods, entry: methods.add(entry, "other"),
        lambda methods, entry: methods.declare([entry]),
    ],
)
@pytest.mark.parametrize("name", ["grasp", "snip"])
def test_a_duplicate_name_is_refused_naming_both_origins(methods, register, name):
    with pytest.raises(DuplicateNameError, match=rf"^method '{name}' .* here:{name} and by /theirs\.py:{name}$"):
        register(methods, Entry("method", name, f"/theirs.py:{name}"))
    assert methods.entry(name).target == f"here:{name}"


def test_the_same_thing_may_register_again(methods):
    methods.declare([Entry("method", "grasp", "here:grasp", summary="from a catalogue")])
    assert methods.get("grasp") == "the live grasp"
    assert methods.entry("grasp").summary == ""  # what is live knows better than a catalogue
    methods.add(Entry("method", "grasp", "here:grasp"), "reloaded")
    assert methods.get("grasp") == "reloaded"


@pytest.mark.parametrize(
    ("name", "hint"), [("grsp", "did you mean 'grasp'"), ("snop", "did you mean 'snip'"), ("q", "known: grasp, snip")]
)
def test_an_unknown_name_suggests_the_nearest(methods, name, hint):
    for find in (methods.entry, methods.get, lambda n: methods.resolve(Spec(n)), lambda n: methods.minimal(Spec(n))):
        with pytest.raises(UnknownNameError, match=rf"^unknown method '{name}' \({hint}"):
            find(name)


def test_resolving_fills_in_defaults(methods):
    assert resolve(methods, "grasp(rounds=3)") == {
        "rounds": 3, "width": 1.0, "scope": "global", "on": False, "label": "x", "ratios": (1, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rounds=5", 5), ("rounds=adaptive", "adaptive"), ("width=0.5", 0.5), ("width=2", 2.0), ("on=true", True),
        ("scope=layer", "layer"), ('label="any thing"', "any thing"), ("ratios=[0.5]", (0.5,)), ("ratios=[]", ()),
    ],
)  # fmt: skip
def test_a_parameter_takes_what_its_type_allows(methods, text, value):
    name = text.partition("=")[0]
    found = resolve(methods, f"grasp({text})")[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rounds=0", "rounds=0 must be at least 1"),
        ("rounds=-5", "rounds=-5 must be at least 1"),
        ("rounds=0.5", "rounds=0.5 must be at least 1"),
        ("rounds=1.5", "rounds=1.5 is not int or 'adaptive'"),
        ("rounds=true", "rounds=true is not int or 'adaptive'"),
        ("rounds=adaptve", "rounds=adaptve is not int or 'adaptive' (did you mean 'adaptive'?)"),
        ("width=wide", "width=wide is not float"),
        ("width=true", "width=true is not float"),
        ("width=[1]", "width=[1] is not float"),
        ("scope=globl", "scope=globl is not 'global' or 'layer' (did you mean 'global'?)"),
        ("scope=1", "scope=1 is not 'global' or 'layer'"),
        ("on=1", "on=1 is not bool"),
        ("on=yes", "on=yes is not bool"),
        ("label=1", "label=1 is not str"),
        ("ratios=1", "ratios=1 is not list"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_saying_what_would(methods, text, message):
    with pytest.raises(SpecError) as caught:
        resolve(methods, f"grasp({text})")
    assert str(caught.value) == f"method 'grasp': {message}"


@pytest.mark.parametrize(("name", "hint"), [("round", "did you mean 'rounds'"), ("zzz", "known: label, on")])
def test_a_parameter_that_an_entry_does_not_take_suggests_the_nearest(methods, name, hint):
    with pytest.raises(SpecError, match=rf"^method 'grasp' takes no parameter '{name}' \({hint}"):
        resolve(methods, f"grasp({name}=1)")
    with pytest.raises(SpecError, match=r"^method 'snip' takes no parameter 'rounds'$"):
        resolve(methods, "snip(rounds=1)")


@pytest.mark.parametrize(
    ("text", "minimal"),
    [
        ("grasp", "grasp"),
        ("grasp()", "grasp"),
        ("grasp(rounds=1, scope=global, width=1)", "grasp"),
        ("grasp:rounds=1,width=2", "grasp(width=2.0)"),
        ("grasp(on=false, label=x, ratios=[1, 2])", "grasp"),
        ("grasp(ratios=[2, 1], rounds=adaptive)", "grasp(ratios=[2, 1], rounds=adaptive)"),
    ],
)
def test_each_row_has_one_way_of_writing_it(methods, text, minimal):
    assert str(methods.minimal(Spec.parse(text))) == minimal


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "rounds": st.integers(1, 3) | st.just("adaptive"),
            "width": st.sampled_from([1, 1.0, 2, 2.0, 0.5]),
            "on": st.booleans(),
            "label": st.sampled_from(["x", "y", ""]),
        },
    )
)
@settings(deadline=None)
def test_a_minimal_spec_resolves_to_the_same_parameters_and_is_its_own(params):
    methods = Registry("method", {"grasp": Entry("method", "grasp", "here:grasp", parameters=PARAMETERS)})
    spec = Spec("grasp", tuple(params.items()))
    minimal = methods.minimal(spec)
    assert repr(methods.resolve(minimal)) == repr(methods.resolve(spec))
    assert methods.minimal(minimal) == methods.minimal(Spec.parse(str(minimal))) == minimal
    assert len(minimal.params) <= len(params)


def test_the_entry_of_a_function_is_read_from_it():
    entry = describe(
        Registry("model"), shrink, "shrink", paper="Doe 2026", capabilities=["labels", "data", "x"], notes="n"
    )
    assert entry == Entry(
        "model", "shrink", f"{__name__}:shrink", "Shrink it. Really", "Doe 2026",
        (Parameter("width", ("float",), 1.0),), ("data", "labels", "x"), "n",
    )  # fmt: skip
    assert entry.module == __name__


def test_an_entry_comes_back_from_its_json_form():
    entry = Entry("method", "grasp", "here:grasp", "Summary", "Paper", PARAMETERS, ("data",), "Notes")
    assert Entry.from_plain(json.loads(json.dumps(entry.plain()))) == entry


def test_code_that_no_import_finds_again_is_known_by_its_file(tmp_path, monkeypatch):
    loose = ModuleType("loose")
    loose.__file__ = str(tmp_path / "x" / ".." / "loose.py")
    monkeypatch.setitem(sys.modules, "loose", loose)
    monkeypatch.setattr(shrink, "__module__", "loose")
    assert describe(Registry("model"), shrink, "shrink").module == "loose"
    loose.__prunebench_plugin__ = True
    assert describe(Registry("model"), shrink, "shrink").module == str(tmp_path / "loose.py")
    monkeypatch.setattr(shrink, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "script.py"), raising=False)
    assert describe(Registry("model"), shrink, "shrink").module == str(tmp_path / "script.py")


def test_parameters_are_read_from_keyword_only_arguments():
    def function(
        ctx: NotImportedAnywhere,  # noqa: F821
        positional: int = 1,
        *,
        count: int = 3,
        rate: float = 1,
        rounds: int | Literal["adaptive", "fixed"] = "fixed",
        mode: Literal["train", "eval"] = "eval",
        ratios: tuple[float, ...] = (1, 2),
    ):
        pass

    assert keyword_parameters(function) == [
        Parameter("count", ("int",), 3),
        Parameter("rate", ("float",), 1.0),
        Parameter("rounds", ("int",), "fixed", ("adaptive", "fixed")),
        Parameter("mode", (), "eval", ("train", "eval")),
        Parameter("ratios", ("list[float, ...]",), (1.0, 2.0)),
    ]


@pytest.mark.parametrize(
    ("hint", "given", "found"),
    [
        (tuple[int, ...], (1, 2, 3), (1, 2, 3)), (tuple[int, ...], (), ()), (tuple[float, ...], (1, 0.5), (1.0, 0.5)),
        (tuple[str, ...], ("a",), ("a",)), (tuple[int, float], (1, 2), (1, 2.0)), (tuple, (1, "a"), (1, "a")),
        (tuple[int, ...] | int, 5, 5), (tuple[int, ...] | int, (5,), (5,)),
    ],
)  # fmt: skip
def test_elements_of_a_list_have_the_types_that_the_annotation_says(hint, given, found):
    value = of(hint, given).check(given, "method 'm'")
    assert repr(value) == repr(found)


@pytest.mark.parametrize(
    ("hint", "default", "given", "expected"),
    [
        (tuple[int, ...], (), (1, 0.5), "list[int, ...]"), (tuple[int, ...], (), ("a",), "list[int, ...]"),
        (tuple[int, ...], (), (True,), "list[int, ...]"), (tuple[int, int], (1, 2), (1,), "list[int, int]"),
        (tuple[int, int], (1, 2), (1, 2, 3), "list[int, int]"),
    ],
)  # fmt: skip
def test_elements_of_another_type_or_number_are_refused(hint, default, given, expected):
    with pytest.raises(SpecError, match=f"is not {re.escape(expected)}$"):
        of(hint, default).check(given, "method 'm'")


def test_an_integer_that_no_float_holds_is_refused():
    with pytest.raises(SpecError, match="an integer of 401 digits is no float"):
        of(float, 1.0).check(10**400, "method 'm'")


def of(hint, default=inspect.Parameter.empty):
    return Parameter.of(inspect.Parameter("p", inspect.Parameter.KEYWORD_ONLY, default=default), hint)


def test_a_whole_default_of_a_float_is_a_float():
    found = of(float, 2)
    assert type(found.default) is float  # or `m` and `m(p=2)` would be two pieces of work


def test_a_parameter_without_a_default_is_refused():
    with pytest.raises(TypeError, match="parameter 'p' needs a default"):
        of(int)


@pytest.mark.parametrize(
    "hint", [inspect.Parameter.empty, dict, object, None, tuple[dict, ...], int | None, Literal[1, 2], Literal["a", 1]]
)
def test_a_parameter_of_no_type_that_a_spec_can_write_is_refused(hint):
    with pytest.raises(TypeError, match="parameter 'p' needs a type"):
        of(hint, 1)


@pytest.mark.parametrize(
    ("hint", "default"), [(int, 1.5), (int, "x"), (bool, 1), (Literal["a", "b"], "c"), (str, None)]
)
def test_a_default_that_is_not_of_the_parameters_type_is_refused(hint, default):
    with pytest.raises(TypeError, match=r"p=.* is not"):
        of(hint, default)

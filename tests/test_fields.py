"""The four kinds of field: which there are, and what a change of each does to a plan."""

from __future__ import annotations

import ast
import copy
import dataclasses
import importlib
import sys
import tomllib
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import BaseModel

from prunebench import codehash, plugins
from prunebench.engine.selection.scorer import Words
from prunebench.environment import Environment
from prunebench.errors import SuiteError
from prunebench.fields import Kind, kinds, select
from prunebench.harness.options import RunOptions
from prunebench.harness.run import plan_run
from prunebench.records.parts import Part
from prunebench.records.presentation import Column, Control, Curve, Presentation, Primary, Verdicts
from prunebench.records.schema import Row
from prunebench.records.suite import Grid, Scale, Suite
from prunebench.registry import CHECKS, METHODS, Entry
from prunebench.spec import Spec
from prunebench.tasks.recipes.base import Recipe

PACKAGE = codehash.PACKAGE
MUST_DECLARE = {
    Row, RunOptions, Environment, Suite, Presentation, Scale, Grid, Column, Primary, Words, Recipe, Verdicts, Control,
    Curve,
}  # fmt: skip

GRID = """
check = "collapse"
models = ["lenet-300-100"]
datasets = ["digits"]
methods = ["random", "snip", "snip(rounds=3)"]
densities = [0.5, 0.1]
"""
SCALE = f"""
about = "small"
seeds = 2
minutes = 1
timeout = "1m"
[[scale.SCALE.grid]]{GRID}"""
SUITE = tomllib.loads(
    f"""
name = "small"
version = 1
question = "Does it?"
context = []
[primary]
metric = "log_ratio_dead_layer"
tolerance = 0.01
[[column]]
header = "ratio"
metric = "log_ratio_dead_layer"
[scale.quick]{SCALE.replace("SCALE", "quick")}
[scale.standard]{SCALE.replace("SCALE", "standard")}
"""
)


def declaring():
    """Every class of the package that has a field with a kind, found in the source."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "Kind." not in text:
            continue
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                fields = [s for s in node.body if isinstance(s, ast.AnnAssign)]
                if any("Kind." in ast.unparse(field.annotation) for field in fields):
                    yield getattr(importlib.import_module(module), node.name)


def offspring(cls):
    for child in cls.__subclasses__():
        yield child
        yield from offspring(child)


def names(cls):
    return set(cls.model_fields) if issubclass(cls, BaseModel) else {f.name for f in dataclasses.fields(cls)}


@pytest.mark.parametrize("cls", sorted({*declaring(), *offspring(Part), *MUST_DECLARE}, key=lambda c: c.__name__))
def test_every_field_has_exactly_one_kind(cls):
    assert set(kinds(cls)) == names(cls)


def test_classes_that_must_declare_kinds_are_found_in_the_source():
    assert set(declaring()) >= MUST_DECLARE


def test_a_field_without_a_kind_or_with_two_is_refused_by_name():
    class Bare:
        ready: Annotated[int, Kind.ROW]
        forgotten: int = 0

    class Other:
        marked: Annotated[int, "not a kind"] = 0

    class Twice:
        torn: Annotated[Annotated[int, Kind.ROW], Kind.RUNTIME] = 0

    for cls, message in [
        (Bare, "Bare.forgotten has 0 kinds"), (Other, "Other.marked has 0 kinds"), (Twice, "Twice.torn has 2 kinds"),
    ]:  # fmt: skip
        with pytest.raises(TypeError, match=message):
            kinds(cls)


def test_inherited_fields_need_a_kind_and_class_variables_none():
    class Parent:
        a: Annotated[int, Kind.ROW] = 0
        known: ClassVar[int] = 3
        _private: int = 0

    class Child(Parent):
        b: Annotated[str | None, "text for people", Kind.RUNTIME] = None

    assert kinds(Child) == {"a": Kind.ROW, "b": Kind.RUNTIME}
    assert select(Child(), Kind.ROW) == {"a": 0}


def test_selecting_takes_the_fields_of_one_kind():
    options = RunOptions(threads=4, device="cpu", jobs=7)
    assert select(options, Kind.ENVIRONMENT) == {"device": "cpu", "threads": 4}
    assert select(options, Kind.RUNTIME)["jobs"] == 7


# What changes in a plan ----------------------------------------------------------------------------------------------


def planned(file=SUITE, /, **options):
    return plan_run([Suite.model_validate(file)], RunOptions(**{"device": "cpu", **options}))


def rows(plan):
    return {cell.row for cell in plan.cells}


def keys(plan):
    return {cell.row: (cell.node.key, cell.pick) for cell in plan.cells}


def assert_moves(kind, before, after, fewer_cells=False):
    """A plan after a change of a field of some kind, against the plan before."""
    assert rows(before)
    if kind is Kind.ROW:
        assert rows(after) != rows(before)
        assert after.environment == before.environment
    elif kind is Kind.ENVIRONMENT:
        assert after.environment.digest != before.environment.digest
        assert keys(after) == keys(before)
        assert after.run_id != before.run_id
    elif kind is Kind.RUNTIME:
        assert after.environment.digest == before.environment.digest
        if fewer_cells:
            assert rows(after) < rows(before)
            assert keys(after).items() <= keys(before).items()
        else:
            assert keys(after) == keys(before)
            assert after.run_id == before.run_id
    else:
        raise AssertionError(f"{kind} needs a test of its own")


OPTIONS = {
    "scale": "standard", "methods": ("magnitude",), "device": "cuda", "threads": 2, "seeds": 1, "jobs": 3,
    "executor": "inline", "timeout": "1h", "memory": "2G", "rerun": "all", "fail_fast": True,
    "store": Path("elsewhere"), "overrides": ("densities=[0.25]",), "cache_size": "1G",
    "report": Path("report"), "data": Path("data"), "download": True,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(names(RunOptions) - {"plugins"}))
def test_an_option_of_a_run_changes_what_its_kind_says(name):
    assert_moves(kinds(RunOptions)[name], planned(), planned(**{name: OPTIONS[name]}), fewer_cells=name == "seeds")


CHANGED_GRID = SUITE["scale"]["quick"]["grid"][0] | {"densities": [0.25]}
CHANGES = {
    Suite: {
        "name": "other", "version": 2, "question": "Why?", "context": ["rho_max_no_path"],
        "primary": {"metric": "kept", "tolerance": 1}, "column": [{"header": "h", "metric": "kept"}],
        "scale": {"quick": SUITE["scale"]["quick"] | {"grid": [CHANGED_GRID]}},
        "sections": ["leaderboard", "ratios"], "verdicts": {"metric": "test_loss", "margin": {"default": 1.0}},
        "control": [{"kind": "positive", "method": "random", "arm": "reinit"}], "tuned": True,
        "curve": {"metric": "test_accuracy", "compressions": [1.0, 9.0]},
        "association": {"x": ["kept"], "y": ["test_loss"]},
        "contrast": [{"name": "c", "a": "snip", "b": "random"}],
        "expectation": [{"methods": ["snip"], "units": "violated", "why": "other"}],
    },
    Scale: {"about": "other", "seeds": 1, "timeout": "2m", "minutes": 9, "grid": [CHANGED_GRID]},
    Grid: {
        "check": "other", "models": ["conv-4"], "datasets": ["mnist1d"], "methods": ["random"], "densities": [0.5],
        "arms": ["targets"], "seconds": 9, "recipes": ["small-sgd(lr=0.2)"], "always": True,
    },
    Primary: {"metric": "kept", "tolerance": 1, "density": 0.1},
    Column: {"header": "other", "metric": "kept", "density": 0.1, "show": "min", "label": "first_dead_layer"},
}  # fmt: skip
PLACES = {
    Suite: lambda data: data,
    Scale: lambda data: data["scale"]["quick"],
    Grid: lambda data: data["scale"]["quick"]["grid"][0],
    Primary: lambda data: data["primary"],
    Column: lambda data: data["column"][0],
}


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (cls, name)
        for cls in CHANGES
        for name in sorted(names(cls))
        if kinds(cls)[name] is not Kind.CONTENT and (cls, name) != (Grid, "families")
    ],
)
def test_a_field_of_a_suite_file_changes_what_its_kind_says(monkeypatch, cls, name):
    collapse = CHECKS.get("collapse")
    monkeypatch.setitem(CHECKS.entries, "other", Entry("check", "other", CHECKS.entry("collapse").target))
    monkeypatch.setitem(CHECKS._objects, "other", collapse)
    data = copy.deepcopy(SUITE)
    place = PLACES[cls](data)
    before = copy.deepcopy(SUITE)
    if name == "recipes":  # of a check that trains
        for suite in (before, data):
            PLACES[Grid](suite).update(check="tradeoff", recipes=["small-sgd"], methods=["magnitude"])
    place[name] = CHANGES[cls][name]
    if name == "label":
        del place["metric"]
    assert_moves(kinds(cls)[name], planned(before), planned(data), fewer_cells=name == "seeds")


def test_curves_of_a_grid_count_in_keys_and_name_no_row():
    data = copy.deepcopy(SUITE)
    grid = PLACES[Grid](data)
    grid |= {"check": "tradeoff", "recipes": ["small-sgd"], "methods": ["magnitude"], "densities": [0.5]}
    grid.pop("arms", None)
    before = planned(data)
    grid["curves"] = True
    after = planned(data)
    assert kinds(Grid)["curves"] is Kind.CONTENT
    assert rows(after) == rows(before)
    assert not set(keys(after).values()) & set(keys(before).values())


WORDS = {"rounds": 7, "schedule": "linear", "scope": "layer", "mode": "eval", "samples_per_class": 3, "batch_size": 5}


@pytest.mark.parametrize("name", sorted(names(Words)))
def test_the_engines_words_name_rows_and_count_in_keys(name):
    plan = planned(methods=("snip", str(Spec("snip", ((name, WORDS[name]),)))))
    first, *others = {row.method for row in rows(plan)}
    assert len(others) == 1
    assert kinds(Words)[name] is Kind.ROW
    found = keys(plan)
    for row in rows(plan):
        other = dataclasses.replace(row, method=next(m for m in (first, *others) if m != row.method))
        assert found[row] != found[other]


@pytest.fixture
def _nothing_stays(monkeypatch):
    monkeypatch.setattr(plugins, "_loaded", plugins._loaded.copy())
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    METHODS.entries.pop("fields-plugin", None)
    METHODS._objects.pop("fields-plugin", None)
    for name in ("fields_plugin", "fields_unused"):
        sys.modules.pop(f"prunebench_plugin_{name}", None)


@pytest.mark.usefixtures("_nothing_stays")
def test_a_plugins_code_counts_in_the_keys_of_its_method_and_names_no_row(tmp_path):
    text = 'import prunebench as pb\n@pb.scorer("fields-plugin")\ndef score(ctx):\n    return {}\n'
    path = tmp_path / "fields_plugin.py"
    path.write_text(text)
    options = {"plugins": (str(path),), "methods": ("fields-plugin", "random")}
    before = planned(**options)
    path.write_text(text.replace("{}", "None"))
    codehash.code_digest.cache_clear()
    codehash._read.cache_clear()
    after = planned(**options)
    assert kinds(RunOptions)["plugins"] is Kind.CONTENT
    assert rows(after) == rows(before)
    assert after.environment == before.environment
    changed = {row.method for row in rows(before) if keys(after)[row] != keys(before)[row]}
    assert changed == {"fields-plugin"}
    assert after.run_id != before.run_id


@pytest.mark.usefixtures("_nothing_stays")
def test_a_plugin_whose_methods_are_not_used_changes_nothing(tmp_path):
    path = tmp_path / "fields_unused.py"
    path.write_text("unused = 1\n")
    assert planned(plugins=(str(path),)).run_id == planned().run_id


def test_families_decide_which_cells_there_are_and_change_none():
    def trained(**changes):
        file = copy.deepcopy(SUITE)
        file["scale"]["quick"]["grid"] = [
            SUITE["scale"]["quick"]["grid"][0]
            | {"check": "sanity", "recipes": ["small-sgd"], "methods": methods, **more}
            for methods, more in ((["snip"], changes), (["lottery"], {}))
        ]
        return planned(file, methods=("snip", "lottery"))

    assert kinds(Grid)["families"] is Kind.RUNTIME
    both, one = trained(), trained(families=["initial"])
    assert_moves(Kind.RUNTIME, both, one)  # the second grid takes what the first leaves out
    file = copy.deepcopy(SUITE)
    file["scale"]["quick"]["grid"][0]["families"] = ["late"]
    with pytest.raises(SuiteError, match="knows no families"):
        planned(file)

"""Expectations of suite files: which of them fits a cell, and what is refused on loading."""

from __future__ import annotations

import pytest

from prunebench.errors import SuiteError
from prunebench.plugins import ready
from prunebench.records.expected import expectation_of, fits
from prunebench.records.presentation import Expectation, Presentation
from prunebench.records.schema import Row
from prunebench.records.suite import load_suite
from prunebench.registry import METHODS, MODELS
from prunebench.spec import Spec

ready()
SUITE = """
name = "small"
version = 1
question = "?"
sections = ["conservation", "drift"]
[primary]
metric = "square_slope"
tolerance = 0
[[column]]
header = "units"
metric = "square_slope"
[[expectation]]
{expectation}
[scale.quick]
about = "tiny"
seeds = 1
minutes = 1
[[scale.quick.grid]]
check = "conservation"
models = ["lenet-300-100"]
datasets = ["digits"]
methods = ["synflow"]
"""


def row(method="synflow", model="mlp", arm=None, recipe=None):
    return Row("small", 1, "conservation", "quick", model, "digits", recipe, method, None, arm, 0)


def expectation(**fields):
    return Expectation.model_validate({"why": "theorem 1", **fields})


@pytest.mark.parametrize(
    ("pattern", "spec", "fitting"),
    [
        ("snip", "snip", True),
        ("snip", "synflow", False),
        ("snip", "snip(rounds=100)", True),
        ("snip(mode=train)", "snip", True),  # by default
        ("snip(mode=eval)", "snip", False),
        ("snip(mode=eval)", "snip(mode=eval, signed=true)", True),
        ("snip(mode=eval, signed=true)", "snip(mode=eval)", False),
        ("snip(mode=[eval, train])", "snip(mode=eval)", True),
        ("snip(signed=[false], mode=[eval])", "snip", False),
        ("snip(rounds=[10, 100])", "snip(rounds=100)", True),
        ("snip(rounds=[10, 100])", "snip", False),
    ],
)
def test_a_spec_fits_a_pattern_that_gives_no_parameter_another_value(pattern, spec, fitting):
    assert fits(Spec.parse(pattern), Spec.parse(spec), METHODS) is fitting


def test_a_parameter_that_is_a_list_is_one_value():
    assert fits(Spec.parse("mlp(widths=[30, 20])"), Spec.parse("mlp(widths=[30, 20], repeat=1)"), MODELS)
    assert not fits(Spec.parse("mlp(widths=[30, 20])"), Spec.parse("mlp(widths=[30])"), MODELS)


def test_numbers_are_compared_as_their_types_have_them():
    assert fits(Spec.parse("lenet-300-100(width=1)"), Spec.parse("lenet-300-100"), MODELS)


def test_of_a_plug_in_that_is_not_loaded_given_parameters_count():
    assert fits(Spec.parse("mine(p=2)"), Spec.parse("mine(p=2, q=3)"), METHODS)
    assert fits(Spec.parse("mine(p=[1, 2])"), Spec.parse("mine(p=2)"), METHODS)
    assert not fits(Spec.parse("mine(p=2)"), Spec.parse("mine"), METHODS)


def test_the_first_that_fits_counts():
    known = [
        expectation(methods=["snip"], models=["mlp(bias=false)"], units="conserved"),
        expectation(methods=["snip", "magnitude"], units="violated"),
        expectation(units="zero"),
    ]

    def place(**cell):
        found = expectation_of(row(**cell), known)
        assert found is not None
        assert found[1] is known[found[0]]
        return found[0]

    assert place(method="snip", model="mlp(bias=false)") == 0
    assert place(method="snip") == 1
    assert place(method="magnitude", model="mlp(bias=false)") == 1
    assert place(method="synflow") == 2
    assert expectation_of(row(), known[:2]) is None


def test_arms_fit_by_their_parameters_and_cells_without_one_fit_no_arm():
    known = [expectation(arms=["rearrange"], units="zero")]
    assert expectation_of(row(arm="rearrange"), known) is not None
    assert expectation_of(row(arm="shuffle"), known) is None
    assert expectation_of(row(), known) is None


def test_drift_is_of_cells_with_a_recipe_and_the_laws_of_those_without():
    known = [expectation(units="conserved"), expectation(drift="towards")]
    assert expectation_of(row(), known)[0] == 0
    assert expectation_of(row(recipe="small-sgd"), known)[0] == 1


def test_expectations_are_stored_with_a_run_and_read_back(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SUITE.format(expectation='methods = ["synflow( rounds=1 )"]\nunits = "conserved"\nwhy = "x"'))
    found = load_suite(str(path))
    assert found.expectation[0].methods == ["synflow(rounds=1)"]
    assert Presentation.model_validate(found.presentation()).expectation == found.expectation


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ('methods = ["snop"]\nunits = "zero"\nwhy = "x"', "expectation.0.methods: unknown method 'snop'"),
        ('methods = ["snip(mod=eval)"]\nunits = "zero"\nwhy = "x"', "takes no parameter 'mod'"),
        ('methods = ["snip(mode=[eval, test])"]\nunits = "zero"\nwhy = "x"', "mode=test is not"),
        ('models = ["lenet"]\nunits = "zero"\nwhy = "x"', "expectation.0.models: unknown model 'lenet'"),
        ('arms = ["flew"]\nunits = "zero"\nwhy = "x"', "expectation.0.arms: unknown arm 'flew'"),
        ('methods = ["snip("]\nunits = "zero"\nwhy = "x"', "malformed spec"),
        ('methods = ["snip", "snip"]\nunits = "zero"\nwhy = "x"', "snip given twice"),
        ('units = "kept"\nwhy = "x"', "expectation.0.units: Input should be"),
        ('units = "zero"', "expectation.0.why: Field required"),
        ('methods = ["snip"]\nwhy = "x"', "says something of units, cuts or slope, or of drift"),
        ('units = "zero"\ndrift = "away"\nwhy = "x"', "make two expectations"),
        ('unit = "zero"\nwhy = "x"', "did you mean 'units'"),
        ('units = "zero"\nwhy = "a\\nb"', "why is one line"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, given, fault):
    path = tmp_path / "small.toml"
    path.write_text(SUITE.format(expectation=given))
    with pytest.raises(SuiteError) as caught:
        load_suite(str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert fault in message

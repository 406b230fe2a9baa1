"""Errors and what they suggest."""

from __future__ import annotations

import inspect
import pickle

import pytest

from prunebench import errors
from prunebench.errors import ExitCode, NothingToDoError, PrunebenchError, suggestion

FAMILY = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, PrunebenchError) and found.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", FAMILY)
def test_every_error_survives_the_way_between_processes(kind):
    error = kind("what, where, how to mend")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == "what, where, how to mend"


def test_errors_end_with_the_usage_code_unless_nothing_is_left_to_do():
    codes = {kind.__name__: kind.exit_code for kind in FAMILY}
    assert codes.pop("NothingToDoError") is ExitCode.NOTHING
    assert set(codes.values()) == {ExitCode.USAGE}
    assert NothingToDoError("no cell").exit_code == 4


def test_exit_codes_are_what_scripts_rely_on():
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0, "REGRESSION": 1, "USAGE": 2, "FAILED_CELLS": 3, "NOTHING": 4, "INTERNAL": 70, "INTERRUPTED": 130,
        "TERMINATED": 143,
    }  # fmt: skip


def test_validators_see_usage_errors_as_value_errors():
    assert issubclass(errors.SpecError, ValueError)
    assert issubclass(errors.UnknownNameError, errors.UsageError)
    assert not issubclass(errors.StoreError, ValueError)


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("synflw", ["snip", "synflow"], " (did you mean 'synflow'?)"),
        ("xyz", ["snip", "grasp"], " (known: grasp, snip)"),
        ("anything", [], ""),
    ],
)
def test_a_suggestion_is_the_nearest_name_or_all_names_or_nothing(name, known, text):
    assert suggestion(name, known) == text

"""`prunebench validate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prunebench import plugins
from prunebench.registry import METHODS

GOOD_AND_BAD = '''
"""A method that keeps its word, and one that does not."""
import prunebench as pb


@pb.scorer("honest")
def honest(ctx: pb.Scoring) -> pb.Scores:
    """|θ|."""
    return {name: w.abs() for name, w in ctx.weights.items()}


@pb.scorer("boastful", needs={"data", "labels"})
def boastful(ctx: pb.Scoring) -> pb.Scores:
    """|θ|, and a claim to look at data."""
    return {name: w.abs() for name, w in ctx.weights.items()}
'''


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "two.py"
    path.write_text(GOOD_AND_BAD)
    yield path
    plugins._loaded.discard(str(path))
    for name in [entry.name for entry in METHODS if entry.module == str(path)]:
        METHODS.entries.pop(name)
        METHODS._objects.pop(name)


def test_a_method_that_does_what_it_declares_ends_with_0(command, plugin):
    ended = command("validate", "honest", "--plugin", plugin)
    assert (ended.code, ended.err.splitlines()[-1].partition(",")[0]) == (0, "honest: no faults")
    assert "honest" in ended.out
    assert "findings" not in ended.out


def test_a_fault_ends_with_1_and_says_what_evidence_and_how_to_mend(command, plugin):
    ended = command("validate", "--plugin", plugin, "--skip", "worker", "--format", "json")
    assert ended.code == 1
    summary, findings = json.loads(ended.out)
    assert summary["rows"] == [
        {"method": "boastful", "faults": "3", "notes": "0"}, {"method": "honest", "faults": "0", "notes": "0"},
    ]  # fmt: skip
    assert [(row["method"], row["weight"], row["check"]) for row in findings["rows"]] == [
        ("boastful", "fault", "data"), ("boastful", "fault", "labels"), ("boastful", "fault", "mode"),
    ]  # fmt: skip
    assert findings["rows"][0]["finding"] == (
        "declares `data`, but the inputs change nothing: other inputs on 4 networks: equal masks"
    )
    assert findings["rows"][0]["mend"] == "look at the inputs, or do not declare `data`"


def test_only_the_checks_that_are_asked_for_run_and_the_table_explains_them(command, plugin):
    ended = command("validate", "boast*", "--plugin", plugin, "--check", "labels")
    assert ended.code == 1
    assert "labels: do the labels matter exactly if it declares `labels`?" in ended.out
    assert "mode" not in ended.out


def test_built_in_methods_are_chosen_by_specs_and_globs(command):
    ended = command("validate", "magn*", "magnitude(scope=layer)", "--check", "ties", "--format", "csv")
    assert ended.code == 0
    assert ended.out.splitlines() == ["method,faults,notes", "magnitude,0,0", "magnitude(scope=layer),0,0"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["magnitud"], 2, "did you mean 'magnitude'"),
        (["x*"], 4, "no method matches 'x*'"),
        ([], 2, "give methods, --plugin for those of a plug-in, or --all"),
        (["magnitude", "--all"], 2, "give methods or --all, not both"),
        (["magnitude", "--check", "dat"], 2, "unknown check 'dat' (did you mean 'data'?)"),
        (["--plugin", "nowhere.py"], 2, "is not found"),
    ],
)
def test_what_cannot_be_validated_is_refused_in_one_line(command, arguments, code, message):
    ended = command("validate", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_plug_in_without_methods_is_nothing_to_validate(command, tmp_path):
    path = Path(tmp_path / "empty.py")
    path.write_text("")
    ended = command("validate", "--plugin", path)
    assert ended.code == 4
    assert "registers no method" in ended.err

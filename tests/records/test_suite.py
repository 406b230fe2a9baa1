"""Suite files."""

from __future__ import annotations

import copy
import tomllib
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.environment import Environment
from prunebench.errors import PrunebenchError, SuiteError, UnknownNameError
from prunebench.harness.plan import make_plan
from prunebench.plugins import ready
from prunebench.records import suite as suites
from prunebench.records.metrics import METRICS
from prunebench.records.places import suite_folder
from prunebench.records.presentation import Presentation
from prunebench.records.suite import Suite, find_suite, load_suite
from prunebench.spec import Spec

GOOD = """
name = "small"
version = 1
question = "Does it?"
context = ["rho_max_no_path"]

[primary]
metric = "log_ratio_dead_layer"
tolerance = 0.01

[[column]]
header = "ratio"
metric = "log_ratio_dead_layer"

[[column]]
header = "first"
label = "first_dead_layer"
density = 0.1

[scale.quick]
about = "small"
seeds = 2
minutes = 1
timeout = "90s"

[[scale.quick.grid]]
check = "collapse"
models = ["lenet-300-100"]
datasets = ["digits"]
methods = ["random", "snip(rounds=100, mode=eval)"]
densities = [0.5, 1]
arms = ["trajectory"]
seconds = 2
"""
BUILT_IN = sorted(path.stem for path in suite_folder().glob("*.toml"))


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "mine.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def complaint(path):
    with pytest.raises(SuiteError) as caught:
        load_suite(str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path}: ")


def test_a_suite_file_is_read_with_specs_densities_and_defaults(write):
    suite = load_suite(str(write(GOOD)))
    grid = suite.at("quick").grid[0]
    assert (suite.name, suite.version, suite.at("quick").seeds) == ("small", 1, 2)
    assert grid.methods == [Spec("random"), Spec("snip", (("rounds", 100), ("mode", "eval")))]
    assert repr(grid.densities) == "[0.5, 1.0]"
    assert (suite.column[0].density, suite.column[1].density, suite.column[0].show) == (None, 0.1, "mean")
    bare = load_suite(str(write(GOOD.replace('arms = ["trajectory"]\nseconds = 2\n', "").replace("densities", "#"))))
    grid = bare.at("quick").grid[0]
    assert (grid.densities, grid.arms, grid.seconds) == ([], [], 1.0)


def test_densities_are_canonical(write):
    suite = load_suite(str(write(GOOD.replace("[0.5, 1]", "[0.050000000000000044]"))))
    assert suite.at("quick").grid[0].densities == [0.05]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_suite_validates_plans_at_every_scale_and_has_the_name_of_its_file(name):
    suite = load_suite(name)
    ready()
    assert suite.name == name
    assert suite.scale
    for scale in suite.scale:
        plan = make_plan([suite], scale, Environment(), seeds=1)
        assert len({cell.row for cell in plan.cells}) == len(plan.cells) > 0
        assert len(plan.nodes) <= plan.unshared()


def test_the_built_in_suites_are_found_by_name():
    assert "collapse" in BUILT_IN
    assert find_suite("collapse") == suite_folder() / "collapse.toml"
    with pytest.raises(UnknownNameError, match=r"^unknown suite 'colapse' \(did you mean 'collapse'\?\)$"):
        load_suite("colapse")


@pytest.mark.parametrize("name", ["missing.toml", "folder.toml"])
def test_a_suite_file_that_is_not_there_says_so(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("folder.toml").mkdir()
    with pytest.raises(UnknownNameError, match=f"^no suite file {name}$"):
        load_suite(name)


def test_a_scale_that_a_suite_does_not_have_suggests_those_that_it_has(write):
    suite = load_suite(str(write(GOOD)))
    with pytest.raises(UnknownNameError, match=r"^suite 'small' has no scale 'quik' \(did you mean 'quick'\?\)$"):
        suite.at("quik")
    with pytest.raises(UnknownNameError, match=r"has no scale 'paper' \(known: quick\)$"):
        suite.at("paper")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "small"', "name = ", "Invalid value (at line 2, column 8)"),
        ("[primary]", "[primary", "line 7"),
        ("version = 1", "version = 1\nversion = 2", "Cannot overwrite a value (at line 4, column 12)"),
        ("version = 1\n", "", "version: Field required"),
        ("seeds = 2\n", "", "scale.quick.seeds: Field required"),
        ('check = "collapse"\n', "", "scale.quick.grid.0.check: Field required"),
        ("tolerance = 0.01\n", "", "primary.tolerance: Field required"),
        ("version = 1", "versoin = 1\nversion = 1", "versoin: unknown key (did you mean 'version'?)"),
        ("version = 1", "version = 1\ngrid = 1", "grid: unknown key (known: "),
        ("tolerance = 0.01", "tolerance = 0.01\nmetrik = 1", "primary.metrik: unknown key (did you mean 'metric'?)"),
        ('header = "ratio"', 'header = "ratio"\nlabl = "x"', "column.0.labl: unknown key (did you mean 'label'?)"),
        ("seeds = 2", "seeds = 2\nminuts = 1", "scale.quick.minuts: unknown key (did you mean 'minutes'?)"),
        ("arms =", "arm =", "scale.quick.grid.0.arm: unknown key (did you mean 'arms'?)"),
        ("version = 1", 'version = 1\n"a\\nb" = 1', "a b: unknown key"),
        ("version = 1", 'version = "one"', "version: Input should be a valid integer"),
        ("version = 1", "version = true", "version: Input should be a valid integer"),
        ("seeds = 2", 'seeds = "3"', "scale.quick.seeds: Input should be a valid integer"),
        ("minutes = 1", 'minutes = "1"', "scale.quick.minutes: Input should be a valid number"),
        ("version = 1", "version = 0", "version: Input should be greater than or equal to 1"),
        ("seeds = 2", "seeds = 0", "scale.quick.seeds: Input should be greater than or equal to 1"),
        ("seeds = 2", "seeds = 1.5", "scale.quick.seeds: Input should be a valid integer"),
        ("minutes = 1", "minutes = 0", "scale.quick.minutes: Input should be greater than 0"),
        ("tolerance = 0.01", "tolerance = -1", "primary.tolerance: Input should be greater than or equal to 0"),
        ("seconds = 2", "seconds = 0", "scale.quick.grid.0.seconds: Input should be greater than 0"),
        ('name = "small"', 'name = "Small Suite"', "name: String should match pattern"),
        ('question = "Does it?"', 'question = ""', "question: String should have at least 1 character"),
        ('["lenet-300-100"]', '"lenet-300-100"', "scale.quick.grid.0.models: Input should be a valid list"),
        ('["lenet-300-100"]', "[3]", "scale.quick.grid.0.models.0: 3 is no spec: write it as a string"),
        ('["lenet-300-100"]', "[]", "scale.quick.grid.0.models: List should have at least 1 item"),
        ('["digits"]', "[]", "scale.quick.grid.0.datasets: List should have at least 1 item"),
        ('["random", "snip(rounds=100, mode=eval)"]', "[]", "grid.0.methods: List should have at least 1 item"),
        ('"random", "snip', '"random(", "snip', "scale.quick.grid.0.methods.0: malformed spec 'random('"),
        ("mode=eval)", "rounds=2)", "grid.0.methods.1: malformed spec 'snip(rounds=100, rounds=2)': 'rounds' is given"),
        ('"random", "snip', '"random", "random()", "snip', "scale.quick.grid.0.methods: random given twice"),
        ('["lenet-300-100"]', '["conv-4", "conv-4"]', "scale.quick.grid.0.models: conv-4 given twice"),
        ('["trajectory"]', '["trajectory", "trajectory"]', "scale.quick.grid.0.arms: trajectory given twice"),
        ("[0.5, 1]", "[0.5, 1.5]", "scale.quick.grid.0.densities.1: density 1.5 is outside (0, 1]"),
        ("[0.5, 1]", "[0]", "scale.quick.grid.0.densities.0: density 0.0 is outside (0, 1]"),
        ("[0.5, 1]", "[nan]", "scale.quick.grid.0.densities.0: density nan is outside (0, 1]"),
        ("[0.5, 1]", f"[1{'0' * 400}]", "scale.quick.grid.0.densities.0: density inf is outside (0, 1]"),
        ("[0.5, 1]", '["0.5"]', "scale.quick.grid.0.densities.0: '0.5' is no number"),
        ("[0.5, 1]", "[true]", "scale.quick.grid.0.densities.0: True is no number"),
        ("[0.5, 1]", "[0.05, 0.050000000000000044]", "scale.quick.grid.0.densities: 0.05 given twice"),
        ("density = 0.1", "density = 2", "column.1.density: density 2.0 is outside (0, 1]"),
        (
            'metric = "log_ratio_dead_layer"\ntolerance', 'metric = "log_ratio_dead"\ntolerance',
            "primary.metric: unknown metric 'log_ratio_dead' (did you mean 'log_ratio_dead_layer'?)",
        ),
        (
            "tolerance = 0.01", 'tolerance = 0.01\n[curve]\nmetric = "test_loss"\ncompressions = [1, 8]',
            "curve: 'test_loss' is no accuracy in %",
        ),
        (
            "tolerance = 0.01", 'tolerance = 0.01\n[curve]\nmetric = "test_accuracy"\ncompressions = [8, 8]',
            "curve: compressions must ascend",
        ),
        (
            "tolerance = 0.01",
            'tolerance = 0.01\n[verdicts]\nmetric = "test_loss"\nmargin = {default = 1.0}\nmargins = 2',
            "verdicts.margins: unknown key (did you mean 'margin'?)",
        ),
        (
            "tolerance = 0.01", 'tolerance = 0.01\n[verdicts]\nmetric = "test_loss"\nmargin = {digits = 1.0}',
            "verdicts: margin needs a value for `default`",
        ),
        ("context =", 'sections = ["verdicts"]\ncontext =', "section 'verdicts' needs [verdicts]"),
        ("context =", 'sections = ["ranks"]\ncontext =', "section 'ranks' needs [curve]"),
        ('["trajectory"]', '["trajectory"]\nfamilies = ["early"]', "families.0: Input should be 'initial', 'lottery'"),
        ('["rho_max_no_path"]', '["rho_max"]', "context.0: unknown metric 'rho_max' (did you mean 'rho_max_no_path'?)"),
        ('header = "ratio"\nmetric =', 'header = "ratio"\nshow = "sum"\nmetric =', "column.0.show: Input should be"),
        ('label = "first_dead_layer"', "", "column.1: a column needs either a metric or a label"),
        ('label = "first_dead_layer"', 'label = "x"\nmetric = "kept"', "column.1: a column needs either a metric or"),
        ('"90s"', '"90"', "scale.quick.timeout: duration '90' needs a positive number with a unit"),
        ('"90s"', "90", "scale.quick.timeout: Input should be a valid string"),
        ("scale.quick", "scale.tiny", "scale.tiny.[key]: Input should be 'quick', 'standard' or 'paper'"),
        ('[[scale.quick.grid]]\ncheck = "collapse"', "[nothing]", "scale.quick.grid: Field required (and"),
        ("version = 1\nquestion", "versio = 1\nquestion", "version: Field required (and 1 more)"),
    ],
)  # fmt: skip
def test_a_fault_in_a_suite_file_is_one_line_naming_file_and_place(write, old, new, message):
    assert old in GOOD
    assert message in complaint(write(GOOD.replace(old, new)))


def test_a_suite_file_that_is_no_text_is_refused(write):
    assert "can't decode byte 0xff" in complaint(write(b"name = '\xff'"))


def test_an_empty_suite_file_is_refused(write):
    assert complaint(write("")).startswith("primary: Field required (and ")


def test_equal_specs_written_in_two_ways_are_given_twice(write):
    text = GOOD.replace(
        '"random", "snip(rounds=100, mode=eval)"', '"snip(rounds=2, mode=eval)", "snip:mode=eval,rounds=2"'
    )
    assert "methods: snip(mode=eval, rounds=2) given twice" in complaint(write(text))


PLACES = [
    ("name",), ("version",), ("question",), ("context",), ("context", 0), ("primary",), ("primary", "metric"),
    ("primary", "tolerance"), ("column",), ("column", 0), ("column", 0, "header"), ("column", 1, "label"),
    ("column", 1, "density"), ("scale",), ("scale", "quick"), ("scale", "quick", "seeds"), ("scale", "quick", "grid"),
    ("scale", "quick", "timeout"), ("scale", "quick", "minutes"), ("scale", "quick", "grid", 0),
    ("scale", "quick", "grid", 0, "models"), ("scale", "quick", "grid", 0, "models", 0),
    ("scale", "quick", "grid", 0, "methods", 1), ("scale", "quick", "grid", 0, "densities"),
    ("scale", "quick", "grid", 0, "densities", 0), ("scale", "quick", "grid", 0, "arms"),
    ("scale", "quick", "grid", 0, "seconds"),
]  # fmt: skip
VALUES = st.recursive(
    st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=6) | st.just(date(2026, 1, 1)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(PLACES), VALUES)
@settings(deadline=None, max_examples=200)
def test_whatever_stands_in_a_suite_file_it_is_read_or_refused_in_one_line(place, value):
    data = copy.deepcopy(tomllib.loads(GOOD))
    inner = data
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    message = "read"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suites, "tomllib", SimpleNamespace(loads=lambda _: data, TOMLDecodeError=tomllib.TOMLDecodeError))
        try:
            load_suite("collapse")
        except PrunebenchError as error:
            message = str(error)
    assert len(message.splitlines()) == 1


def test_how_results_are_shown_comes_back_from_its_json_form(write):
    suite = load_suite(str(write(GOOD)))
    shown = Presentation.model_validate(suite.presentation())
    assert (shown.primary, shown.context, shown.column) == (suite.primary, suite.context, suite.column)


def test_suites_are_values(write):
    suite = load_suite(str(write(GOOD)))
    assert suite == Suite.model_validate(tomllib.loads(GOOD))
    with pytest.raises(ValueError, match="frozen"):
        suite.name = "other"


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_metric_says_what_it_is_and_which_way_is_better(metric):
    assert METRICS[metric.name] is metric
    assert metric.direction in {"higher", "lower", "none"}
    assert metric.definition
    assert metric.version >= 1

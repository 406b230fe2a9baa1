"""What a suite file says of configurations and contrasts."""

from __future__ import annotations

import tomllib

import pytest

from prunebench.errors import SuiteError
from prunebench.records.facets import compared, is_control
from prunebench.records.presentation import Contrast, Presentation
from prunebench.records.suite import Suite, load_suite

GOOD = """
name = "small"
version = 1
question = "Does it?"
sections = ["configurations", "associations", "contrasts", "turning"]

[primary]
metric = "test_accuracy"
tolerance = 1.0

[[column]]
header = "accuracy"
metric = "test_accuracy"

[verdicts]
metric = "test_accuracy"
margin = { default = 1.0 }

[association]
x = ["before_accuracy", "trainings"]
y = ["test_loss", "train_loss"]
exclude = ["control", "dense", "targeted(events=1, start=0)"]

[[contrast]]
name = "large − small"
a = "targeted(target=[random, large])"
b = "targeted(target=small)"

[[contrast]]
name = "E[BN] − l2"
a = "targeted-filters(importance=ebn)"
b = "targeted-filters(importance=l2)"
metrics = ["test_accuracy", "test_loss"]

[scale.quick]
about = "small"
seeds = 2
minutes = 1

[[scale.quick.grid]]
check = "tradeoff"
models = ["mlp"]
datasets = ["digits"]
recipes = ["small-sgd"]
methods = ["targeted"]
densities = [0.5]
"""


@pytest.fixture
def load(tmp_path):
    def loaded(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return load_suite(str(path))

    return loaded


def test_a_suite_file_says_what_goes_together_and_what_is_compared(load):
    suite = load(GOOD)
    assert suite.association.x == ["before_accuracy", "trainings"]
    assert suite.association.exclude[2] == "targeted(events=1, start=0)"
    assert [(one.name, one.metrics) for one in suite.contrast] == [
        ("large − small", []), ("E[BN] − l2", ["test_accuracy", "test_loss"])
    ]  # fmt: skip
    shown = Presentation.model_validate(suite.presentation())
    assert (shown.association, shown.contrast) == (suite.association, suite.contrast)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('x = ["before_accuracy", "trainings"]', "x = []", "association.x: List should have at least 1 item"),
        ('"before_accuracy", "trainings"', '"before_acuracy"', "association.x.0: unknown metric 'before_acuracy'"),
        ('"before_accuracy", "trainings"', '"trainings", "trainings"', "association.x: trainings given twice"),
        ('"before_accuracy", "trainings"', '"test_loss"', "association: test_loss in both x and y"),
        ('y = ["test_loss"', 'yy = 1\ny = ["test_loss"', "association.yy: unknown key (did you mean 'y'?)"),
        ('"dense", ', '"desne", ', "association.exclude.1: 'desne' is no method and no trait of any (did you"),
        ("events=1, start=0", "event=1", "association.exclude.2: method 'targeted' takes no parameter 'event'"),
        ("events=1, start=0", "events=1, events=0", "association.exclude.2: malformed spec"),
        ("target=small", "target=tiny", "contrast.0.b: method 'targeted'"),
        ("target=small", "target=[small, large]", "contrast.0.b: targeted(target=[small, large]) has a list"),
        ("[random, large]", "[random, huge]", "contrast.0.a: method 'targeted'"),
        ("importance=ebn", "importance=l2", "contrast.1: a and b are the same"),
        ("targeted-filters(importance=ebn)", "targetd", "contrast.1.a: unknown method 'targetd' (did you mean"),
        ('metrics = ["test_accuracy"', 'metrics = ["tset_loss"', "contrast.1.metrics.0: unknown metric 'tset_loss'"),
        ('metrics = ["test_accuracy"', 'metric = ["test_loss"', "contrast.1.metric: unknown key (did you mean"),
        ('b = "targeted(target=small)"', "", "contrast.0.b: Field required"),
        ('"E[BN] − l2"', '"large − small"', "two contrasts are called large − small"),
        ("[verdicts]", "[nothing]", "unknown key"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_naming_file_and_place(load, old, new, message):
    assert old in GOOD
    with pytest.raises(SuiteError) as caught:
        load(GOOD.replace(old, new))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("section", "left_out", "needed"),
    [
        ("configurations", "association", "[association]"),
        ("associations", "association", "[association]"),
        ("contrasts", "verdicts", "[verdicts]"),
        ("turning", "verdicts", "[verdicts]"),
        ("contrasts", "contrast", "a [[contrast]]"),
        ("turning", "contrast", "a [[contrast]]"),
    ],
)
def test_a_section_needs_what_it_shows(section, left_out, needed):
    plain = tomllib.loads(GOOD)
    del plain[left_out]
    plain["sections"] = [section]
    with pytest.raises(ValueError, match="section") as caught:
        Suite.model_validate(plain)
    assert f"section '{section}' needs {needed}" in str(caught.value)


def test_controls_are_methods_of_those_traits_names_and_specs():
    exclude = ["control", "dense", "targeted(events=1, start=0)"]
    found = {
        method: is_control(method, exclude)
        for method in (
            "noise", "noise-filters(kind=gaussian)", "dense", "targeted", "targeted(events=1, start=0)",
            "targeted(events=1, start=0, target=large)", "targeted(events=1)", "dsd", "my-own(kind=new)", "no spec (",
        )
    }  # fmt: skip
    assert [method for method, control in found.items() if control] == [
        "noise", "noise-filters(kind=gaussian)", "dense", "targeted(events=1, start=0)",
        "targeted(events=1, start=0, target=large)",
    ]  # fmt: skip
    assert is_control("no spec (", ["no spec ("])
    assert is_control("targeted(target=small)", ["targeted"])


def contrast(a, b):
    return Contrast(name="c", a=a, b=b)


def test_parameters_that_a_does_not_name_are_carried_over():
    methods = ["targeted", "targeted(events=8)", "targeted(target=large)", "targeted(events=8, target=large)",
               "targeted(events=2, target=large)", "targeted(target=random)"]  # fmt: skip
    asked = contrast("targeted(target=[large, random])", "targeted(target=small)")
    assert compared(methods, asked) == [
        ("targeted(target=large)", "targeted"), ("targeted(events=8, target=large)", "targeted(events=8)"),
        ("targeted(target=random)", "targeted"),
    ]  # fmt: skip


def test_another_method_takes_what_it_has_and_its_defaults_elsewhere():
    asked = contrast("targeted-filters", "noise-filters(batches=10)")
    a = "targeted-filters(events=2, importance=ebn)"
    assert compared([a, "noise-filters(batches=10, events=2, importance=ebn)"], asked) == [
        (a, "noise-filters(batches=10, events=2, importance=ebn)")
    ]
    assert compared([a, "noise-filters(batches=10, events=2)"], asked) == []
    assert compared([a, "noise-filters(batches=10, events=2, importance=ebn, kind=gaussian)"], asked) == []
    assert compared([a, "noise-filters(events=2)"], contrast("targeted-filters(importance=ebn)", "noise-filters")) == [
        (a, "noise-filters(events=2)")
    ]
    unstructured = contrast("targeted-filters", "targeted")
    assert compared([a, "targeted(events=2)"], unstructured) == [(a, "targeted(events=2)")]


def test_b_may_be_one_of_other_methods_and_a_may_not():
    asked = contrast("targeted", "dense")
    assert compared(["targeted"], asked, ["dense"]) == [("targeted", "dense")]
    assert compared(["dense"], asked, ["targeted"]) == []


def test_nothing_is_compared_with_itself():
    assert compared(["targeted"], contrast("targeted", "targeted(target=small)")) == []


def test_methods_of_no_registry_are_compared_by_what_they_give():
    asked = contrast("own(kind=new)", "own(kind=old)")
    assert compared(["own(kind=new, n=2)", "own(kind=old)", "own(kind=old, n=2)", "what ("], asked) == [
        ("own(kind=new, n=2)", "own(kind=old, n=2)")
    ]

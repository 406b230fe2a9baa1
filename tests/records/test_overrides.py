"""What `--set` changes, and that nothing joins it with the suite as it stands."""

from __future__ import annotations

import pytest

from prunebench.environment import Environment
from prunebench.errors import UsageError
from prunebench.harness.plan import make_plan
from prunebench.plugins import ready
from prunebench.records.overrides import changed, comparable
from prunebench.records.suite import load_suite
from prunebench.spec import Spec


@pytest.fixture
def suite(tiny):
    ready()
    return load_suite(str(tiny))


def rows(suite, *overrides, **options):
    return {c.row for c in make_plan([suite], "quick", Environment(), overrides=overrides, **options).cells}


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("densities=[0.1, 1]", "densities", [0.1, 1.0]),
        ('datasets=["mnist1d"]', "datasets", [Spec("mnist1d")]),
        ("datasets=[mnist1d]", "datasets", [Spec("mnist1d")]),
        ("models = [lenet-300-100(width=0.1, init=he), conv-4]", "models",
         [Spec("lenet-300-100", (("width", 0.1), ("init", "he"))), Spec("conv-4")]),
        ("arms=[targets]", "arms", ["targets"]),
    ],
)  # fmt: skip
def test_a_field_of_every_grid_is_changed_and_words_need_no_quotes(suite, text, name, value):
    new, _ = changed(suite, "quick", [text])
    assert [getattr(grid, name) for grid in new.at("quick").grid] == [value]
    assert new.at("quick").seeds == suite.at("quick").seeds
    assert getattr(suite.at("quick").grid[0], name) != value, "the suite itself stays"


def test_cells_of_a_changed_scale_are_no_cells_of_the_suite(suite):
    changed_rows = rows(suite, "densities=[0.5]")
    assert not changed_rows & rows(suite)
    assert {row.scale for row in changed_rows} == {"quick + densities=[0.5]"}
    assert not any(comparable(row.scale) for row in changed_rows)
    assert all(comparable(row.scale) for row in rows(suite))
    plans = [make_plan([suite], "quick", Environment(), overrides=o) for o in ((), ("densities=[0.5]",))]
    assert plans[0].run_id != plans[1].run_id


def test_what_changes_no_result_marks_nothing(suite):
    assert rows(suite, "seeds=1") == rows(suite, seeds=1)
    assert rows(suite, "timeout=5m", "seconds=3") == rows(suite)
    assert changed(suite, "quick", ["timeout=5m"])[0].at("quick").timeout == "5m"


def test_the_name_of_a_changed_scale_does_not_depend_on_the_order(suite):
    one, other = ["densities=[0.5]", "datasets=[mnist1d]"], ['datasets = ["mnist1d"]', "densities=[5e-1]"]
    assert changed(suite, "quick", one)[1] == changed(suite, "quick", other)[1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["densities"], "'densities' is not KEY=VALUE"),
        (["=1"], "'=1' is not KEY=VALUE"),
        (["densites=[1]"], "densites: unknown key (did you mean 'densities'?)"),
        (["grid=[]"], "grid: unknown key"),
        (["densities=[0.1]", "densities=[0.2]"], "densities is given twice"),
        (["densities=0.1"], "densities needs a list, such as densities=[0.1]"),
        (["models=resnet-20"], "models needs a list, such as models=[resnet-20]"),
        (["densities=[2]"], "densities.0: density 2.0 is outside (0, 1]"),
        (["models=[]"], "models: List should have at least 1 item"),
        (['seeds="3"'], "seeds: Input should be a valid integer"),
        (["seeds=0"], "seeds: Input should be greater than or equal to 1"),
        (["timeout=5"], "timeout: Input should be a valid string"),
        (["models=[lenet(]"], "malformed spec"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(suite, overrides, message):
    with pytest.raises(UsageError) as caught:
        changed(suite, "quick", overrides)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1

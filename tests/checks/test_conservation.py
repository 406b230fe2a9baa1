"""The check behind the conservation suite, through the public face."""

from __future__ import annotations

import pytest

import prunebench as pb
from prunebench.analysis.results import load_results
from prunebench.errors import PrunebenchError

SUITE = """
name = "small"
version = 1
question = "?"
[primary]
metric = "unit_residual"
tolerance = 0.1
[[column]]
header = "units"
metric = "unit_residual"
[scale.quick]
about = "tiny"
seeds = 1
minutes = 1
[[scale.quick.grid]]
check = "{check}"
models = ["{model}"]
datasets = ["digits"]
methods = {methods}
arms = {arms}
{more}
"""

PLUGIN = '''
import prunebench as pb


@pb.scorer("squared-output", needs={"data", "gradients"})
def squared_output(ctx: pb.Scoring) -> pb.Scores:
    """θ ⊙ ∂R/∂θ of the sum of squared logits."""
    parts = [ctx.gradients(ctx.model(x).square().sum()) for x, _ in ctx.batches()]
    return {name: w * sum(part[name] for part in parts) for name, w in ctx.weights.items()}
'''


@pytest.fixture
def suite(tmp_path):
    def write(methods, arms=(), more="", check="conservation", model="crossing(width=0.375,depth=1,bias=true)"):
        path = tmp_path / "small.toml"
        text = SUITE.format(methods=list(methods), arms=list(arms), more=more, check=check, model=model)
        path.write_text(text.replace("'", '"'))
        return str(path)

    return write


@pytest.fixture
def run(tmp_path):
    def call(path, **options):
        return pb.run(path, store=tmp_path / "store", executor="inline", **options)

    return call


def test_every_arm_is_a_cell_without_a_density(suite, run):
    arms = ["flow", "flow(count=all)", "flow(precision=double)", "flow(sign=absolute,precision=single)"]
    found = run(suite(["synflow", "erk"], arms)).records
    assert [(r.row.method, r.row.arm, r.row.density, r.status) for r in found] == [
        (method, arm, None, status)
        for method, status in (("synflow", "ok"), ("erk", "skipped"))
        for arm in ("flow", "flow(count=all)", "flow(precision=single, sign=absolute)")
    ]  # fmt: skip
    plain, whole = (r.metrics["unit_residual"] for r in found[:2])
    assert whole < 1e-9 < 1e-3 < plain


def test_the_arm_is_flow_unless_said_otherwise(suite, run):
    (found,) = run(suite(["magnitude"])).records
    assert found.row.arm == "flow"


def test_grasp_differs_from_a_flow_by_the_norms_of_gradients(suite, run):
    arms = ["flow(count=all)", "flow(count=all,against=gradient-norms)"]
    plain, against = run(suite(["grasp(mode=eval)"], arms)).records
    assert against.metrics["unit_residual"] < 1e-9 < 1e-2 < plain.metrics["unit_residual"]


@pytest.mark.parametrize(
    ("methods", "arms", "more", "message"),
    [
        (["magnitude"], [], "densities = [0.5]", "without a recipe it has no densities"),
        (["magnitude"], [], 'families = ["initial"]', "without a recipe it trains no ticket"),
        (["magnitude"], ["rearrange"], "", "arm 'rearrange' changes a ticket"),
        (["magnitude"], ["flow(count=most)"], "", "count=most is not 'weights' or 'all'"),
        (["magnitude"], ["flow(against=gradient-norms)"], "", "needs a method that takes gradients of a loss on data"),
        (["grasp"], ["flow(against=gradient-norms,sign=absolute)"], "", "is of signed scores"),
    ],
)
def test_what_the_check_does_not_know_is_refused_in_one_line(suite, run, methods, arms, more, message):
    with pytest.raises(PrunebenchError, match=message) as error:
        run(suite(methods, arms, more))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("check", ["sanity", "tradeoff"])
def test_checks_of_tickets_refuse_the_arm(suite, run, check):
    more = 'recipes = ["small-sgd(epochs=1)"]\ndensities = [0.5]'
    with pytest.raises(PrunebenchError, match="arm 'flow' measures a method without a ticket"):
        run(suite(["magnitude"], ["flow"], more, check=check))


def test_a_plug_in_is_measured_without_a_line_of_its_own(suite, command, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    path = suite(["squared-output"], ["flow", "flow(count=all)"])
    ended = command("run", path, "--executor", "inline", "--plugin", str(plugin), "--format", "json")
    assert ended.code == 0, ended.err
    (folder,) = (tmp_path / ".prunebench" / "runs").iterdir()
    plain, whole = load_results(folder).records
    assert whole.metrics["unit_residual"] < 1e-9 < 1e-3 < plain.metrics["unit_residual"]
    assert whole.metrics["cut_residual"] < 1e-9


GRID = """
[[scale.quick.grid]]
check = "conservation"
models = ["mlp(widths=[4])"]
datasets = ["digits"]
recipes = ["small-sgd(epochs=1)"]
methods = ["dense"]
densities = [0.5]
"""


def test_a_method_that_trains_has_cells_where_networks_are_trained_and_no_others(suite, command):
    path = suite(["magnitude"], ["flow"], more=GRID)
    for chosen, cells in (((), 2), (("-m", "imp"), 1), (("-m", "imp", "-m", "snip"), 3)):
        ended = command("run", path, *chosen, "-n")
        assert ended.code == 0, ended.err
        assert f"cells      {cells}\n" in ended.out
    alone = command("run", suite(["magnitude"], ["flow"]), "-m", "imp", "-n")
    assert alone.code == 2
    assert "method imp trains, and the grid of check 'conservation' in suite 'small' has no recipes" in alone.err

"""The whole report of a run of `sanity`, whatever became of its cells."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.analysis.boards.sections import SECTIONS, sections
from prunebench.analysis.results import Results
from prunebench.analysis.tables import render
from tests.analysis.boards.sanity_records import NEGATIVE, POSITIVE, Made, presentation, row

PARTS = ("controls", "verdicts", "factors", "conditions", "ratios", "overlap")
GRID = {
    "random": ("rearrange",),
    "lottery(rewind=0.1)": ("reinit", "random-labels", "random-labels(part=mask)", "random-labels(part=weights)"),
    "my:own": ("reinit", "of-a-plug-in(odd=\"|*\")"),
    "smart-ratio": (),
    "small-dense": (),
}  # fmt: skip
RECIPES = ("small-sgd", "small-sgd(lr=0.01)")
CELLS = [
    row(method, arm, n, recipe=recipe, density=density)
    for recipe in RECIPES
    for n in range(3)
    for method, arm, density in [
        ("dense", None, None), *((m, a, 0.1) for m, arms in GRID.items() for a in (None, *arms))
    ]
]  # fmt: skip
OUTCOMES = ("ok", "ok", "ok", "failed", "skipped", "collapsed", "identical", "missing")


def run(folder, outcomes):
    made = Made(folder)
    for i, (own, outcome) in enumerate(zip(CELLS, outcomes, strict=True)):
        value = 50 + (own.method != "random") * (9 - 5 * (own.arm is not None)) + (i * 37 % 11) / 10
        if outcome == "missing":
            made.plan(own)
        elif outcome in {"failed", "skipped"}:
            made.add(own, status=outcome, reason="impossible" if outcome == "skipped" else "")
        else:
            series = {"layer": ["a", "b", "c", "d"], "size_by_layer": [10] * 4, "kept_by_layer": [10] * 4}
            if own.density is not None:
                series["kept_by_layer"] = [i % 10, 3, 2, 1]
            same = {"mask": "identical", "ticket": "identical"} if outcome == "identical" and own.arm else {}
            overlaps = (
                {"overlap": 0.5, "overlap_chance": 0.1}
                if own.arm
                else {"overlap_seeds": 0.2, "overlap_chance": float(own.density is None)}
            )
            made.add(
                own, value, labels=same, series=series, has_path=float(outcome != "collapsed"),
                validation_accuracy=value, **overlaps,
            )  # fmt: skip
    shown = presentation(sections=PARTS, control=(POSITIVE, NEGATIVE)).model_dump(mode="json")
    found = made.results()
    plan = {**found.plan, "suites": [{"name": "sanity", "presentation": shown}]}
    return Results(folder, plan, found.records)


@pytest.mark.parametrize("outcome", sorted(set(OUTCOMES)))
def test_a_run_whose_cells_all_end_the_same_way_is_reported(tmp_path, outcome):
    tables = sections(run(tmp_path, [outcome] * len(CELLS)))
    assert tables[0].caption.startswith("controls" if outcome == "ok" else ("NO CONTROL", "CONTROLS FAILED"))


@settings(deadline=None, max_examples=10)
@given(st.lists(st.sampled_from(OUTCOMES), min_size=len(CELLS), max_size=len(CELLS)))
def test_whatever_becomes_of_cells_every_format_shows_it_the_same_way_twice(outcomes):
    with tempfile.TemporaryDirectory() as folder:
        results = run(Path(folder), outcomes)
        tables = sections(results)
        assert tables == sections(results)
        for table in tables:
            assert all(len(line) == len(table.headers) == len(table.numeric) for line in table.rows)
            assert len({line[0] for line in table.rows}) == len(table.rows) or "control" in table.headers
        assert max(map(len, render(tables, "table", 100).splitlines())) <= 100
        assert len(json.loads(render(tables, "json"))) == len(tables)
        assert render(tables, "md")
        assert render(tables, "csv")


def test_a_word_of_the_legend_has_one_meaning_in_the_whole_report(tmp_path):
    meanings = {}
    for table in sections(run(tmp_path, ["ok"] * len(CELLS))):
        for word, meaning in table.legend:
            assert meanings.setdefault(word, meaning) == meaning
    assert {"comparison", "control", "condition", "masks of", "keep ratio", "altered by"} <= meanings.keys()


def test_every_part_of_the_report_has_a_table(tmp_path):
    results = run(tmp_path, ["ok"] * len(CELLS))
    shown = presentation(sections=PARTS, control=(POSITIVE, NEGATIVE))
    counts = {name: len(SECTIONS[name]("sanity", shown, results)) for name in PARTS}
    # Two recipes; one family of controls; conditions of two methods with a re-initialised arm.
    assert counts == {"controls": 1, "verdicts": 2, "factors": 2, "conditions": 2, "ratios": 2, "overlap": 2}
    assert all(not SECTIONS[name]("another", shown, results) for name in PARTS)

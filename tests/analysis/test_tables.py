"""Tables on a terminal, in Markdown and as CSV."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabulate import tabulate

from prunebench.analysis.layout import GAP, NARROWEST, blocks, fitted
from prunebench.analysis.tables import Table, render

NUMBERS = Table(
    "lenet · digits", ("method", *(f"metric {i}" for i in range(12)), "n"),
    (("synflow(rounds=adaptive)", *(f"{i}.000 ± 0.000" for i in range(12)), "3"), ("snip", *["–"] * 12, "3")),
    (False, *(True,) * 13),
)  # fmt: skip
LONG = (("a", "word " * 30, "author " * 30), ("b", "short", "–"))
TEXTS = Table(
    "things", ("name", "what", "paper"), (("a", "word " * 30, "author " * 30), ("b", "short", "–")), whole=True
)


def widest(text):
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize("width", [60, 80, 100, 132])
@pytest.mark.parametrize("table", [NUMBERS, TEXTS], ids=["numbers", "texts"])
def test_a_table_is_no_wider_than_the_terminal_and_loses_nothing(table, width):
    text = render([table], "table", width)
    assert widest(text) <= width < widest(render([table], "table"))
    for row in table.rows:
        for cell in row:
            for word in cell.split():
                assert text.count(word) >= cell.split().count(word)


def test_every_block_of_a_wide_table_names_its_rows():
    parts = render([NUMBERS], "table", 80).split("\n\n")
    assert len(parts) > 1
    for part in parts:
        assert "synflow(rounds=adaptive)" in part
        assert "snip" in part


def test_a_table_that_fits_is_the_same_with_and_without_a_terminal():
    small = Table("small", ("a", "b"), (("1", "2"),))
    assert render([small], "table", 80) == render([small], "table")


PRINTED = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=12).map(
    lambda text: " ".join(text.split())
)


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.tuples(
            st.lists(PRINTED, min_size=n, max_size=n),
            st.lists(st.lists(PRINTED, min_size=n, max_size=n), min_size=1, max_size=4),
            st.lists(st.booleans(), min_size=n, max_size=n),
        )
    )
)
@settings(deadline=None)
def test_columns_on_a_terminal_are_as_tabulate_has_them(parts):
    headers, rows, numeric = parts
    table = Table("", tuple(headers), tuple(tuple(row) for row in rows), tuple(numeric))
    expected = tabulate(
        rows, [header.replace(" ", "\n") for header in headers], "simple", disable_numparse=True,
        colalign=table.alignments,
    )  # fmt: skip
    found, wanted = render([table], "table"), f"{expected}\n"
    lines, wanted_lines = ([line.rstrip() for line in text.splitlines()] for text in (found, wanted))
    if any(" " in header for header in headers) and not all(map(any, rows)):
        # Below a header of two lines tabulate leaves out a row without any text, which is a line here: see below.
        lines, wanted_lines = list(filter(None, lines)), list(filter(None, wanted_lines))
    assert lines == wanted_lines


def test_a_row_without_any_text_is_a_line_all_the_same():
    found = render([Table("", ("two words",), (("a",), ("",), ("b",)))], "table")
    assert [line.strip() for line in found.splitlines()] == ["two", "words", "-------", "a", "", "b"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 90), st.booleans()), min_size=1, max_size=8), st.integers(20, 200))
def test_columns_are_narrowed_only_as_far_as_needed(columns, total):
    widths = [width for width, _ in columns]
    floors = [NARROWEST if text else None for _, text in columns]
    found = fitted(widths, floors, total)
    need = lambda ws: sum(ws) + GAP * (len(ws) - 1)  # noqa: E731
    for before, after, low in zip(widths, found, floors, strict=True):
        assert after <= before
        if low is None or before <= low:
            assert after == before
        else:
            assert after >= low
    if need(widths) <= total:
        assert found == widths
    elif any(after > (low or after) for after, low in zip(found, floors, strict=True)):
        assert need(found) == total


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(20, 120))
def test_blocks_hold_every_column_once_behind_the_first(widths, total):
    found = blocks(widths, total)
    assert [0, *(column for block in found for column in block[1:])] == list(range(len(widths)))
    assert all(block[0] == 0 for block in found)
    for block in found:
        assert len(block) <= 2 or sum(widths[i] for i in block) + GAP * (len(block) - 1) <= total


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("rho_max_dead_layer", "rho_max_dead_layer"), ("_a_b_", r"\_a_b\_"), ("__init__", r"\_\_init\_\_"),
        ("a|b*c", r"a\|b\*c"), ("x_ y", r"x\_ y"), ("λ_λ", "λ_λ"),
    ],
)  # fmt: skip
def test_markdown_escapes_what_means_something_to_it_and_nothing_else(text, written):
    assert written in render([Table("", ("h",), ((text,),))], "md")


def test_csv_writes_a_header_again_where_it_changes():
    one, other = Table("x", ("a",), (("1",),)), Table("y", ("b", "c"), (("2", "3"),))
    assert render([one, one, other], "csv") == "table,a\nx,1\nx,1\n\ntable,b,c\ny,2,3\n"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("-0.28 ± 0.72", "-0.28 ± 0.72"),
        ("+3.1", "+3.1"),
        ("-.5 (2/3)", "-.5 (2/3)"),
        ("+1.5e-05 → -2 %", "+1.5e-05 → -2 %"),
        ("-3\u202f000", "-3\u202f000"),
        ("synflow", "synflow"),
        ("= same", "'= same"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-method", "'-method"),
        ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
        ("+1+СУММ(1)", "'+1+СУММ(1)"),
        (" =1", "' =1"),
        ("\t=1", "' =1"),
        ("a\x1b[2Jb\x00c", "a [2Jb c"),
    ],
)
def test_no_cell_of_a_csv_is_a_formula_or_holds_control_characters(cell, written):
    text = render([Table("", ("a", "b"), ((cell, "x"),))], "csv")
    assert list(csv.reader(io.StringIO(text))) == [["a", "b"], [written, "x"]]


def test_captions_and_headers_of_a_csv_are_no_formulas_either():
    text = render([Table("=HYPERLINK(1)", ("=a",), (("1",),)), Table("x", ("=a",), (("2",),))], "csv")
    assert list(csv.reader(io.StringIO(text))) == [["table", "'=a"], ["'=HYPERLINK(1)", "1"], ["x", "2"]]

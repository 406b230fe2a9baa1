"""Every key of a record is documented, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

from prunebench.records.schema import Failure, Record, Row
from prunebench.records.sources import FILES

PAGE = (Path(__file__).parents[2] / "docs" / "records.md").read_text(encoding="utf-8")
ROW = Row("s", 1, "c", "quick", "m", "d", None, "snip", 0.5, None, 0)


def table(first):
    """The rows of the page's table that begins with this header: what stands behind each key."""
    lines = iter(PAGE.split(f"| {first} | |\n")[1].splitlines()[1:])
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            return rows
        key, text = re.fullmatch(r"\| `([^`]+)` \| (.*) \|", line).groups()
        rows[key] = text
    return rows


def words(text):
    return re.findall(r"`([\w.]+)`", text)


def test_the_keys_of_a_record_are_those_of_the_page():
    assert list(table("key")) == list(Record(ROW, "ok").plain())


def test_the_keys_of_a_row_and_of_an_error_are_those_of_the_page():
    plain = ROW.plain()
    named = [key for outer in plain for key in (outer, *(plain[outer] if outer == "task" else ()))]
    assert words(table("key")["row"]) == named
    assert words(table("key")["error"]) == list(Failure("E", "no").plain())


def test_the_files_of_a_run_are_those_of_the_page():
    assert {name for name in table("file") if not name.endswith("/")} == set(FILES)

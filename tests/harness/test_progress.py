"""Progress: a line a cell, an error that many cells share told once."""

from __future__ import annotations

from prunebench.harness.progress import Bar, Lines
from prunebench.records.schema import Failure, Record, Row

ROW = Row(
    suite="tiny", suite_version=1, check="collapse", scale="quick", model="m", dataset="d", recipe=None,
    method="random", density=None, arm=None, repetition=0,
)  # fmt: skip


def failed(message: str) -> Record:
    return Record(ROW, "failed", error=Failure("DataError", message))


def test_lines_count_on_from_the_cells_that_were_done_and_tell_a_shared_error_once(capsys):
    lines = Lines(8, 2)
    for record in (failed("no data"), failed("no data"), failed("too little"), failed("no data")):
        lines.cell(record)
    lines.cell(Record(ROW, "ok"))
    lines.cell(Record(ROW, "skipped", reason="too dense"))
    told = [line.replace(str(ROW), "ROW") for line in capsys.readouterr().err.splitlines()]
    assert told == [
        "[3/8] failed ROW: DataError: no data",
        "[4/8] failed ROW: as above",
        "[5/8] failed ROW: DataError: too little",
        "[6/8] failed ROW: as above",
        "[7/8] ok ROW",
        "[8/8] skipped ROW: too dense",
    ]


def test_a_bar_tells_a_shared_error_once(capsys):
    with Bar(3, 0) as bar:
        for record in (failed("no data"), failed("no data"), failed("too little")):
            bar.cell(record)
    told = capsys.readouterr().err
    assert told.count("no data") == 1
    assert told.count("too little") == 1

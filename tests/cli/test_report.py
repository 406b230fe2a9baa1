"""`report` and `card`."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from tests.full_disk import full_disk
from tests.report.handmade import METHODS, SCRIPT, records, row, small_run, write_run


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch):
    """Charts take seconds, and are tried by themselves."""
    monkeypatch.setattr("prunebench.report.page.charts", lambda *_: [])


@pytest.fixture
def stored(tmp_path):
    """A store with one run."""
    return small_run(tmp_path / ".prunebench" / "runs" / "f00dcafe0123")


def test_the_latest_run_is_reported_into_the_usual_folder_and_its_files_are_listed(command, stored, tmp_path):
    ended = command("report")
    assert ended.code == 0, ended.err
    listed = [f"prunebench-report/tradeoff.quick.{kind}" for kind in ("html", "md", "csv", "json")]
    assert ended.out.split() == listed
    assert all((tmp_path / name).is_file() for name in listed)


def test_a_run_is_named_by_id_folder_or_archive_all_the_same(command, stored, tmp_path):
    assert command("export", "f00d", "--output", "run.tar.xz").code == 0
    written = []
    for place, name in enumerate(("f00d", stored, "run.tar.xz")):
        assert command("report", name, "-o", f"out{place}").code == 0
        written.append({path.name: path.read_bytes() for path in (tmp_path / f"out{place}").iterdir()})
    assert written[0] == written[1] == written[2]


def test_only_the_formats_that_are_asked_for_are_written_and_linked(command, stored, tmp_path):
    assert command("report", "--format", "html", "--format", "csv", "-o", "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tradeoff.quick.csv", "tradeoff.quick.html"]
    page = (tmp_path / "out" / "tradeoff.quick.html").read_text(encoding="utf-8")
    assert 'href="tradeoff.quick.csv"' in page
    assert 'href="tradeoff.quick.json"' not in page


def test_several_runs_get_a_list(command, tmp_path):
    for name in ("one", "two"):
        write_run(tmp_path / name, records(repetitions=1), run=name)
    ended = command("report", "one", "two", "one", "--format", "html", "-o", "out")
    assert [line.rpartition("/")[2] for line in ended.out.split()] == [
        "tradeoff.quick.one.html", "tradeoff.quick.two.html", "index.html",
    ]  # fmt: skip


def test_an_unknown_run_is_an_error_of_one_line(command, stored):
    ended = command("report", "f00e")
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert "no run 'f00e'" in ended.err


def test_a_card_says_what_a_method_is_and_where_it_stands(command, stored):
    ended = command("card", "synflow", "--format", "md")
    assert ended.code == 0, ended.err
    assert "Tanaka et al. 2020" in ended.out
    lines = ended.out.splitlines()
    boards = [line for line in lines if line.startswith("| synflow") and "60.10 ± 1.49" in line and "4 of 8" in line]
    assert len(boards) == 2, "behind dense, imp and my-method on both tasks"
    at_half = [line for line in lines if line.startswith("| synflow") and "50 %" in line]
    assert len(at_half) == 2
    # The others but controls: imp, my-method, snip, magnitude and two with hostile names; two of them are better.
    assert all(line.rstrip(" |").endswith("3 of 7") for line in at_half)
    assert not any(line.startswith("| imp") for line in lines)


def test_a_name_stands_for_all_specs_with_it_and_a_spec_for_itself(command, tmp_path):
    write_run(tmp_path / "run", records({**METHODS, "snip(rounds=100)": 61.0}))
    both = command("card", "snip", "run", "--format", "md").out
    one = command("card", "snip(rounds=100)", "run", "--format", "md").out
    assert "| snip, snip(rounds=100)" in both.replace("\\", "")
    assert "in the records | snip(rounds=100) " in " ".join(one.split())


def test_a_card_of_a_name_that_only_records_know(command, stored, tmp_path):
    ended = command("card", "my-method", "-o", "card.html")
    assert ended.code == 0, ended.err
    assert ended.out == ""
    page = (tmp_path / "card.html").read_text(encoding="utf-8")
    assert "not in the registry" in page
    assert SCRIPT not in page
    assert "my-method(a=1)" in page


def test_a_method_without_records_is_an_error_with_a_suggestion(command, stored):
    ended = command("card", "synflo")
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert "no record of method 'synflo' in .prunebench" in ended.err
    assert "synflow" in ended.err


def test_the_latest_run_of_every_suite_and_scale_is_taken_that_has_the_method(command, tmp_path):
    store = tmp_path / ".prunebench" / "runs"
    write_run(store / "aaaa", records(), run="aaaa")
    other = [one for one in records(datasets=["digits"]) if one.row.method != "imp"]
    write_run(store / "bbbb", other, run="bbbb")
    (store / "cccc").mkdir()
    (store / "cccc" / "plan.json").write_text("{", encoding="utf-8")
    assert "run bbbb" not in command("card", "imp", "--format", "html").out
    assert "run aaaa" in command("card", "imp", "--format", "html").out
    assert "run bbbb" in command("card", "synflow", "--format", "html").out
    assert "run aaaa" not in command("card", "synflow", "--format", "html").out


def test_an_older_run_is_on_a_card_with_what_no_later_one_has_and_nothing_else(command, tmp_path):
    store = tmp_path / ".prunebench" / "runs"
    both = [*records(), *(replace(one, row=replace(one.row, suite="mine")) for one in records())]
    later = write_run(store / "aaaa", records(), run="aaaa")
    earlier = write_run(store / "bbbb", both, run="bbbb", suites=("tradeoff", "mine"))
    for folder, written in ((earlier, 1_000), (later, 2_000)):
        os.utime(folder / "records.jsonl", (written, written))
    lines = command("card", "synflow", "--format", "md").out.splitlines()
    told = {line.split(" version ")[0]: line for line in lines if " version 2, run " in line}
    assert {name.split("|")[-1].strip(): line.split("run ")[1][:4] for name, line in told.items()} == {
        "tradeoff quick,": "aaaa",
        "mine quick,": "bbbb",
    }
    assert sum("against the field ·" in line for line in lines) == 2


@pytest.mark.parametrize("kind", ["md", "table"])
def test_a_card_as_text_says_of_every_table_which_run_it_is_of(command, stored, tmp_path, kind):
    plan = json.loads((stored / "plan.json").read_text())
    (stored / "plan.json").write_text(json.dumps(plan | {"selection": {"methods": ["synflow"], "seeds": 2}}))
    text = " ".join(command("card", "synflow", "--format", kind).out.split())
    assert "tradeoff quick: against the field · " in text
    assert "tradeoff quick: cost and failures · cost" in text
    assert "tradeoff quick, version 2, run f00dcafe0123: 9 methods" in text
    assert "cells: 86 ok, 2 skipped, 2 failed, 3 missing" in text
    assert "part of the suite: methods given by hand: synflow; repetitions given by hand: 2" in text
    page = command("card", "synflow", "--format", "html").out
    assert "part of the suite: methods given by hand: synflow; repetitions given by hand: 2" in page


@pytest.mark.parametrize("names", [("latest", "f00d"), ("f00d", "run.tar.xz")])
def test_a_run_that_is_named_twice_is_shown_once(command, stored, tmp_path, names):
    assert command("export", "f00d", "--output", "run.tar.xz").code == 0
    assert command("report", *names, "-o", "out", "--format", "md").code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tradeoff.quick.md"]
    assert command("card", "synflow", *names).out == command("card", "synflow", "latest").out


@pytest.mark.parametrize(
    "verb", [("card", "synflow", "-o"), ("export", "--force", "-o"), ("compare", "--to", "f00d", "--junit")]
)
def test_a_file_that_cannot_be_written_is_left_as_it_was(command, stored, tmp_path, verb):
    (tmp_path / "mine.csv").write_text("mine")
    with full_disk():
        ended = command(*verb, "mine.csv")
    assert ended.code not in {0, 1, 70}
    assert "mine.csv cannot be written: File too large" in ended.err
    assert (tmp_path / "mine.csv").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("mine")] == ["mine.csv"]


def test_what_is_no_plain_file_is_written_into_and_a_link_followed(command, stored, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "there" / "mine.csv")
    assert command("export", "-o", "link.csv").code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there" / "mine.csv").read_bytes().startswith(b"run,suite,")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert command("card", "synflow", "-o", "pipe").code == 0
        assert b"Tanaka" in os.read(reader, 1 << 16)
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_no_message_moves_the_cursor_or_turns_the_text(command, tmp_path):
    found = [
        replace(one, row=replace(one.row, method="sn\x1b]0;x\x07\x9b\x00ip")) for one in records(datasets=["digits"])
    ]
    write_run(tmp_path / "run", found[:3], run="\x1b[2J\u202ef00d")
    ended = command("card", "sn]0;x ip", "run")
    assert ended.code == 2
    assert ended.err.rstrip("\n").isprintable(), ended.err
    assert "f00d" in ended.err


def test_failures_of_the_method_are_on_its_card_and_those_of_others_are_not(command, stored):
    assert "weights are" in command("card", "snip", "--format", "md").out
    assert "weights are" not in command("card", "imp", "--format", "md").out


def test_a_planned_method_without_any_record_has_a_card_all_the_same(command, stored):
    ended = command("card", "erk")
    assert ended.code == 0, ended.err
    assert "Evci et al. 2020" in ended.out
    assert row("erk", 0.1, 0).method in ended.out

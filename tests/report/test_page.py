"""What stands on a page, and what keeps it in."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from concurrent.futures import Future
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from prunebench.analysis.boards.sections import Part, parts
from prunebench.analysis.results import load_results
from prunebench.analysis.tables import Table
from prunebench.report.charts.base import Chart
from prunebench.report.charts.drawing import Drawing
from prunebench.report.files import write_report
from prunebench.report.looks import looks_of
from prunebench.report.page import blocks, page
from prunebench.report.views import LONG, MOST, room, view, views
from tests.report.handmade import HOSTILE, METHODS, SCRIPT, records, row, small_run, write_run


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch):
    monkeypatch.setattr("prunebench.report.page.charts", lambda *_: [])


@pytest.fixture
def shown(tmp_path):
    return page(load_results(small_run(tmp_path / "run")), ["tradeoff.quick.csv"])


class Outline(HTMLParser):
    """Elements, whether each is closed, attributes by name."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self):
        super().__init__()
        self.open, self.found = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(text):
    parsed = Outline()
    parsed.feed(text)
    assert parsed.open == []
    return parsed.found


def digest(text):
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def test_the_policy_admits_the_style_and_the_script_of_the_page_and_nothing_else(shown):
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', shown)
    (style,) = re.findall(r"<style>(.*?)</style>", shown, re.DOTALL)
    (script,) = re.findall(r"<script type=\"module\">(.*?)</script>", shown, re.DOTALL)
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed == {
        "default-src": "'none'", "style-src": f"'{digest(style)}'", "script-src": f"'{digest(script)}'",
        "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip
    assert len(script.encode()) < 10_000


def test_every_element_is_closed_identifiers_are_unique_and_nothing_is_inline_or_elsewhere(shown):
    found = outline(shown)
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in found:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src"):
            address = attributes.get(name, "#")
            assert address.startswith("#") or address in {"data:,", "tradeoff.quick.csv"}
            if address.startswith("#"):
                assert address == "#" or address[1:] in ids


def test_captions_and_headers_say_what_they_are_for(shown):
    found = outline(shown)
    tables = sum(tag == "table" for tag, _ in found)
    assert sum(tag == "caption" for tag, _ in found) >= tables - 1, "the note of a section without ranks has no words"
    assert all("scope" in attributes for tag, attributes in found if tag == "th")


def test_names_are_text_wherever_they_stand(tmp_path):
    methods = {**METHODS, **dict.fromkeys(HOSTILE, 50.0)}
    text = page(load_results(write_run(tmp_path / "run", records(methods, repetitions=1))))
    assert SCRIPT not in text
    assert sum(tag == "script" for tag, _ in outline(text)) == 1
    assert not any(tag == "img" for tag, _ in outline(text))
    assert f"<bdi>{HOSTILE[2]}</bdi>" in text


def test_what_has_no_result_is_on_top_and_has_a_section(shown):
    assert "2 cells without a result, of 1 step" in shown
    assert "weights are &lt;nan&gt; | not finite" in shown
    assert "too few weights" in shown
    assert "no record yet" in shown
    for words in ("86 ok", "2 failed", "2 skipped", "3 missing"):
        assert words in shown


def test_provenance_tells_versions_commit_and_command(shown):
    for words in ("2026-01-02T03:04:05+00:00", "c0ffee00", "torch 2.15.0", "Example CPU", "mine.py",
                  "prunebench run tradeoff --plugin mine.py -m &#39;+my-method(a=1)&#39;"):  # fmt: skip
        assert words in shown


def test_a_restricted_or_changed_run_says_so(tmp_path):
    run = load_results(write_run(tmp_path / "run", records(repetitions=1)))
    run.plan["selection"] = {"methods": ["<b>snip</b>"], "seeds": 2}
    run.plan["scale"] = "quick + densities=[0.5]"
    text = page(run)
    assert "methods given by hand: &lt;b&gt;snip&lt;/b&gt;" in text
    assert "repetitions given by hand: 2" in text
    assert "Compares with no other results." in text


def test_a_run_without_any_record_has_a_page(tmp_path):
    run = load_results(write_run(tmp_path / "run", [], unfinished=[row("snip", 0.1, n) for n in range(2)]))
    text = page(run)
    outline(text)
    assert "2 missing" in text


def test_long_tables_and_later_ones_are_folded_but_no_alarm_is():
    def table(rows, **more):
        return Table("t", ("method",), tuple((str(n),) for n in range(rows)), **more)

    looks = looks_of([])
    assert view(table(LONG + 1), "x", looks).folded
    assert not view(table(LONG), "x", looks).folded
    found = views("x", [table(100), table(40), table(20), table(20, alarm=True), table(1)], looks)
    assert [one.folded for one in found] == [False, False, True, False, True]


def test_a_section_has_room_for_its_first_tables():
    def rows(*counts):
        return [Table("", ("method",), tuple((str(n),) for n in range(count))) for count in counts]

    assert room(rows(MOST + 5, 1)) == 1
    assert room(rows(0, MOST, 1, 0)) == 2
    assert room(rows(MOST - 1, 2, 1)) == 1, "none is passed over"
    assert room(rows(1, 2, 3)) == 3


def test_a_page_leaves_out_no_alarm_and_no_chart_of_what_it_shows(tmp_path, monkeypatch):
    titles = ["a task", "another", "a third", "one more"]
    tables = [Table(f"{title} — 2 rows", ("method",), (("snip",),) * 2, alarm=title == "a third") for title in titles]
    drawn = Future()
    drawn.set_result("")
    many = [
        Chart(f"chart-{n}", f"Chart · {title}", "", Drawing(drawn, str), tables[0])
        for n, title in enumerate([*titles, "none of these"])
    ]
    monkeypatch.setattr("prunebench.report.page.charts", lambda *_: many)
    monkeypatch.setattr("prunebench.report.views.MOST", 5)
    run = load_results(write_run(tmp_path / "run", records(repetitions=1)))
    found = blocks(Part("tradeoff", "curves", parts(run)[0].presentation, tuple(tables)), run, looks_of([]))
    assert [(one.table.id, one.table.title) for one in found] == [
        ("curves-1", "a task"), ("curves-2", "another"), ("curves-3", "a third"),
    ]  # fmt: skip
    assert [[figure.chart.name for figure in one.figures] for one in found] == [
        ["chart-0", "chart-4"], ["chart-1"], ["chart-2"],
    ]  # fmt: skip


def test_what_has_no_room_is_told(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "run", records(repetitions=1))
    whole = page(load_results(folder))
    assert "A page has room for" not in whole
    for module in ("page", "views"):
        monkeypatch.setattr(f"prunebench.report.{module}.MOST", 8)
    text = page(load_results(folder))
    tables = re.compile(r'class="table" id="(curves-\d+)"')
    assert tables.findall(whole) == ["curves-1", "curves-2", "curves-3", "curves-4"]
    assert tables.findall(text) == ["curves-1"]
    assert (
        "room for 8 rows of a section. It leaves out 3 more tables of 18 rows, and their charts; the Markdown" in text
    )
    assert "<code>prunebench show f00dcafe0123</code> does too" in text


def test_a_warning_of_a_table_is_a_banner_of_the_page(tmp_path, monkeypatch):
    from prunebench.analysis.boards import sections

    board = sections.SECTIONS["leaderboard"]

    def alarmed(*arguments):
        return [Table("CONTROLS FAILED: <all>", ("control",), (("a",),), alarm=True), *board(*arguments)]

    monkeypatch.setitem(sections.SECTIONS, "leaderboard", alarmed)
    text = page(load_results(write_run(tmp_path / "run", records(repetitions=1))))
    head = text[: text.index("<main")]
    assert '<a href="#leaderboard-1">CONTROLS FAILED: &lt;all&gt;</a>' in head


def test_no_control_character_of_a_run_is_on_its_page_or_in_the_list(tmp_path):
    control = "a\x1b[2J\u202eb\x07c"
    found = [replace(one, row=replace(one.row, method=control, dataset=f"digits{control}")) for one in records()[3:6]]
    folder = write_run(tmp_path / "run", found, run=f"f00d{control}")
    plan = json.loads((folder / "plan.json").read_text())
    plan["suites"][0]["question"] = f"What {control}?"
    (folder / "plan.json").write_text(json.dumps(plan | {"scale": f"quick{control}"}))
    write_report([load_results(folder), load_results(small_run(tmp_path / "other"))], tmp_path / "out", ["html", "md"])
    for path in (tmp_path / "out").iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        odd = {c for line in lines for c in line if unicodedata.category(c)[0] == "C"}
        assert odd <= {"\n"}, path
        assert (
            any("f00da" in line for line in lines)
            or "tradeoff.quick.html" in path.name
            or path.name.endswith("quick.md")
        )

"""A comparison as a JUnit report: a test case a task and method, for the systems that show such files."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from prunebench.analysis.comparison.showing import method_name, outcome, summary, task_name
from prunebench.analysis.comparison.states import State, arrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.analysis.comparison.compare import Comparison, SuiteComparison
    from prunebench.analysis.comparison.states import Item
    from prunebench.records.baseline import Task


def junit(comparison: Comparison) -> bytes:
    """The file. A regression is a failure; a case of which nothing could be compared is skipped."""
    suites = [_suite(found) for found in comparison.suites]
    root = ET.Element("testsuites", _totals(suites, name=_plain(outcome(comparison))))
    root.extend(suites)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(found: SuiteComparison) -> ET.Element:
    groups: dict[tuple[Task, str], list[Item]] = {}
    for item in found.items:
        groups.setdefault((item.task, item.method), []).append(item)
    seconds = {(time.task, time.method): time.new_seconds for time in found.times}
    cases = [_case(found.suite, *key, items, seconds.get(key, 0.0)) for key, items in groups.items()]
    counts = {kind: sum(case.find(kind) is not None for case in cases) for kind in ("failure", "skipped")}
    suite = ET.Element(
        "testsuite",
        name=_plain(f"{found.suite}.{found.scale}"),
        tests=str(len(cases)),
        failures=str(counts["failure"]),
        errors="0",
        skipped=str(counts["skipped"]),
        time=f"{sum(float(case.attrib['time']) for case in cases):.3f}",
    )
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = _plain(summary(found))
    return suite


def _case(suite: str, task: Task, method: str, items: Sequence[Item], seconds: float) -> ET.Element:
    case = ET.Element(
        "testcase", classname=_plain(f"{suite}.{task[0]} · {task_name(task)}"), name=_plain(method),
        time=f"{seconds:.3f}",
    )  # fmt: skip
    if regressions := [item for item in items if item.gates]:
        words = ", ".join(dict.fromkeys(f"{item.what} {item.state.word}" for item in regressions))
        failure = ET.SubElement(case, "failure", message=_plain(words), type="regression")
        failure.text = _plain("\n".join(map(_line, regressions)))
    elif all(_unknown(item) for item in items):
        ET.SubElement(case, "skipped", message=_plain("; ".join(dict.fromkeys(item.detail for item in items))))
    others = [item for item in items if not item.gates and item.state is not State.SAME]
    if others:
        ET.SubElement(case, "system-out").text = _plain("\n".join(map(_line, others)))
    return case


def _unknown(item: Item) -> bool:
    """Whether it compares no value: statuses that are the same, and bad, are none."""
    return item.state in {State.APART, State.MISSING} or (item.what == "status" and item.state is State.SAME)


def _line(item: Item) -> str:
    values = "" if item.old is None or item.new is None else f" {arrow(item.old, item.new)}"
    return f"{item.state.mark} {method_name(item)} {item.what} {item.state.word}{values}: {item.detail}"


def _totals(suites: Sequence[ET.Element], name: str) -> dict[str, str]:
    totals = {key: str(sum(int(s.attrib[key]) for s in suites)) for key in ("tests", "failures", "errors")}
    return {"name": name, **totals, "time": f"{sum(float(s.attrib['time']) for s in suites):.3f}"}


def _plain(text: str) -> str:
    """Without characters that no XML document may hold."""
    return "".join(c if c in "\n\t" or _allowed(ord(c)) else "\ufffd" for c in text)


def _allowed(code: int) -> bool:
    return 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000

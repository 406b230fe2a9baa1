"""The process that draws: what it says of what it cannot draw, how it ends, and that nothing waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import vl_convert

from prunebench.errors import PrunebenchError
from prunebench.report.charts import pen as module
from prunebench.report.charts.drawing import Drawing
from prunebench.report.charts.pen import VEGA_LITE, Pen, drawn

POINTS = {
    "data": {"values": [{"x": 1, "y": 2, "said": "λ <b>\u2028"}]},
    "mark": "point",
    "encoding": {"x": {"field": "x"}, "y": {"field": "y"}, "description": {"field": "said"}},
}


@pytest.fixture
def pen():
    own = Pen()
    yield own
    own.close()


def alone(program, *options):
    """How a program ends in an interpreter of its own: this one has threads that a fork would lose."""
    begin = f"from prunebench.report.charts.pen import Pen, drawn\npoints = {POINTS!r}\n"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", *options, "-c", begin + program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


def test_it_draws_what_vega_draws_here(pen):
    here = vl_convert.vegalite_to_svg(POINTS, vl_version=VEGA_LITE)
    assert pen.draw(POINTS).result() == drawn(POINTS).result() == here
    assert "λ &lt;b&gt;" in here


def test_what_cannot_be_drawn_is_an_error_of_one_line_and_the_next_chart_is_drawn(pen):
    with pytest.raises(PrunebenchError, match=r"^a chart cannot be drawn: .+") as caught:
        pen.draw({"mark": "no-such-mark", "data": {"values": []}, "encoding": 5}).result()
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(TypeError, match="not JSON serializable"):
        pen.draw({"mark": object()}).result()
    assert pen.draw(POINTS).result().startswith("<svg")


def test_a_process_that_is_gone_is_an_error_of_one_line_and_the_next_report_has_another():
    begun = module._SHARED.pen()
    os.kill(begun._process.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(
            PrunebenchError, match=r"^charts cannot be drawn: the process that draws them ended with -9$"
        ):
            begun.draw(POINTS).result()
    assert drawn(POINTS).result().startswith("<svg")
    assert module._SHARED.pen() is not begun


@pytest.mark.parametrize("executable", ["/nowhere/python", "", None])
def test_where_no_process_can_be_started_charts_are_drawn_here(monkeypatch, pen, executable):
    monkeypatch.setattr(sys, "executable", executable)
    here = Pen()
    assert here.alive
    assert here.draw(POINTS).result() == pen.draw(POINTS).result()
    with pytest.raises(PrunebenchError, match=r"^a chart cannot be drawn: "):
        here.draw({"mark": "no-such-mark", "encoding": 5}).result()
    here.close()


def test_what_is_no_text_among_the_places_of_modules_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [tmp_path, *sys.path])
    own = Pen()
    assert own.draw(POINTS).result().startswith("<svg")
    own.close()


def test_it_does_not_hear_of_an_interrupt_and_is_ended_in_the_middle_of_a_chart():
    own = Pen()
    assert os.getsid(own._process.pid) != os.getsid(0)
    waiting = own.draw(POINTS)
    own.close()
    assert own._process.returncode == -signal.SIGKILL
    with pytest.raises(PrunebenchError):
        waiting.result()


def test_threads_share_a_process():
    with ThreadPoolExecutor(8) as threads:
        assert len({id(pen) for pen in threads.map(lambda _: module._SHARED.pen(), range(64))}) == 1


def test_nothing_waits_for_a_chart_until_it_is_asked_for():
    found = Future()
    drawing = Drawing(found, str.upper)
    found.set_result("drawn")
    assert drawing.svg == "DRAWN"


def test_a_program_ends_at_once_though_charts_are_still_to_be_drawn():
    begun = time.perf_counter()
    assert alone("waiting = [drawn(points) for _ in range(300)]") == (0, "", "")
    assert time.perf_counter() - begun < 10, "300 charts take longer"


def test_a_fork_of_a_program_that_drew_draws_too_and_leaves_the_other_pen_alone():
    program = (
        "import os, sys\n"
        "first = drawn(points).result()\n"
        "if not os.fork():\n"
        "    sys.exit(drawn(points).result() != first)\n"
        "_, status = os.wait()\n"
        "print(status, drawn(points).result() == first)"
    )
    assert alone(program) == (0, "0 True\n", "")


def test_a_program_that_drew_ends_though_a_fork_of_it_lives():
    """Daemons are ended after everything that was registered later than `multiprocessing.util` has ended."""
    program = (
        "import multiprocessing.util, time\n"
        "print(drawn(points).result()[:4])\n"
        "multiprocessing.get_context('fork').Process(target=time.sleep, args=(100,), daemon=True).start()"
    )
    assert alone(program) == (0, "<svg\n", "")


def test_a_program_that_drew_ends_by_itself_and_says_nothing(tmp_path):
    """From another folder, with modules found by a path that only the program knows."""
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from prunebench.report.charts.pen import drawn\n"
        f"print(drawn({POINTS!r}).result()[:4])"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "<svg\n", "")

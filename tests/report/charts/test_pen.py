"""The process that draws: what it says of what it cannot draw, how it ends, and that nothing waits for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

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


def test_it_draws_what_vega_draws_here(pen):
    here = vl_convert.vegalite_to_svg(POINTS, vl_version=VEGA_LITE)
    assert pen.draw(POINTS) == drawn(POINTS).result() == here
    assert "λ &lt;b&gt;" in here


def test_what_cannot_be_drawn_is_an_error_of_one_line_and_the_next_chart_is_drawn(pen):
    with pytest.raises(PrunebenchError, match=r"^a chart cannot be drawn: .+") as caught:
        pen.draw({"mark": "no-such-mark", "data": {"values": []}, "encoding": 5})
    assert len(str(caught.value).splitlines()) == 1
    assert pen.draw(POINTS).startswith("<svg")


def test_a_process_that_is_gone_is_an_error_of_one_line(pen):
    os.kill(pen._process.pid, signal.SIGKILL)
    with pytest.raises(PrunebenchError, match=r"^charts cannot be drawn: the process that draws them ended with -9$"):
        pen.draw(POINTS)


def test_without_a_python_to_start_charts_cannot_be_drawn(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(PrunebenchError, match=r"^charts cannot be drawn: no process can be started: No such file"):
        Pen()


def test_it_does_not_hear_of_an_interrupt_and_ends_when_it_is_closed():
    own = Pen()
    assert os.getsid(own._process.pid) != os.getsid(0)
    own.close()
    assert own._process.returncode == 0


def test_nothing_waits_for_a_chart_until_it_is_asked_for():
    begun = time.perf_counter()
    slow = module.ThreadPoolExecutor(1)
    found = Drawing(slow.submit(lambda: time.sleep(0.3) or "drawn"), str.upper)
    assert time.perf_counter() - begun < 0.3
    assert found.svg == "DRAWN"
    slow.shutdown()


def test_a_program_that_drew_ends_by_itself_and_says_nothing(tmp_path):
    """From another folder, with modules found by a path that only the program knows."""
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from prunebench.report.charts.pen import drawn\n"
        f"print(drawn({json.loads(json.dumps(POINTS))!r}).result()[:4])"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "<svg\n", "")

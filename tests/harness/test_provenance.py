"""What a run says of the machine that it ran on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from prunebench.environment import Environment
from prunebench.harness import provenance as asked

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: {model}
model name\t: Intel(R) Xeon(R) Processor @ 2.20GHz
stepping\t: 8
flags\t\t: fpu vme model name

processor\t: 1
model\t\t: 1
"""


@pytest.fixture
def told(monkeypatch):
    """The processor that a text of `/proc/cpuinfo` stands for."""

    def processor(text):
        monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
        return asked._processor()

    return processor


def test_two_generations_of_one_name_are_two_processors(told):
    first, second = (told(CPUINFO.format(model=model)) for model in (85, 143))
    assert first == "Intel(R) Xeon(R) Processor @ 2.20GHz, family 6 model 85 stepping 8"
    assert second == first.replace("85", "143")


def test_a_system_that_names_no_model_is_asked_for_what_it_has(told, monkeypatch):
    monkeypatch.setattr(platform, "processor", lambda: "aarch64")
    assert told("processor\t: 0\nCPU part\t: 0xd0c\n") == "aarch64"


def test_the_instructions_are_those_that_torch_is_held_to():
    code = "from prunebench.harness.provenance import instructions; print(instructions())"

    def ask(**variables):
        clean = {k: v for k, v in os.environ.items() if k not in asked._LIMITS}
        ended = subprocess.run(
            [sys.executable, "-c", code], env={**clean, **variables}, capture_output=True, text=True, check=True
        )
        return ended.stdout.strip()

    assert ask(ATEN_CPU_CAPABILITY="default") in {"DEFAULT", "NO AVX"}
    assert ask(ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="AVX2").endswith(" ONEDNN_MAX_CPU_ISA=AVX2")


def test_what_a_plan_can_be_told_of_imports_no_torch():
    code = (
        "import sys\nfrom prunebench.environment import Environment\n"
        "from prunebench.harness.provenance import provenance\nprovenance(Environment(torch='2'), ())\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "instructions" not in asked.provenance(Environment(), ())

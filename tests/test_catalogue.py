"""The catalogue: every built-in entry as data, without torch."""

from __future__ import annotations

import subprocess
import sys

from prunebench import catalogue
from prunebench.registry import METHODS, REGISTRIES, Entry


def in_a_fresh_process(code):
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_catalogue_is_what_the_decorators_say():
    made = in_a_fresh_process("import sys; from prunebench.catalogue import generate; sys.stdout.write(generate())")
    assert made == catalogue.FILE.read_text(encoding="utf-8"), "run `python -m prunebench.catalogue`"


def test_declaring_makes_every_kind_of_entry_known_and_may_be_repeated():
    catalogue.declare()
    catalogue.declare()
    names = {kind: set(registry.entries) for kind, registry in REGISTRIES.items()}
    assert names["method"] >= {"random", "magnitude", "snip", "synflow"}
    assert names["model"] >= {"lenet-300-100", "vgg-16"}
    assert names["dataset"] >= {"digits", "mnist1d"}
    assert names["recipe"] >= {"small-sgd", "cifar-lottery"}
    assert names["check"] >= {"collapse"}


def test_every_entry_says_in_one_line_what_it_is_and_where_it_is():
    catalogue.declare()
    for registry in REGISTRIES.values():
        for entry in registry:
            if entry.module.startswith("prunebench."):
                assert entry.kind == registry.kind
                assert entry.summary
                assert callable(registry.get(entry.name))


def test_a_plugins_entry_is_left_out_of_the_catalogue(monkeypatch):
    monkeypatch.setitem(METHODS.entries, "theirs", Entry("method", "theirs", "their_module:theirs"))
    assert catalogue.generate() == catalogue.FILE.read_text(encoding="utf-8")


def test_importing_listing_and_planning_need_no_torch():
    code = """
import sys
import prunebench
from prunebench import catalogue
assert "torch" not in sys.modules, "import"
catalogue.declare()
assert "torch" not in sys.modules, "declare"
from prunebench.harness.options import RunOptions
from prunebench.harness.run import plan_run
from prunebench.records.places import suite_folder
from prunebench.records.suite import load_suite
suites = [load_suite(path.stem) for path in sorted(suite_folder().glob("*.toml"))]
assert suites
for suite in suites:
    for scale in suite.scale:
        plan = plan_run([suite], RunOptions(scale=scale, device="cpu"))
        assert plan.cells and plan.run_id and plan.plain(), (suite.name, scale)
        assert "torch" not in sys.modules, (suite.name, scale)
        print(suite.name, scale)
"""
    planned = in_a_fresh_process(code).splitlines()
    assert {"collapse quick", "collapse standard"} <= set(planned)

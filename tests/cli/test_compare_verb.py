"""`compare` and `baseline update`, on real runs of a tiny suite in which changes are planted."""

from __future__ import annotations

import json
import shutil
from xml.etree import ElementTree as ET

import pytest

import prunebench as pb
from prunebench.errors import NothingToDoError
from tests.conftest import TINY


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with the tiny suite and a finished run of it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.toml").write_text(TINY)
    pb.run(str(folder / "tiny.toml"), executor="inline", store=folder / ".prunebench")
    return folder


@pytest.fixture
def here(finished, tmp_path):
    """A copy of it, as the working directory."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run_folder(here):
    (folder,) = (here / ".prunebench" / "runs").iterdir()
    return folder


def plant(folder, change, plan=lambda p: p):
    """Records changed by a function; those of which it makes None are dropped, from the plan too."""
    path = folder / "records.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [new for record in found if (new := change(record)) is not None]
    path.write_text("".join(json.dumps(record) + "\n" for record in kept))
    told = json.loads((folder / "plan.json").read_text())
    rows = [json.dumps(record["row"], sort_keys=True) for record in kept]
    told["rows"] = [row for row in told["rows"] if json.dumps(row, sort_keys=True) in rows]
    (folder / "plan.json").write_text(json.dumps(plan(told)))


def test_a_run_is_the_same_as_the_baseline_that_it_makes(command, here):
    made = command("baseline", "update", "tiny", "--yes")
    assert made.code == 0, made.err
    assert "baselines/tiny.quick.json: 32 cells of run" in made.out
    ended = command("compare")
    assert ended.code == 0
    assert ended.out.startswith("no regression: run ")
    assert "= 108 same" in ended.out
    assert "another platform" not in ended.out
    again = command("baseline", "update", "tiny", "--yes")
    assert "already" in again.out


def test_a_baseline_makes_the_leaderboard_that_its_run_makes(command, here):
    from prunebench.analysis.comparison.finding import side_of
    from prunebench.analysis.results import load_results

    command("baseline", "update", "tiny", "--yes")
    stored = side_of(here / "baselines" / "tiny.quick.json").results
    shown = [json.loads(r.leaderboard("json")) for r in (load_results(run_folder(here)), stored)]
    first, second = ([sorted(t["rows"], key=str) for t in tables] for tables in shown)
    assert first == second


CAUGHT = {
    "a metric gone": (
        lambda r: {**r, "metrics": {k: v for k, v in r["metrics"].items() if k != "kept"}},
        "the metric is gone",
    ),
    "a method gone": (lambda r: None if r["row"]["method"] == "snip" else r, "8 cells (#0"),
    "no value": (lambda r: {**r, "metrics": dict.fromkeys(r["metrics"])}, "no value in"),
    "newly failing": (
        lambda r: r if r["row"]["method"] != "snip" or r["status"] != "ok" else {
            **r, "status": "failed", "metrics": {},
            "error": {"type": "E", "message": "m", "step": "", "traceback": "", "output": ""},
        },
        "ok → failed: E: m",
    ),
    "one weight": (
        lambda r: r if "kept" not in r["metrics"] or r["row"]["method"] != "snip"
        else {**r, "metrics": {**r["metrics"], "effective_kept": r["metrics"]["effective_kept"] - 1}},
        "effective kept",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CAUGHT)
def test_what_was_planted_in_a_real_run_is_caught(command, here, case):
    change, text = CAUGHT[case]
    command("baseline", "update", "tiny", "--yes")
    plant(run_folder(here), change)
    ended = command("compare", "--junit", "report.xml")
    assert ended.code == 1, ended.out
    assert text in " ".join(ended.out.split())
    failures = ET.fromstring((here / "report.xml").read_bytes()).attrib["failures"]
    assert int(failures) >= 1
    assert command("compare", "--exit-zero").code == 0


def test_a_new_method_and_refactored_code_are_not_caught(command, here, faulty):
    command("baseline", "update", "tiny", "--yes")
    added = command("run", "tiny.toml", "--executor", "inline", "--plugin", faulty, "-m", "+power(p=2.0)")
    assert added.code == 0, added.err
    ended = command("compare")
    assert ended.code == 0, ended.out
    assert "n 1 new, = 108 same" in ended.out
    plant(run_folder_of(here, added), lambda r: {**r, "key": f"new{r['key']}"})
    assert command("compare", run_id(added)).code == 0


def run_id(ended):
    return ended.err.split("\nrun ")[1].split(":")[0]


def run_folder_of(here, ended):
    return here / ".prunebench" / "runs" / run_id(ended)


def test_a_restricted_run_says_so_and_is_no_regression_but_makes_no_baseline(command, here):
    command("baseline", "update", "tiny", "--yes")
    ended = command("run", "tiny.toml", "--executor", "inline", "-m", "snip", "--seeds", "1")
    found = command("compare", run_id(ended))
    assert found.code == 0
    assert "not in this run on purpose" in " ".join(found.out.split())
    refused = command("baseline", "update", "tiny", "--yes", "--from", run_id(ended))
    assert refused.code == 2
    assert "it was restricted to methods snip" in refused.err
    assert refused.err.count("\n") == 1
    newest = command("baseline", "update", "tiny", "--yes")
    assert newest.code == 0, "an older run is fit"


def test_what_set_changes_of_running_is_a_restriction_too(command, here):
    command("baseline", "update", "tiny", "--yes")
    ended = command("run", "tiny.toml", "--executor", "inline", "--set", "seeds=1")
    found = command("compare", run_id(ended))
    assert found.code == 0, found.out
    assert "not in this run on purpose" in " ".join(found.out.split())
    refused = command("baseline", "update", "tiny", "--yes", "--from", run_id(ended))
    assert refused.code == 2
    assert "it was changed by --set seeds=1" in refused.err


def test_a_method_that_was_asked_for_and_is_gone_is_a_regression(command, here):
    command("baseline", "update", "tiny", "--yes")
    ended = command("run", "tiny.toml", "--executor", "inline", "-m", "s*", "-m", "random")
    assert command("compare", run_id(ended)).code == 0
    plant(run_folder_of(here, ended), lambda r: None if r["row"]["method"] == "snip" else r)
    found = command("compare", run_id(ended), "--format", "json")
    assert found.code == 1
    (suite,) = json.loads(found.out)["suites"]
    missing = {(item["method"], item["gates"]) for item in suite["items"] if item["state"] == "missing"}
    assert missing == {("snip", True), ("magnitude", False)}


def test_a_run_says_what_instructions_it_used_and_with_others_it_is_another_platform(command, here):
    import torch

    (entry,) = json.loads((run_folder(here) / "provenance.json").read_text()).values()
    assert entry["instructions"].split()[0] == torch.backends.cpu.get_cpu_capability()
    command("baseline", "update", "tiny", "--yes")
    plant(run_folder(here), CAUGHT["one weight"][0])
    assert command("compare").code == 1
    path = run_folder(here) / "provenance.json"
    path.write_text(path.read_text().replace(entry["instructions"], "Z80"))
    ended = command("compare")
    assert "another platform" in ended.out
    assert ended.code == 0, ended.out


def test_changed_scales_compare_with_nothing_and_exit_with_4(command, here):
    command("baseline", "update", "tiny", "--yes")
    ended = command("run", "tiny.toml", "--executor", "inline", "--set", "densities=[0.5]")
    assert ended.code == 0
    found = command("compare")
    assert found.code == 4
    assert "scale of the suite: quick → quick + densities=[0.5]" in found.out
    assert "nothing could be compared" in found.err
    refused = command("baseline", "update", "tiny", "--yes", "--from", "latest")
    assert (refused.code, "its scale is quick + densities=[0.5]" in refused.err) == (2, True)


def test_another_version_of_the_suite_is_not_comparable(command, here):
    command("baseline", "update", "tiny", "--yes")
    (here / "tiny.toml").write_text(TINY.replace("version = 1", "version = 2"))
    assert command("run", "tiny.toml", "--executor", "inline").code == 0
    found = command("compare", "--format", "md")
    assert found.code == 4
    assert "version of the suite: 1 → 2" in found.out
    updated = command("baseline", "update", "tiny", "--yes", "--from", "latest")
    assert updated.code == 0
    assert "not comparable" in updated.out
    assert command("compare").code == 0


def test_unfinished_runs_are_regressions_and_make_no_baseline(command, here):
    command("baseline", "update", "tiny", "--yes")
    path = run_folder(here) / "records.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    ended = command("compare")
    assert ended.code == 1
    assert "planned, not finished" in " ".join(ended.out.split())
    refused = command("baseline", "update", "tiny", "--yes")
    assert refused.code == 2
    assert "2 of its cells are not finished" in refused.err


def test_without_a_baseline_the_error_names_the_verb_that_makes_one(command, here):
    ended = command("compare")
    assert ended.code == 4
    assert "`prunebench baseline update tiny`" in ended.err
    assert ended.err.count("\n") == 1


def test_nobody_is_asked_who_is_not_there_and_an_unknown_suite_is_an_error(command, here):
    ended = command("baseline", "update", "tiny")
    assert (ended.code, "give --yes" in ended.err) == (2, True)
    ended = command("baseline", "update", "collapse", "--yes")
    assert (ended.code, "no run makes a baseline of 'collapse' at scale 'quick'" in ended.err) == (2, True)
    assert "prunebench run collapse --scale quick" in ended.err
    ended = command("baseline", "update", "colapse", "--yes")
    assert (ended.code, "(did you mean 'collapse'?)" in ended.err, "prunebench run" in ended.err) == (2, True, False)
    ended = command("baseline", "update", "tiny", "--yes", "--from", "latest", "--scale", "standard")
    assert (ended.code, "give --scale" in ended.err) == (2, True)


def test_a_run_compares_with_another_by_id_folder_archive_or_baseline_file(command, here):
    command("baseline", "update", "tiny", "--yes")
    assert command("export", "latest", "-o", "run.tar.xz").code == 0
    name = run_folder(here).name
    for other in (name[:6], run_folder(here), "run.tar.xz", "baselines/tiny.quick.json"):
        ended = command("compare", "--to", other)
        assert ended.code == 0, (other, ended.err)
        assert "= 108 same" in ended.out
    assert command("compare", "run.tar.xz").code == 0
    missing = command("compare", "--to", "none.json")
    assert (missing.code, missing.err.count("\n")) == (2, 1)


def test_formats_and_everything(command, here):
    command("baseline", "update", "tiny", "--yes")
    document = json.loads(command("compare", "--format", "json", "--all").out)
    assert len(document["suites"][0]["items"]) == 108
    assert command("compare", "--format", "md").out.startswith("**prunebench: no regression: ")
    assert command("compare", "--format", "csv").out.startswith("suite,state,")
    slow = command("compare", "--max-slowdown", "0.0001")
    assert slow.code in {0, 1}
    assert command("compare", "--max-slowdown", "0").code == 2


def test_the_library_compares(command, here):
    command("baseline", "update", "tiny", "--yes")
    found = pb.compare()
    assert (found.regressed, found.counts) == (False, {"same": 108})
    assert pb.compare(to=run_folder(here)).counts == {"same": 108}
    assert found.table("md").startswith("**prunebench: no regression")
    (here / "baselines" / "tiny.quick.json").unlink()
    with pytest.raises(NothingToDoError, match="baseline update tiny"):
        pb.compare("latest")


def test_a_damaged_baseline_is_an_error_of_one_line_and_can_be_replaced(command, here):
    command("baseline", "update", "tiny", "--yes")
    path = here / "baselines" / "tiny.quick.json"
    content = path.read_text()
    path.write_text(content.replace('"kept",[', '"kept",["x",', 1))
    ended = command("compare")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "tiny.quick.json is a damaged baseline: values, line " in ended.err
    assert "'x' is no number" in ended.err
    mended = command("baseline", "update", "tiny", "--yes")
    assert (mended.code, "damaged" in mended.out) == (0, True)
    assert path.read_text() == content


def test_suites_that_only_one_run_has_are_named_and_one_that_is_gone_is_exit_code_4(command, here):
    (here / "other.toml").write_text(TINY.replace('name = "tiny"', 'name = "other"'))
    ended = command("run", "tiny.toml", "other.toml", "--executor", "inline")
    assert ended.code == 0, ended.err
    first = run_folder_of(here, ended).parent / first_run(here, ended)
    found = command("compare", "latest", "--to", first)
    assert found.code == 0, found.err
    assert "n 4 new — the suite is not in run" in " ".join(found.out.split())
    back = command("compare", first, "--to", run_folder_of(here, ended))
    assert back.code == 4
    assert back.out.startswith("no regression; 1 suite not compared: ")
    assert back.err.startswith("prunebench: error: no regression; 1 suite not compared: ")
    assert command("compare", first, "--to", run_folder_of(here, ended), "--exit-zero").code == 0
    # Of two suites one has a baseline: that one compares, and the error says how to make the other.
    assert command("baseline", "update", "tiny", "--yes").code == 0
    half = command("compare", "latest")
    assert half.code == 4
    assert "= 108 same" in half.out
    assert "make one by `prunebench baseline update other`" in " ".join(half.out.split())
    plant(run_folder_of(here, ended), lambda r: None if r["row"]["method"] == "snip" else r)
    assert command("compare", run_id(ended)).code == 1, "a regression comes first"


@pytest.mark.parametrize("name", ["other.quick", "tiny.standard"])
def test_a_baseline_under_a_name_of_another_is_refused(command, here, name):
    command("baseline", "update", "tiny", "--yes")
    folder = here / "baselines"
    content = (folder / "tiny.quick.json").read_text()
    suite, scale = name.split(".")
    content = content.replace('"suite": "tiny"', f'"suite": "{suite}"').replace(
        '"scale": "quick"', f'"scale": "{scale}"'
    )
    (folder / "tiny.quick.json").write_text(content)
    ended = command("compare")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"tiny.quick.json is the baseline of {suite} at scale {scale}" in ended.err
    updated = command("baseline", "update", "tiny", "--yes")
    assert updated.code == 0, updated.err


def test_a_run_that_cannot_be_read_keeps_no_other_from_making_a_baseline(command, here):
    broken = here / ".prunebench" / "runs" / "ffffffffffff"
    shutil.copytree(run_folder(here), broken)
    (broken / "plan.json").write_text("{")
    (broken / "records.jsonl").touch()
    assert command("baseline", "update", "tiny", "--yes").code == 0
    ended = command("baseline", "update", "other", "--yes")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "ffffffffffff" in ended.err


def test_update_shows_the_run_against_what_it_replaces(command, here):
    command("baseline", "update", "tiny", "--yes")
    plant(run_folder(here), CAUGHT["one weight"][0])
    shown = command("baseline", "update", "tiny", "--yes").out
    assert f"run {run_folder(here).name} against baseline tiny.quick" in " ".join(shown.split())


def test_a_junit_report_is_written_whole_or_not_at_all(command, here, monkeypatch):
    command("baseline", "update", "tiny", "--yes")
    (here / "report.xml").write_text("of before")
    with monkeypatch.context() as patched:
        patched.setattr(
            "pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        ended = command("compare", "--junit", "report.xml")
    assert (ended.code, "No space left on device" in ended.err) == (2, True)
    assert (here / "report.xml").read_text() == "of before"
    assert command("compare", "--junit", "/dev/null").code == 0


def first_run(here, but):
    return next(p.name for p in (here / ".prunebench" / "runs").iterdir() if p.name != run_id(but))

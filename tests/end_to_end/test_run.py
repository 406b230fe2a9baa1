"""`prunebench run` in this process: what a user sees, what is on disk, what goes wrong."""

from __future__ import annotations

import json

import pytest

from prunebench.analysis.results import load_results

CELLS = 32
"""4 methods × 2 repetitions × (1 + 3 densities)."""


def run(command, suite, *arguments):
    return command("run", suite, "--executor", "inline", *arguments)


def folder_of(tmp_path):
    (folder,) = (tmp_path / ".prunebench" / "runs").iterdir()
    return folder


def records_of(tmp_path):
    return [json.loads(line) for line in (folder_of(tmp_path) / "records.jsonl").read_text().splitlines()]


def test_a_run_prints_a_leaderboard_and_says_where_its_records_are(command, tiny, tmp_path):
    ended = run(command, tiny)
    assert ended.code == 0
    for method in ("random", "magnitude", "snip", "synflow(rounds=5)"):
        assert method in ended.out
    assert "records: .prunebench/runs/" in ended.err
    assert "[32/32]" in ended.err
    statuses = [r["status"] for r in records_of(tmp_path)]
    assert (statuses.count("ok"), statuses.count("skipped")) == (24, 8), "a density below one weight a layer is skipped"


def test_only_results_go_to_standard_output(command, tiny):
    ended = run(command, tiny, "--format", "json")
    assert {row["method"] for row in json.loads(ended.out)[0]["rows"]} == {
        "random", "magnitude", "snip", "synflow(rounds=5)",
    }  # fmt: skip


def test_the_same_command_again_runs_nothing_and_prints_the_same(command, tiny):
    first = run(command, tiny)
    second = run(command, tiny)
    assert second.out == first.out
    assert "0 steps run; 32 had their record before" in second.err


def test_another_selection_shares_the_stored_steps(command, tiny):
    run(command, tiny)
    ended = run(command, tiny, "-m", "snip", "-m", "syn*")
    assert "0 steps run" in ended.err
    assert "random" not in ended.out


def test_adding_a_method_keeps_the_others(command, tiny, faulty):
    ended = run(command, tiny, "--plugin", faulty, "-m", "+power:p=2")
    assert "power(p=2.0)" in ended.out
    assert "magnitude" in ended.out


def test_more_seeds_only_run_the_new_repetitions(command, tiny):
    run(command, tiny, "--seeds", "1")
    ended = run(command, tiny, "--seeds", "2")
    assert "32 cells" in ended.err
    assert "8 steps run" in ended.err


def test_squaring_the_magnitude_changes_no_mask(command, tiny, tmp_path, faulty):
    run(command, tiny, "--plugin", faulty, "-m", "magnitude", "-m", "power:p=2", "--seeds", "1")
    kept = {}
    for record in load_results(folder_of(tmp_path)).records:
        kept.setdefault(record.row.method, []).append(dict(record.metrics, prune_over_cut=None))
    assert kept["magnitude"] == kept["power(p=2.0)"]


def test_failures_are_records_and_the_rest_is_unharmed(command, tiny, faulty, tmp_path):
    wanted = [part for name in ("raises", "nan", "flat", "exits", "power") for part in ("-m", name)]
    ended = run(command, tiny, "--plugin", faulty, "--seeds", "1", *wanted)
    assert ended.code == 3
    by_method = {}
    for record in records_of(tmp_path):
        by_method.setdefault(record["row"]["method"], set()).add(record["status"])
        if record["status"] == "failed":
            assert record["error"]["step"] == "descent"
    assert by_method == {name: {"failed"} for name in ("raises", "nan", "flat", "exits")} | {"power": {"ok", "skipped"}}
    assert "OddError: ('one', 'two')" in ended.err
    assert "1920 of 1920 scores of layer 1.weight are NaN" in ended.err
    assert "scores of layer 1.weight have shape [1920], the weight [30, 64]" in ended.err
    assert "Traceback" not in ended.err
    assert "1 (0/4 cells)" in ended.out, "holes are shown"


def test_failed_cells_stay_until_they_are_asked_to_run_again(command, tiny, faulty):
    arguments = ("--plugin", faulty, "-m", "nan", "--seeds", "1")
    run(command, tiny, *arguments)
    again = run(command, tiny, *arguments)
    assert again.code == 3
    assert "0 steps run; 4 had their record before" in again.err
    rerun = run(command, tiny, *arguments, "--rerun", "failed")
    assert "1 steps run" in rerun.err


def test_running_all_again_gives_the_same_numbers(command, tiny, tmp_path):
    run(command, tiny)
    before = {json.dumps(r["row"]): (r["metrics"], r["labels"]) for r in records_of(tmp_path)}
    ended = run(command, tiny, "--rerun", "all")
    assert "16 steps run" in ended.err
    assert {json.dumps(r["row"]): (r["metrics"], r["labels"]) for r in records_of(tmp_path)} == before


def test_a_dry_run_counts_and_writes_nothing(command, tiny, tmp_path):
    ended = run(command, tiny, "-n")
    assert ended.code == 0
    assert "cells      32" in ended.out
    assert "steps      16 after sharing, 64 without" in ended.out
    assert not (tmp_path / ".prunebench").exists()


def test_changing_a_plug_in_runs_its_method_again_and_no_other(command, tiny, tmp_path):
    plugin = tmp_path / "mine.py"
    source = "import prunebench as pb\n@pb.scorer('mine-{}')\n"
    source += "def f(ctx):\n    return {{n: w.{} for n, w in ctx.weights.items()}}\n"
    plugin.write_text(source.format("a", "abs()"))
    arguments = ("-m", "magnitude", "-m", "mine-a", "--seeds", "1")
    run(command, tiny, "--plugin", plugin, *arguments)
    store = tmp_path / ".prunebench" / "artifacts"
    before = {path.name for path in store.rglob("*.json")}
    from prunebench import codehash

    codehash.code_digest.cache_clear()
    codehash._read.cache_clear()
    plugin.write_text(source.format("a", "square()"))
    ended = run(command, tiny, "--plugin", plugin, *arguments)
    assert "2 steps run" in ended.err
    assert len({path.name for path in store.rglob("*.json")} - before) == 2


def test_density_cells_keep_exactly_the_rounded_share(command, tiny, tmp_path):
    run(command, tiny)
    total = 64 * 30 + 30 * 10 + 10 * 10
    for record in records_of(tmp_path):
        density = record["row"]["density"]
        if density is not None and record["status"] == "ok":
            assert record["metrics"]["kept"] == round(density * total)


@pytest.mark.parametrize("arms", ["trajectory", "targets"])
def test_a_density_below_a_weight_a_layer_is_skipped_with_its_reason_by_either_way(command, tiny, arms):
    ended = command("run", tiny, "--executor", "inline", "--seeds", "1", "-m", "random",
                    "--set", "densities=[0.5, 0.0001]", "--set", f"arms=[{arms}]")  # fmt: skip
    assert ended.code == 0, ended.err
    assert "(2 ok, 1 skipped)" in ended.err
    assert "skipped lenet-300-100(width=0.1)" in ended.err
    assert "fewer than the 3 layers" in ended.err


def test_results_can_be_read_back_with_their_series(command, tiny, tmp_path):
    run(command, tiny)
    results = load_results(folder_of(tmp_path))
    assert len(results.records) == CELLS
    assert results.missing() == []
    dense = next(r for r in results.records if r.row.density == 0.5 and r.row.method == "random")
    series = results.series(dense)
    assert series["size_by_layer"] == [1920, 300, 100]
    assert sum(series["kept_by_layer"]) == dense.metrics["kept"]
    assert sum(series["effective_by_layer"]) == dense.metrics["effective_kept"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "colapse"], "unknown suite 'colapse' (did you mean 'collapse'?)"),
        (["run", "nowhere.toml"], "no suite file nowhere.toml"),
        (["run", "collapse", "-m", "synflw"], "unknown method 'synflw' (did you mean 'synflow'?)"),
        (["run", "collapse", "-m", "snip(rounds=0)"], "rounds=0 must be at least 1"),
        (["run", "collapse", "-m", "snip:rouds=3"], "takes no parameter 'rouds' (did you mean 'rounds'?)"),
        (["run", "collapse", "-m", "snip:mode=trian"], "mode=trian is not 'train' or 'eval' (did you mean 'train'?)"),
        (["run", "collapse", "-m", "snip("], "malformed spec 'snip('"),
        (["run", "collapse", "-m", "zero*"], "no method of the suite matches 'zero*'"),
        (["run", "collapse", "--scale", "huge"], "suite 'collapse' has no scale 'huge'"),
        (["run", "collapse", "--seeds", "0"], "--seeds 0"),
        (["run", "collapse", "-j", "none"], "--jobs none"),
        (["run", "collapse", "-j", "0"], "--jobs 0"),
        (["run", "collapse", "--timeout", "10"], "needs a positive number with a unit"),
        (["run", "collapse", "--memory", "lots"], "size 'lots'"),
        (["run", "collapse", "--plugin", "nowhere.py"], "plug-in 'nowhere.py' is not found"),
        (["run"], "Missing argument 'SUITE...'"),
        (["rnu", "collapse"], "unknown verb 'rnu' (did you mean 'run'?)"),
        (["run", "collapse", "--sclae", "quick"], "No such option"),
        (["show", "synflw"], "did you mean 'synflow'?"),
        (["list", "method"], "unknown kind 'method' (did you mean 'methods'?)"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(command, arguments, words):
    ended = command(*arguments)
    assert ended.code == 2
    (line,) = ended.err.strip().splitlines()
    assert line.startswith("prunebench: error: ")
    assert words in line
    assert ended.out == ""


def test_a_plug_in_that_fails_on_import_is_one_line(command, tmp_path):
    (tmp_path / "bad.py").write_text("import nothing_of_the_kind\n")
    ended = command("run", "collapse", "--plugin", "bad.py")
    assert ended.code == 2
    assert "plug-in 'bad.py' fails on import: ModuleNotFoundError" in ended.err


def test_a_suite_that_is_no_toml_is_one_line_with_its_place(command, tmp_path):
    (tmp_path / "bad.toml").write_text("name = [\n")
    ended = command("run", "bad.toml")
    assert ended.code == 2
    assert ended.err.startswith("prunebench: error: bad.toml: ")
    assert len(ended.err.strip().splitlines()) == 1


def test_a_store_that_cannot_be_written_is_one_line(command, tiny, tmp_path):
    (tmp_path / "file").write_text("")
    ended = run(command, tiny, "--store", tmp_path / "file" / "store")
    assert ended.code == 2
    assert "cannot be written: Not a directory" in ended.err


def test_a_store_that_another_run_uses_is_one_line(command, tiny, tmp_path):
    from filelock import FileLock

    (tmp_path / ".prunebench").mkdir()
    with FileLock(tmp_path / ".prunebench" / "lock"):
        ended = run(command, tiny)
    assert ended.code == 2
    assert "another run is using the store .prunebench" in ended.err


def test_a_damaged_record_is_one_line_and_the_others_are_kept(command, tiny, tmp_path):
    run(command, tiny)
    path = folder_of(tmp_path) / "records.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], "not a record\n", *lines[3:]]))
    for arguments in (("run", tiny, "--executor", "inline"), ("show", "latest")):
        ended = command(*arguments)
        assert ended.code == 2
        assert "records.jsonl, line 4: " in ended.err
        assert len(ended.err.strip().splitlines()) == 1
    path.write_text("".join(lines))
    assert "0 steps run" in run(command, tiny).err


def test_a_model_that_does_not_fit_its_data_is_a_failed_record(command, tiny, tmp_path):
    tiny.write_text(tiny.read_text().replace("lenet-300-100(width=0.1)", "vgg-16(width=0.1)"))
    ended = run(command, tiny, "--seeds", "1", "-m", "random")
    assert ended.code == 3
    assert "vgg-16 needs images of at least 32 × 32 pixels" in ended.err


def test_an_internal_error_says_so_and_hides_its_traceback(command, tiny, monkeypatch):
    def fault(*_arguments, **_options):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("prunebench.harness.run.make_plan", fault)
    ended = run(command, tiny)
    assert ended.code == 70
    assert ended.err == "prunebench: error: internal error: RuntimeError: a fault of ours; --debug shows where\n"
    assert "Traceback" in run(command, tiny, "--debug").err

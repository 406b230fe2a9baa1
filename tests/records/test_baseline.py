"""The file of a baseline: what is in it, that it comes back to the bit, and what damage to it says."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.errors import StoreError
from prunebench.records.baseline import digests, file_name, make, write
from prunebench.records.baseline_reader import read_baseline
from prunebench.records.metrics import METRICS
from prunebench.records.origin import Origin
from prunebench.records.places import baseline_file, baseline_folder
from prunebench.records.schema import Failure, Record, Row

SUITE = {
    "name": "made",
    "version": 3,
    "question": "Is it?",
    "presentation": {"column": [{"label": "first_dead_layer"}]},
}
ORIGIN = Origin(
    "run", "0.1.0", "abc+", "Linux x86_64", "Z80", "AVX2", {"torch": "2.15.0"}, {"device": "cpu", "threads": 1}
)


def row(method="snip", density=0.5, repetition=0, *, arm=None, recipe="small-sgd"):
    return Row("made", 3, "sanity", "quick", "mlp", "mnist1d", recipe, method, density, arm, repetition)


def back(tmp_path, baseline):
    path = tmp_path / "b.json"
    path.write_bytes(write(baseline))
    return read_baseline(path)


texts = st.text(max_size=12)
values = st.one_of(
    st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**60), 2**60), st.just(0.1 + 0.2)
)
NAMES = ["test_accuracy", "kept", "of_a_plug_in"]


@st.composite
def some_records(draw):
    found = []
    places = draw(
        st.lists(
            st.tuples(
                texts, st.one_of(st.none(), st.floats(0, 1)), st.one_of(st.none(), texts), st.one_of(st.none(), texts)
            ),
            min_size=1, max_size=4, unique=True,
        )
    )  # fmt: skip
    for method, density, arm, recipe in places:
        for n in draw(st.sets(st.integers(0, 4), min_size=1)):
            own = row(method, density, n, arm=arm, recipe=recipe)
            status = draw(st.sampled_from(["ok", "failed", "skipped", "timeout"]))
            metrics = {name: draw(values) for name in NAMES} if status == "ok" else {}
            labels = {"ticket": draw(texts), "first_dead_layer": draw(texts)} if status == "ok" else {}
            found.append(Record(own, status, metrics=metrics, labels=labels, key=draw(texts)))
    return found


@settings(max_examples=60, deadline=None)
@given(some_records())
def test_every_baseline_comes_back_to_the_bit(tmp_path_factory, records):
    baseline = make(SUITE, "quick", ORIGIN, records)
    read = back(tmp_path_factory.mktemp("b"), baseline)
    assert read.origin == ORIGIN
    assert read.digests == baseline.digests
    assert read.metrics == baseline.metrics
    assert read.plan() == baseline.plan()
    assert write(read) == write(baseline)
    known = {record.row: record for record in records}
    assert {record.row for record in read.records} == set(known)
    for record in read.records:
        old = known[record.row]
        assert (record.status, record.labels) == (old.status, old.labels)
        for name, value in old.metrics.items():
            assert record.metrics[name] == value
            assert type(record.metrics[name]) is type(value)


def test_the_order_of_records_moves_no_byte():
    records = [
        Record(row(method, density, n), "ok", metrics={"kept": n, "density": 0.5})
        for method in ("snip", "random")
        for density in (0.5, 0.1, None)
        for n in range(3)
    ]
    assert write(make(SUITE, "quick", ORIGIN, records)) == write(make(SUITE, "quick", ORIGIN, records[::-1]))


def test_there_is_a_line_a_metric_with_a_value_a_repetition():
    records = [Record(row(repetition=n), "ok", metrics={"test_accuracy": 0.1 + n, "kept": 7}) for n in range(3)]
    lines = write(make(SUITE, "quick", ORIGIN, records)).decode().splitlines()
    assert '[["sanity","mlp","mnist1d","small-sgd"],"snip",0.5,null,"test_accuracy",[0.1,1.1,2.1]]' in lines
    assert '[["sanity","mlp","mnist1d","small-sgd"],"snip",0.5,null,"kept",[7,7,7]],' in lines
    assert not any('"status"' in line for line in lines), "all are ok"


def test_statuses_that_are_not_all_ok_and_labels_of_arms_have_lines_of_their_own(tmp_path):
    labels = {"ticket": "identical", "mask": "identical", "reference": "", "data": "left out"}
    records = [
        Record(row(arm="reinit"), "ok", metrics={"kept": 7}, labels=labels),
        Record(row(arm="reinit", repetition=2), "failed", error=Failure("ValueError", "broken")),
    ]
    baseline = make(SUITE, "quick", ORIGIN, records)
    block = json.loads(write(baseline))["values"]
    assert [line[4:] for line in block] == [
        ["status", ["ok", None, "failed"]],
        ["label:reference", ["", None, None]],
        ["label:mask", ["identical", None, None]],
        ["label:ticket", ["identical", None, None]],
        ["kept", [7, None, None]],
    ]
    found = back(tmp_path, baseline).records
    assert [(r.row.repetition, r.status) for r in found] == [(0, "ok"), (2, "failed")]
    assert found[0].labels == {k: v for k, v in labels.items() if k != "data"}


def test_what_is_only_shown_has_no_line_and_versions_come_along(tmp_path):
    assert METRICS["overlap_chance"].gate == "shown"
    record = Record(
        row(), "ok", metrics={"overlap_chance": 0.5, "kept": 3, "density": 0.5}, metric_versions={"kept": 4}
    )  # fmt: skip
    baseline = make(SUITE, "quick", ORIGIN, [record])
    assert baseline.metrics == {"density": (1, "structural"), "kept": (4, "structural")}
    (found,) = back(tmp_path, baseline).records
    assert found.version("kept") == 4
    assert found.version("density") == 1
    assert set(found.metrics) == {"kept", "density"}


def test_costs_are_means_of_a_method_with_its_highest_peak(tmp_path):
    def spent(find, peak, n):
        return Record(
            row(repetition=n), "ok", metrics={"kept": 1}, cost={"find": {"cpu_seconds": find, "peak_bytes": peak}}
        )

    baseline = make(SUITE, "quick", ORIGIN, [spent(1.0, 100, 0), spent(2.0, 300, 1)])
    assert json.loads(write(baseline))["costs"] == [
        [["sanity", "mlp", "mnist1d", "small-sgd"], "snip", 1.5, None, None, 300]
    ]  # fmt: skip
    for record in back(tmp_path, baseline).records:
        assert record.cost == {"find": {"cpu_seconds": 1.5}, "measure": {"peak_bytes": 300}}


def test_a_digest_stands_for_densities_arms_and_keys_of_one_repetition():
    found = [
        Record(row(density=d, arm=arm, repetition=n), "ok", key=f"{d}{arm}{n}")
        for d in (0.5, 0.1) for arm in (None, "reinit") for n in (0, 1)
    ]  # fmt: skip
    ((key, (first, second)),) = digests(found).items()
    assert key == (("sanity", "mlp", "mnist1d", "small-sgd"), "snip")
    assert first != second
    ((_, again),) = digests(found[::-1]).items()
    assert again == (first, second)
    ((_, other),) = digests([replace(found[0], key="new"), *found[1:]]).items()
    assert (other[0] != first, other[1]) == (True, second)


def good():
    records = [Record(row(repetition=n), "ok", metrics={"kept": 7, "density": 0.5}) for n in range(2)]
    return json.loads(write(make(SUITE, "quick", ORIGIN, records)))


def edited(block, place, change):
    plain = good()
    plain[block][place] = change(plain[block][place])
    return plain


def with_origin(name, value):
    plain = good()
    plain["origin"][name] = value
    return plain


DAMAGED = {
    "no JSON": ("{", "no readable baseline"),
    "no object": ([], "schema is None"),
    "another schema": ({**good(), "schema": 9}, "its schema is 9"),
    "no values": ({k: v for k, v in good().items() if k != "values"}, "'values' is missing"),
    "a short line": (edited("values", 1, lambda line: line[:5]), "values, line 2: "),
    "a word for a number": (
        edited("values", 0, lambda line: [*line[:5], ["7", 7]]),
        "values, line 1: '7' is no number",
    ),
    "a truth for a number": (edited("values", 0, lambda line: [*line[:5], [True, 7]]), "True is no number"),
    "repetitions of two lengths": (edited("values", 0, lambda line: [*line[:5], [7]]), "1 and 2 repetitions"),
    "no repetition": (edited("values", 0, lambda line: [*line[:5], []]), "no list of values"),
    "a line twice": (edited("values", 1, lambda line: [*line[:4], "density", [1, 1]]), "is there twice"),
    "an unlisted metric": (edited("values", 0, lambda line: [*line[:4], "other", [1, 1]]), "none of the baseline's"),
    "an unknown status": (edited("values", 0, lambda line: [*line[:4], "status", ["ok", "?"]]), "'?' is no status"),
    "a task of three": (edited("values", 0, lambda line: [line[0][:3], *line[1:]]), "values, line 1: "),
    "a gate that is none": (
        edited("metrics", 0, lambda line: [*line[:2], "open"]),
        "metrics, line 1: 'open' is no gate",
    ),
    "a version that is none": ({**good(), "suite_version": "1"}, "no whole number"),
    "a digest that is none": (edited("digests", 0, lambda line: [*line[:2], [1, 2]]), "digests, line 1: "),
    "no origin": ({**good(), "origin": {}}, "'run' is missing"),
    "a number that no float holds": (edited("values", 0, lambda line: [*line[:5], [10**400, 7]]), "is no number"),
    "such a density": (edited("values", 0, lambda line: [*line[:2], 10**400, *line[3:]]), "is no number"),
    "such a cost": ({**good(), "costs": [[["a", "b", "c", None], "snip", 10**400, None, None, None]]}, "is no number"),
    "a number that JSON reads as infinite": (
        json.dumps(edited("values", 0, lambda line: [*line[:5], [4711, 7]])).replace("4711", "1e999"),
        "inf is no number",
    ),
    "a library of several versions": (with_origin("libraries", {"torch": ["2"]}), "['2'] is no text"),
    "libraries as a list": (with_origin("libraries", ["torch"]), "'list' object has no attribute 'items'"),
    "an environment of lists": (with_origin("environment", {"device": ["cpu"]}), "['cpu'] is no number"),
    "an environment of tables": (with_origin("environment", {"device": {"cpu": 1}}), "is no number"),
    "instructions that are none": (with_origin("instructions", 2), "2 is no text"),
    "columns that are none": ({**good(), "presentation": {"column": ["density"]}}, "no list of columns"),
    "nothing": ({**good(), "values": []}, "it holds no values"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_an_error_of_one_line_that_names_file_and_place(tmp_path, case):
    content, message = DAMAGED[case]
    path = tmp_path / "b.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(StoreError, match=r"b\.json") as caught:
        read_baseline(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400, "a long value is cut"


def test_infinity_is_no_value(tmp_path):
    path = tmp_path / "b.json"
    path.write_text(json.dumps(edited("values", 0, lambda line: [*line[:5], [float("inf"), 7]])))
    with pytest.raises(StoreError, match="Infinity is no JSON"):
        read_baseline(path)


def test_a_missing_file_and_a_name_that_leaves_the_folder_are_errors(tmp_path):
    with pytest.raises(StoreError, match=r"none\.json is no readable baseline: No such file or directory$"):
        read_baseline(tmp_path / "none.json")
    assert file_name("tradeoff", "quick") == "tradeoff.quick.json"
    with pytest.raises(StoreError, match="no baseline can be called"):
        file_name("../up", "quick")


@pytest.mark.parametrize(
    "change",
    [
        {"processor": "6502"}, {"processor": ""}, {"instructions": "AVX512"}, {"instructions": ""},
        {"platform": "Darwin arm64"}, {"libraries": {"torch": "2.15.1"}},
        {"environment": {"device": "cpu", "threads": 2}}, {"environment": {"device": "cpu"}},
    ],
)  # fmt: skip
def test_another_platform_is_said_to_be_one(change):
    names = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "mnist1d")
    whole = replace(ORIGIN, libraries=dict.fromkeys(names, "1"))
    assert whole.apart(whole) == []
    other = replace(whole, **change)
    assert whole.apart(other)
    assert other.apart(whole)


@pytest.mark.parametrize("word", ["", "x86_64", "AMD64", "i686", "arm", "arm64", "aarch64", "armv7l", "several"])
def test_an_architecture_is_no_model_of_a_processor_and_two_of_one_are_not_the_same_platform(word):
    names = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "mnist1d")
    whole = replace(ORIGIN, libraries=dict.fromkeys(names, "1"))
    assert whole.apart(whole) == []
    assert replace(whole, processor="Apple M2").apart(replace(whole, processor="Apple M2")) == []
    (told,) = replace(whole, processor=word).apart(replace(whole, processor=word))
    assert told.startswith("processor ")


def test_a_run_whose_passes_do_not_say_their_instructions_is_on_no_platform():
    one = {"platform": "Linux", "processor": "Z80", "libraries": {}, "instructions": "AVX2"}
    assert Origin.of("r", {}, [one]).instructions == "AVX2"
    assert Origin.of("r", {}, [one, {**one, "instructions": "AVX512"}]).instructions == "several"
    assert Origin.of("r", {}, [{**one, "instructions": ""}]).instructions == ""


def test_passes_that_differ_are_on_no_platform():
    one = {"platform": "Linux", "processor": "Z80", "libraries": {"torch": "2"}, "prunebench": "1", "git": None}
    same = Origin.of("r", {}, [one, dict(one)])
    assert (same.processor, same.libraries, same.commit) == ("Z80", {"torch": "2"}, "")
    mixed = Origin.of("r", {}, [one, {**one, "processor": "6502"}])
    assert mixed.processor == "several"
    assert any(text.startswith("processor") for text in mixed.apart(mixed))
    assert Origin.of("r", {}, []).processor == ""


def test_a_baseline_here_comes_before_a_stored_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert baseline_file("sanity.quick.json") == baseline_folder() / "sanity.quick.json"
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "sanity.quick.json").touch()
    assert baseline_file("sanity.quick.json").resolve() == tmp_path / "baselines" / "sanity.quick.json"
    assert baseline_file("sanity.standard.json") == baseline_folder() / "sanity.standard.json"


def test_every_stored_baseline_can_be_read_and_says_no_machine():
    stored = sorted(baseline_folder().glob("*.json"))
    assert stored
    for path in stored:
        found = read_baseline(path)
        assert path.name == file_name(found.suite, found.scale)
        assert write(found) == path.read_bytes(), "written by the present format"
        assert all(record.status != "cancelled" for record in found.records)
        head = path.read_bytes()[: path.read_bytes().index(b'"values"')]
        assert b"/" not in re.sub(rb'"(question|why|header)": "[^"]*"', b"", head), "no path of a machine"

"""Folders and archives of runs: what is read out of them, and what is refused."""

from __future__ import annotations

import gc
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from prunebench.errors import StoreError
from prunebench.records import sources
from prunebench.records.sources import Archive, Folder, is_archive, source_of

CONTENT = {
    "plan.json": b'{"run": "r"}',
    "provenance.json": b"{}",
    "records.jsonl": b"one\ntwo\n",
    "series.jsonl": b'{"a": [1]}\n{"b": [2]}\n',
}


def packed(path, files):
    """An archive of these paths; None stands for a folder."""
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files:
                archive.writestr(f"{name}/" if content is None else name, content or b"")
        return path
    with tarfile.open(path, f"w:{'gz' if path.name.endswith('gz') else 'xz'}") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size, member.type = len(content or b""), tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(content or b""))
    return path


def whole(source, name):
    file = source.open(name)
    if file is None:
        return None
    with file:
        return file.read()


@pytest.mark.parametrize("ending", [".tar.xz", ".txz", ".tar.gz", ".tgz", ".zip", ".TAR.XZ"])
@pytest.mark.parametrize("folder", ["", "./", "5a7e/", "./5a7e/"])
def test_an_archive_of_a_folder_or_of_its_files_holds_what_the_folder_did(tmp_path, ending, folder):
    files = [(f"{folder}{name}", content) for name, content in CONTENT.items()]
    others = [("5a7e", None), ("5a7e/log", None), ("5a7e/log/worker-1.txt", b"a word"), ("README", b"mine")]
    source = source_of(packed(tmp_path / f"run{ending}", [*others, *files]))
    assert isinstance(source, Archive)
    assert {name: whole(source, name) for name in CONTENT} == CONTENT
    assert whole(source, "plan.json") == CONTENT["plan.json"], "a file is read as often as one likes"


def test_what_an_archive_lacks_is_none_but_for_the_plan(tmp_path):
    source = source_of(packed(tmp_path / "r.zip", [("plan.json", b"{}")]))
    assert whole(source, "series.jsonl") is None
    with pytest.raises(StoreError, match=r"r\.tgz holds no run: there is no plan\.json in it"):
        source_of(packed(tmp_path / "r.tgz", [("records.jsonl", b"")]))


def test_a_folder_is_read_where_it_lies(tmp_path):
    (tmp_path / "plan.json").write_bytes(b"{}")
    source = source_of(tmp_path)
    assert isinstance(source, Folder)
    assert whole(source, "plan.json") == b"{}"
    assert whole(source, "records.jsonl") is None
    folder = tmp_path / "named.zip"
    folder.mkdir()
    assert isinstance(source_of(folder), Folder)


@pytest.mark.parametrize("ending", [".tar.xz", ".zip"])
@pytest.mark.parametrize(
    "more",
    [
        [("a/plan.json", b"{}"), ("b/plan.json", b"{}")],
        [("a/plan.json", b"{}"), ("records.jsonl", b"")],
        [("a/plan.json", b"{}"), ("b/series.jsonl", b"")],
        [("plan.json", b"{}"), ("./plan.json", b"{}")],
    ],
)
def test_an_archive_of_several_runs_is_refused(tmp_path, ending, more):
    with pytest.raises(StoreError, match="holds several runs: unpack it"):
        source_of(packed(tmp_path / f"r{ending}", more))


@pytest.mark.parametrize("ending", [".tar.xz", ".zip"])
@pytest.mark.parametrize("outside", ["../", "a/../", "/", "/etc/", "../../../", "a/b/c/"])
def test_no_file_is_written_where_an_archive_says_and_none_read_from_outside_its_folder(tmp_path, ending, outside):
    before = sorted(tmp_path.rglob("*"))
    inner = tmp_path / "inner"
    inner.mkdir()
    hostile = packed(inner / f"r{ending}", [("plan.json", b"{}"), (f"{outside}stolen", b"x")])
    source_of(hostile)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, inner, hostile])
    if ".." in outside or outside.count("/") > 1:
        with pytest.raises(StoreError, match=r"holds no run|several runs"):
            source_of(packed(inner / f"s{ending}", [(f"{outside}plan.json", b"{}"), ("records.jsonl", b"")]))


def test_links_and_devices_are_no_files_of_a_run(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    path = tmp_path / "r.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, kind in (("plan.json", tarfile.SYMTYPE), ("records.jsonl", tarfile.LNKTYPE), ("x", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(secret)
            archive.addfile(member)
    with pytest.raises(StoreError, match="holds no run"):
        source_of(path)


@pytest.mark.parametrize("ending", [".tar.gz", ".zip"])
def test_an_archive_that_would_fill_the_disk_is_refused_before_it_is_unpacked(tmp_path, ending, monkeypatch):
    path = packed(
        tmp_path / f"r{ending}", [("log/x", b"0" * 3000), ("plan.json", b"{}"), ("records.jsonl", b"0" * 5000)]
    )
    assert path.stat().st_size < 3000
    source_of(path)
    monkeypatch.setattr(sources, "LARGEST", 8001)
    with pytest.raises(StoreError, match=rf"r{ending} is too large"):
        source_of(path)
    monkeypatch.setattr(sources, "LARGEST", 8002)
    source_of(path)
    monkeypatch.setattr(sources, "MOST_MEMBERS", 2)
    with pytest.raises(StoreError, match=r"is too large: archives of 2 files"):
        source_of(path)


@pytest.mark.parametrize("ending", [".tar.xz", ".tar.gz", ".zip"])
def test_an_archive_that_is_cut_or_damaged_is_one_line(tmp_path, ending):
    noise = os.urandom(4000)
    path = packed(tmp_path / f"r{ending}", [("plan.json", b"{}"), ("records.jsonl", noise), ("series.jsonl", noise)])
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 0xFF
    for broken in (b"", b"no archive", content[: len(content) // 2], bytes(damaged)):
        path.write_bytes(broken)
        with pytest.raises(StoreError) as caught:
            source_of(path)
        message = str(caught.value)
        assert message.startswith(f"{path} cannot be read: ")
        assert len(message.splitlines()) == 1
        assert len(message) > len(f"{path} cannot be read: ")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list descriptors")
def test_the_private_copies_go_with_the_source(tmp_path):
    source = source_of(packed(tmp_path / "r.zip", list(CONTENT.items())))
    gc.collect()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    del source
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors - len(CONTENT)


@pytest.mark.parametrize(
    ("name", "told"), [("a.tar.xz", True), ("A.ZIP", True), ("a.tar", False), ("latest", False), ("a.xz", False)]
)
def test_an_archive_is_known_by_its_ending(name, told):
    assert is_archive(name) is told
    assert is_archive(str(Path("folder") / name)) is told

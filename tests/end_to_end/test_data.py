"""Data from disk in a whole run: found, missing, downloaded, moved."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from torchvision.datasets import CIFAR10

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks"))
from tests.tasks.fake_data import cifar_files, patch_cifar, pixels, served, tar_gz, tree, write_images


@pytest.fixture
def images(tiny):
    """The tiny suite on a folder of images."""
    tiny.write_text(tiny.read_text().replace('"digits"', '"image-folder(path=pictures)"'))
    return tiny


def run(command, suite, *arguments):
    return command("run", suite, "--executor", "inline", "--seeds", "1", *arguments)


def labels(tmp_path):
    return {
        json.loads(line)["labels"].get("data")
        for path in (tmp_path / ".prunebench" / "runs").glob("*/records.jsonl")
        for line in path.read_text().splitlines()
    }


def cifar(monkeypatch):
    """A CIFAR-10 of 20 images a split: its files, and the archive."""
    x = pixels(40, 3, 32, 32)
    y = [i % 10 for i in range(20)]
    files = cifar_files([(x[:20], y)], (x[20:], y))
    return files, tar_gz("cifar-10-batches-py", files)


def test_a_folder_of_images_is_data_like_any_other_and_the_same_in_another_place(command, images, tmp_path):
    for place in ("one", "other"):
        write_images(tmp_path / place / "pictures", tree(per_class=10))
    first = run(command, images, "--data", "one")
    assert first.code == 0, first.err
    assert "8 steps run" in first.err
    again = run(command, images, "--data", "other")
    assert "0 steps run" in again.err
    assert again.out == first.out
    write_images(tmp_path / "one" / "pictures", {"train/ant/more.png": tree(seed=1)["train/ant/00.png"]})
    changed = run(command, images, "--data", "one")
    assert "8 steps run" in changed.err
    assert len(labels(tmp_path) - {None}) == 2


def test_the_decoded_images_are_shared_by_worker_processes(command, images, tmp_path):
    write_images(tmp_path / "data" / "pictures", tree(per_class=10))
    ended = command("run", images, "--seeds", "1", "--data", "data", "-j", "2")
    assert ended.code == 0, ended.err
    assert len(list((tmp_path / "data" / "decoded").glob("*.safetensors"))) == 1


def test_a_missing_folder_is_one_line_that_names_it(command, images, tmp_path):
    ended = run(command, images, "--data", "nowhere", "-m", "snip")
    assert ended.code == 3
    assert f"DataError: no images in {tmp_path / 'nowhere' / 'pictures'}: it needs train/<class>/" in ended.err
    assert "Traceback" not in ended.err


def test_data_are_downloaded_before_the_first_step_and_only_if_asked(command, tiny, tmp_path, monkeypatch):
    tiny.write_text(tiny.read_text().replace('"digits"', '"cifar-10"'))
    files, archive = cifar(monkeypatch)
    words = ("-m", "random", "--data", "data")
    with served({"c.tar.gz": archive}) as (address, asked):
        patch_cifar(monkeypatch, CIFAR10, files, f"{address}c.tar.gz", archive)
        ended = run(command, tiny, *words)
        assert ended.code == 3
        assert f"no {tmp_path / 'data' / 'cifar-10-batches-py' / 'data_batch_1'}: --download fetches it" in ended.err
        assert asked == []
        ended = run(command, tiny, *words, "--download", "--rerun", "failed")
        assert ended.code == 0, ended.err
        assert asked == ["/c.tar.gz"]
        run(command, tiny, *words, "--download", "--rerun", "all")
        assert asked == ["/c.tar.gz"]


def test_a_download_that_fails_is_one_line_and_nothing_runs(command, tiny, tmp_path, monkeypatch):
    tiny.write_text(tiny.read_text().replace('"digits"', '"cifar-10"'))
    files, archive = cifar(monkeypatch)
    with served({"c.tar.gz": archive[:-1]}) as (address, _):
        patch_cifar(monkeypatch, CIFAR10, files, f"{address}c.tar.gz", archive)
        ended = run(command, tiny, "--data", "data", "--download")
    assert ended.code == 2
    said, error = ended.err.strip().splitlines()
    assert said == f"downloading {address}c.tar.gz"
    assert error.startswith("prunebench: error: cifar-10-python.tar.gz could not be downloaded into ")
    assert list((tmp_path / "data").iterdir()) == []
    assert not list((tmp_path / ".prunebench" / "runs").glob("*/records.jsonl")) or labels(tmp_path) == set()


def test_the_function_downloads_as_the_command_does(tiny, tmp_path, monkeypatch):
    import prunebench as pb

    tiny.write_text(tiny.read_text().replace('"digits"', '"cifar-10"'))
    files, archive = cifar(monkeypatch)
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path / "data"))
    with served({"c.tar.gz": archive}) as (address, asked):
        patch_cifar(monkeypatch, CIFAR10, files, f"{address}c.tar.gz", archive)
        results = pb.run(
            str(tiny), methods=["random"], seeds=1, executor="inline", store=tmp_path / "store", download=True
        )
    assert asked == ["/c.tar.gz"]
    assert {r.status for r in results.records} <= {"ok", "skipped"}

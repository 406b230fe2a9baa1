"""What counts in keys for a dataset: versions and files, and never where they lie."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from prunebench.graph import Component, Outcome, step
from prunebench.plugins import ready
from prunebench.registry import DATASETS
from prunebench.spec import Spec
from prunebench.tasks.datasets import identity
from prunebench.tasks.datasets.places import data_at
from prunebench.tasks.registration import dataset
from tests.tasks.fake_data import tree, write_images

ready()


@step(version=1, role="measure")
def work(data=None, others=()):
    """Does nothing."""
    return Outcome()


def node(text):
    return work(data=Component("dataset", Spec.parse(text)))


def key(text):
    identity.forget()
    return node(text).key


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("mnist1d", "mnist1d"), ("distractors", "mnist1d"), ("digits", "scikit-learn"), ("digits32", "scikit-learn"),
        ("distractors(base=digits)", "scikit-learn"), ("tiny-imagenet", "pillow"), ("image-folder", "torchvision"),
        ("imagenet", "pillow"),
    ],
)  # fmt: skip
def test_another_version_of_the_library_behind_the_data_is_other_data(name, library, monkeypatch, tmp_path):
    with data_at(tmp_path):
        before = key(name)
        known = identity._version
        monkeypatch.setattr(identity, "_version", lambda n: "0.0.1" if n == library else known(n))
        assert key(name) != before
        monkeypatch.setattr(identity, "_version", lambda n: known(n) if n == library else "0.0.1")
        assert (key(name) == before) is (library not in {"pillow", "torchvision"})


def test_verified_files_hang_on_no_library():
    for name in ("mnist", "fashion-mnist", "cifar-10", "cifar-100"):
        assert DATASETS.identity(Spec(name)) is None


def test_equal_files_have_equal_keys_wherever_they_lie_and_the_job_knows_where(tmp_path):
    for name in ("here", "there"):
        write_images(tmp_path / name, tree())
    write_images(tmp_path / "data" / "images", tree())
    paths = [f'image-folder(path="{tmp_path / name}")' for name in ("here", "there")]
    assert key(paths[0]) == key(paths[1])
    with data_at(tmp_path / "data"):
        assert key("image-folder") == key(paths[0])
        assert key("image-folder(size=16)") != key("image-folder")
        assert key("image-folder(size=32)") == key("image-folder")
    assert str(tmp_path / "there") in str(node(paths[1]).arguments)
    nested = [work(others=[Component("dataset", Spec.parse(text))]).key for text in paths]
    assert nested[0] == nested[1]


def test_another_file_is_another_key_once_the_folder_is_looked_at_again(tmp_path):
    write_images(tmp_path / "images", tree())
    with data_at(tmp_path):
        before = key("image-folder")
        write_images(tmp_path / "images", {"train/ant/99.png": tree()["test/bee/00.png"]})
        assert node("image-folder").key == before, "one plan looks once"
        assert key("image-folder") != before


def test_a_plan_can_be_made_without_the_data(tmp_path):
    with data_at(tmp_path):
        assert key("image-folder") == key("image-folder(path=elsewhere)")
        missing = key("image-folder")
        write_images(tmp_path / "images", tree())
        assert key("image-folder") != missing


def test_the_base_of_distractors_counts_with_its_code(monkeypatch):
    keys = {
        key("distractors"),
        key("distractors(base=digits)"),
        key("distractors(dead=2)"),
        key("distractors(noisy=2)"),
    }
    assert len(keys) == 4
    before = key("distractors")
    monkeypatch.setattr(identity, "code_digest", lambda module: "other" if module.endswith("mnist1d") else "same")
    once = key("distractors")
    monkeypatch.setattr(identity, "code_digest", lambda module: "another" if module.endswith("mnist1d") else "same")
    assert len({before, once, key("distractors")}) == 3


def revision(*, name="x"):
    return {"name": name, "revision": os.environ["REVISION"]}


def test_a_plugins_dataset_may_say_what_it_hangs_on(monkeypatch):
    for known in (DATASETS.entries, DATASETS._objects):
        monkeypatch.setattr(DATASETS, "entries" if known is DATASETS.entries else "_objects", dict(known))

    @dataset("theirs", identity=revision)
    def theirs(*, name: str = "x"):
        """Theirs."""

    keys = []
    for value in ("1", "2", "1"):
        monkeypatch.setenv("REVISION", value)
        keys.append(key("theirs"))
    assert keys[0] == keys[2] != keys[1]
    assert key("theirs(name=y)") != keys[2]


def test_keys_of_data_need_no_torch(tmp_path):
    write_images(tmp_path / "images", tree())
    code = """
import sys
from prunebench.catalogue import declare
from prunebench.graph import Component
from prunebench.registry import DATASETS
from prunebench.spec import Spec
declare()
for entry in DATASETS:
    print(Component("dataset", Spec(entry.name)).identity())
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "PRUNEBENCH_DATA": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 11

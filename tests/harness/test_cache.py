"""The size of a store's artifacts, and which of them go first."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunebench.environment import Environment
from prunebench.graph import Outcome
from prunebench.harness.artifacts import ArtifactStore
from prunebench.harness.cache import Stored, evict, stored, too_much


@pytest.fixture
def store(tmp_path):
    import torch

    artifacts = ArtifactStore(tmp_path, Environment())
    for age, (key, tensors) in enumerate([("aa1", None), ("bb2", {"w": torch.ones(100)}), ("cc3", None)]):
        artifacts.put(key, Outcome({"n": age}, tensors), step="steps:made", role="find", cost={})
        for path in artifacts.path(key).parent.iterdir():
            os.utime(path, (1000 + age, 1000 + age))
    return artifacts


def test_every_file_of_an_artifact_counts(store, tmp_path):
    found = {a.key: a for a in stored(tmp_path)}
    assert set(found) == {"aa1", "bb2", "cc3"}
    files = [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    assert sum(a.bytes for a in found.values()) == sum(path.stat().st_size for path in files)
    assert found["bb2"].bytes > 400
    assert {a.step() for a in found.values()} == {"made"}
    assert {a.environment for a in found.values()} == {Environment().digest}


def test_reading_an_artifact_is_a_use_of_it(store, tmp_path):
    store.get("aa1")
    used = {a.key: a.used for a in stored(tmp_path)}
    assert max(used, key=used.__getitem__) == "aa1"
    assert (used["bb2"], used["cc3"]) == (1001, 1002)


def test_evicting_deletes_whole_artifacts_and_says_how_much(store, tmp_path):
    before = {a.key: a for a in stored(tmp_path)}
    freed = evict(too_much(before.values(), before["aa1"].bytes + before["cc3"].bytes, {"aa1"}))
    assert {a.key for a in stored(tmp_path)} == {"aa1", "cc3"}
    assert freed == before["bb2"].bytes
    assert store.keys() == ({"aa1", "cc3"}, set())


def test_what_a_killed_process_left_is_seen(store, tmp_path):
    (store.path("dd4").parent).mkdir()
    (store.path("dd4").parent / "dd4.safetensors.123.tmp").write_bytes(b"x" * 10)
    (left,) = (a for a in stored(tmp_path) if a.key == "dd4")
    assert (left.bytes, left.step()) == (10, "?")


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5), st.booleans()), max_size=12), st.integers(0, 200))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_least_recently_used_go_first_and_no_more_than_needed(parts, limit):
    artifacts = [Stored("e", str(i), size, used, ()) for i, (size, used, _) in enumerate(parts)]
    keep = {str(i) for i, (_, _, kept) in enumerate(parts) if kept}
    gone = too_much(artifacts, limit, keep)
    left = [a for a in artifacts if a not in gone]
    free = [a for a in left if a.key not in keep]
    assert not keep & {a.key for a in gone}
    assert sum(a.bytes for a in left) <= limit or not free
    assert max((a.used for a in gone), default=0) <= min((a.used for a in free), default=9)
    if gone:
        assert sum(a.bytes for a in left) + gone[-1].bytes > limit

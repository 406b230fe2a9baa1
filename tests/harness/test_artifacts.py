"""Artifacts are whole or absent."""

from __future__ import annotations

import pytest
import torch

from prunebench.environment import Environment
from prunebench.errors import StoreError
from prunebench.graph import Outcome
from prunebench.harness.artifacts import ArtifactStore

COST = {"wall_seconds": 1.0}


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path, Environment())


def put(store, key, **outcome):
    store.put(key, Outcome(**outcome), step="s", role="find", cost=COST)


def test_values_and_tensors_come_back(store):
    put(store, "ab1", value={"x": 0.1}, tensors={"mask": torch.tensor([True, False]), "t": torch.ones(2, 3).T})
    found = store.get("ab1")
    assert found.value == {"x": 0.1}
    assert found.cost == COST
    assert found.tensors["t"].shape == (3, 2)
    assert found.tensors["mask"].tolist() == [True, False]


def test_one_listing_tells_values_from_tensors_and_sweeps_left_overs(store):
    put(store, "ab1", value={}, tensors={"t": torch.ones(1)})
    put(store, "cd2", value={})
    left_over = store.path("ab1").with_name("ab9.json.77.tmp")
    left_over.write_text("half")
    assert store.keys() == ({"ab1", "cd2"}, {"ab1"})
    assert not left_over.exists()


def test_tensors_without_a_value_do_not_count_as_done(store):
    put(store, "ab1", value={}, tensors={"t": torch.ones(1)})
    store.path("ab1").unlink()
    assert store.keys()[0] == set()


def test_a_value_that_is_not_strict_json_is_refused_and_leaves_nothing(store):
    with pytest.raises(ValueError, match="JSON"):
        put(store, "ab1", value={"x": float("nan")})
    assert store.keys() == (set(), set())


def test_dropping_tensors_keeps_the_value(store):
    put(store, "ab1", value={"x": 1}, tensors={"t": torch.ones(1)})
    store.drop_tensors("ab1")
    store.drop_tensors("ab1")
    assert store.get("ab1").value == {"x": 1}
    with pytest.raises(StoreError, match="safetensors"):
        _ = store.get("ab1").tensors


@pytest.mark.parametrize("content", ["", "{", "[]", '{"value": {}}'])
def test_a_damaged_artifact_is_one_line_with_its_path(store, content):
    put(store, "ab1", value={})
    store.path("ab1").write_text(content)
    with pytest.raises(StoreError, match=r"ab1\.json cannot be read"):
        store.get("ab1")


def test_another_environment_has_artifacts_of_its_own(tmp_path, store):
    put(store, "ab1", value={})
    assert ArtifactStore(tmp_path, Environment(threads=2)).keys() == (set(), set())

"""The numerical environment of a step."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from prunebench import environment
from prunebench.environment import Environment, current, device, entered


@pytest.mark.parametrize("name", [field.name for field in fields(Environment)])
def test_every_part_of_an_environment_moves_its_digest(name):
    changed = replace(Environment(), **{name: 2 if name == "threads" else "another"})
    assert changed.digest != Environment().digest
    assert len(changed.digest) == 12


def test_an_environment_comes_back_from_its_json_form():
    found = Environment.here(device="cpu", threads=3)
    assert Environment(**found.plain()) == found


def test_the_environment_of_this_machine_names_torch_by_its_minor_version():
    major, minor, *_ = torch.__version__.split(".")
    assert Environment.here(device="cpu") == Environment("cpu", f"{major}.{minor}")


def test_a_device_that_is_named_is_taken_as_it_is():
    assert Environment.here(device="cuda").device == "cuda"


@pytest.mark.parametrize(
    ("driver", "available", "found"), [(False, True, "cpu"), (True, False, "cpu"), (True, True, "cuda")]
)
def test_auto_is_the_gpu_where_there_is_a_driver_and_torch_can_use_it(monkeypatch, driver, available, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(Path, "exists", lambda path: driver)
    assert Environment.here(device="auto").device == found


def test_a_step_computes_where_its_environment_says_and_all_is_set_back():
    before = torch.get_num_threads()
    with entered(Environment(device="meta", threads=before + 1)):
        assert current().device == "meta"
        assert device() == torch.device("meta")
        assert torch.get_num_threads() == before + 1
        with entered(Environment(threads=before + 2)):
            assert device() == torch.device("cpu")
        assert (current().device, torch.get_num_threads()) == ("meta", before + 1)
    assert torch.get_num_threads() == before
    assert current() == Environment()


def test_a_step_that_fails_leaves_its_environment_too():
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), entered(Environment(device="meta", threads=before + 1)):
        raise RuntimeError
    assert (current(), torch.get_num_threads()) == (Environment(), before)


def test_outside_a_run_steps_compute_on_the_cpu():
    assert environment.device() == torch.device("cpu")

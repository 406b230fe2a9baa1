"""Tickets in files and in models."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.ticket import Phase, Ticket, Trained
from prunebench.errors import PruningError, SpecError


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 5))


def drawn(model: nn.Module, seed: int = 0) -> Masks:
    generator = torch.Generator().manual_seed(seed)
    return Masks({n: torch.rand(w.shape, generator=generator) < 0.5 for n, w in prunable(model).items()})


def complete(model: nn.Module) -> Ticket:
    return Ticket(
        drawn(model), network(1).state_dict(), notes=("a ratio was scaled down", "ρ ≥ 1"),
        phase=Phase(0.25, "final", 0.1, 1.5), sparse=False, spent=3.5,
        held={"0.bias": torch.tensor([True, False, True])}, events=({"step": 3.0, "pruned": 4.0}, {"step": 6.0}),
    )  # fmt: skip


def alike(one: Ticket, other: Ticket) -> bool:
    for part in ("weights", "held"):
        a, b = getattr(one, part) or {}, getattr(other, part) or {}
        if a.keys() != b.keys() or not all(torch.equal(a[n], b[n]) and a[n].dtype == b[n].dtype for n in a):
            return False
    plain = [dataclasses.replace(ticket, weights=None, held={}) for ticket in (one, other)]
    return plain[0] == plain[1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"begin": -0.5}, "begin=-0.5 is no position"),
        ({"begin": float("nan")}, "begin=nan is no position"),
        ({"rate": "fnal"}, "rate='fnal' is no rate .did you mean 'final'"),
        ({"scale": -1.0}, "scale=-1 is not positive"),
        ({"scale": 0.0}, "scale=0 is not positive"),
        ({"length": 0.0}, "length=0 is not positive"),
        ({"length": float("inf")}, "length=inf is not positive"),
        ({"begin": 0.9, "length": 0.5}, "begin=0.9 leaves nothing of a schedule of 0.5 T"),
    ],
)
def test_phases_that_no_training_can_have_are_refused(values, message) -> None:
    with pytest.raises(SpecError, match=f"^phase: {message}"):
        Phase(**values)
    # A file with one is damaged.
    value, tensors = Ticket(drawn(network())).stored()
    plain = {**dataclasses.asdict(Phase()), **values}
    with pytest.raises(SpecError, match=message):
        Ticket.read({**value, "phase": list(plain.values())}, tensors, prunable(network()))


def test_phases_at_the_ends_of_what_there_can_be() -> None:
    assert Phase(0.0, length=0.01).begin == 0
    assert Phase(0.5, length=0.51).length == 0.51
    assert Phase(8.0, "final", 1e-3, 0.5).begin == 8


@pytest.mark.parametrize("kind", ["complete", "plain", "trained"])
def test_a_ticket_survives_a_file_with_all_that_it_is(tmp_path, kind) -> None:
    model = network()
    ticket = {
        "complete": complete(model),
        "plain": Ticket(drawn(model)),
        "trained": Ticket(drawn(model), model.state_dict(), phase=None),
    }[kind]
    ticket.save(tmp_path / "ticket.safetensors")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = Ticket.load(tmp_path / "ticket.safetensors", model)
    assert alike(found, ticket)
    assert [path.name for path in tmp_path.iterdir()] == ["ticket.safetensors"]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_every_field_of_a_ticket_is_in_the_file(tmp_path) -> None:
    """A field that is added has to be stored: a complete ticket differs from the plain one in all of them."""
    model = network()
    ticket, plain = complete(model), Ticket(drawn(model))
    changed = {f.name for f in dataclasses.fields(Ticket) if getattr(ticket, f.name) is not getattr(plain, f.name)}
    assert changed == {f.name for f in dataclasses.fields(Ticket)}
    ticket.save(tmp_path / "ticket")
    assert not alike(Ticket.load(tmp_path / "ticket", model), plain)


def test_tied_weights_are_saved_and_come_back_under_both_names(tmp_path) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    Ticket(drawn(model), model.state_dict()).save(tmp_path / "ticket")
    found = Ticket.load(tmp_path / "ticket", model).weights
    assert found is not None
    assert torch.equal(found["0.weight"], found["2.weight"])
    assert set(found) == set(model.state_dict())


def test_a_file_that_holds_no_ticket_of_the_model_is_refused_in_one_line(tmp_path) -> None:
    model = network()
    path = tmp_path / "ticket"

    def refused(match: str, of: nn.Module = model) -> None:
        with pytest.raises(PruningError, match=match) as caught:
            Ticket.load(path, of)
        assert "\n" not in str(caught.value)

    refused("ticket cannot be read from")
    path.write_text("no tensors")
    refused("ticket cannot be read from")
    drawn(model).save(path)
    refused("holds no ticket: its format is prunebench-masks-1")
    complete(model).save(path)
    refused("same prunable tensors", nn.Sequential(nn.Linear(3, 3)))
    wide = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(13, 5))
    refused(r"mask of 4\.weight is \[5, 12\], the weight \[5, 13\]", wide)
    bare = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Identity(), nn.ReLU(), nn.Flatten(), nn.Linear(12, 5))
    refused(r"Sequential has no 1\.bias: the weights are another network's", bare)
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    save_file(tensors, path, metadata={**metadata, "ticket": "{}"})
    refused("damaged: it does not say what its ticket is")
    save_file(tensors, path, metadata={"format": metadata["format"]})
    refused("damaged: it has no shapes")
    save_file({**tensors, "mask/4.weight": torch.zeros(2, dtype=torch.uint8)}, path, metadata=metadata)
    refused("damaged: layer 4.weight has 2 bytes")
    path.write_bytes(path.read_bytes()[:-40])
    refused("ticket cannot be read from")
    with pytest.raises(PruningError, match="a ticket cannot be written to"):
        complete(model).save(tmp_path / "missing" / "ticket")


def test_a_ticket_that_is_applied_leaves_its_weights_and_zeros() -> None:
    model, source = network(), network(1)
    ticket = complete(model)
    ticket.apply(model)
    for name, weight in prunable(model).items():
        assert torch.equal(weight, torch.where(ticket.masks[name], prunable(source)[name], 0))
    assert torch.equal(model[0].bias, source[0].bias * torch.tensor([1, 0, 1]))
    assert torch.equal(model[4].bias, source[4].bias)
    own, plain = network(2), Ticket(drawn(model))
    plain.apply(own)
    assert torch.equal(own[4].weight, torch.where(plain.masks["4.weight"], network(2)[4].weight, 0))


def test_a_ticket_or_training_of_another_network_is_not_applied() -> None:
    with pytest.raises(PruningError, match="same prunable tensors"):
        complete(network()).apply(nn.Linear(3, 3))
    with pytest.raises(PruningError, match=r"Linear has no 0\.weight"):
        Trained(network().state_dict()).apply(nn.Linear(3, 3))
    with pytest.raises(PruningError, match=r"weight of Linear is \[3, 3\], not \[2, 3\]"):
        Trained(nn.Linear(3, 2).state_dict()).apply(nn.Linear(3, 3))


@pytest.mark.parametrize("sparse", [True, False])
def test_a_ticket_holds_its_weights_and_biases_unless_its_training_is_dense(sparse) -> None:
    model = network()
    ticket = dataclasses.replace(complete(model), sparse=sparse)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    with ticket.hold(model, optimiser):
        for _ in range(3):
            optimiser.zero_grad()
            cross_entropy(model(torch.randn(8, 1, 4, 4)), torch.arange(8) % 5).backward()
            optimiser.step()
    gone = {**ticket.masks, **ticket.held}
    parameters = dict(model.named_parameters())
    for name, mask in gone.items():
        assert bool(parameters[name][~mask].any()) is not sparse, name
        assert parameters[name][mask].any()


def test_a_trained_network_survives_an_artifact_with_all_that_it_is() -> None:
    model = network()
    trained = Trained(
        model.state_dict(), drawn(model), {"0.bias": torch.tensor([True, False, True])},
        {0.1: network(1).state_dict(), 8.0: network(2).state_dict()}, ("note",), 1.5, 7, 700,
        {"test": {"loss": 0.5, "accuracy": 81.25}},
    )  # fmt: skip
    assert all(getattr(trained, f.name) for f in dataclasses.fields(Trained))
    found = Trained.read(*trained.stored(), prunable(model))
    for f in dataclasses.fields(Trained):
        if f.name not in {"weights", "held", "moments"}:
            assert getattr(found, f.name) == getattr(trained, f.name), f.name
    assert found.moments.keys() == trained.moments.keys()
    for one, other in ((found.weights, trained.weights), (found.held, trained.held),
                       *((found.moments[p], trained.moments[p]) for p in trained.moments)):  # fmt: skip
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in other)

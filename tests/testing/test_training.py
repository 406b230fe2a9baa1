"""What the kit needs for methods that train: grounds that can be trained, steps that are counted, capabilities."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional as F

import prunebench as pb
from prunebench import catalogue, plugins
from prunebench.engine.custom import TRAINING
from prunebench.engine.training.evaluate import evaluate
from prunebench.engine.training.live import LiveSteps
from prunebench.engine.training.rewinding import train
from prunebench.errors import DensityError, PruningError
from prunebench.registry import DATASETS, METHODS, STAGED
from prunebench.spec import Spec
from prunebench.testing import conformance
from prunebench.testing.candidate import Candidate, Result
from prunebench.testing.checks import outcome, training
from prunebench.testing.networks import CHAIN, CONV, GROUNDS, RECIPE
from prunebench.testing.stepping import Steps, counted
from prunebench.testing.surroundings import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTY = str(Path(__file__).parent / "faulty" / "training.py")


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    catalogue.declare()
    before = {*METHODS.entries}
    yield
    for name in {*METHODS.entries} - before:
        METHODS.entries.pop(name)
        METHODS._objects.pop(name)
    plugins._loaded.discard(FAULTY)


@pytest.mark.parametrize("by_function", [False, True])
@pytest.mark.parametrize("ground", GROUNDS, ids=lambda ground: ground.name)
def test_a_ground_trains_far_enough_and_not_too_far(ground, by_function: bool) -> None:
    subject = ground.subject(by_function=by_function)
    network = train(subject)
    moved = sum(float((network.weights[n] - w).detach().abs().sum()) for n, w in subject.layers.items())
    total = sum(float(w.detach().abs().sum()) for w in subject.layers.values())
    assert 0.01 < moved / total < 2
    before, after = (evaluate(net, subject.train)["loss"] for net in (subject.model, subject.network(network.weights)))
    assert after < before - 0.002
    assert network.steps == 6 == RECIPE.length(32)


def test_a_seed_moves_the_batches_of_the_recipe_and_nothing_of_the_function() -> None:
    recipe, function = (
        [train(CHAIN.subject(seed=seed, by_function=by_function)).weights["0.weight"] for seed in (0, 1)]
        for by_function in (False, True)
    )
    assert not torch.equal(*recipe)
    assert torch.equal(*function)


def test_held_back_samples_are_others_of_the_same_classes() -> None:
    given, held = CHAIN.data(), CHAIN.data(held_back=True)
    assert torch.equal(given.y, held.y)
    assert not (given.x == held.x).any()
    means = [torch.stack([d.x[d.y == c].mean(0) for c in range(4)]) for d in (given, held, CHAIN.data(1))]
    near, far = ((means[0] - other).norm() for other in means[1:])
    # Two means of eight standard normal samples in each of 48 values, and those of other classes.
    assert near == pytest.approx((48 * 2 / 8) ** 0.5, rel=0.35)
    assert far > 2 * near


def test_steps_over_a_network_are_counted_once_if_they_repeat() -> None:
    with counted(Steps()) as steps:
        for rate in (0.1, 0.1, 0.2):
            model, data = CHAIN.model(), CHAIN.data()
            optimiser = torch.optim.SGD(model.parameters(), lr=rate)
            for _ in range(3):
                optimiser.zero_grad()
                F.cross_entropy(model(data.x), data.y).backward()
                optimiser.step()
    assert (steps.taken, steps.distinct) == (9, 6)
    optimiser.step()
    assert steps.taken == 9


def test_steps_over_a_part_or_over_something_else_do_not_count() -> None:
    model, actor = CONV.model(), torch.nn.Linear(3, 2)
    with watched() as watch:
        for parameters in ([model[0].weight], actor.parameters()):
            for parameter in (parameters := list(parameters)):
                parameter.grad = torch.ones_like(parameter)
            torch.optim.Adam(parameters).step()
    assert watch.steps.taken == 0


def test_a_seed_that_only_orders_batches_does_not_make_a_method_random() -> None:
    plugins.ready((FAULTY,))
    candidate = Candidate.of(Spec("trains-well"))
    first, second = (candidate.on(CHAIN.subject(seed=seed)) for seed in (0, 1))
    assert first.masks != second.masks
    assert conformance("trains-well", checks=("random",), plugins=(FAULTY,)) == []


def test_the_same_with_other_weights_is_another_outcome() -> None:
    masks = pb.Masks({"a": torch.tensor([True, False])})
    tickets = [pb.Ticket(masks, {"a": torch.tensor([x, 0.0])}) for x in (1.0, 1.0, 2.0)]
    one, same, other = map(Result.of, tickets)
    assert one == same
    assert one != other
    assert one.difference(other) == "equal masks, but weights of a differ"
    dense = Result.of(pb.Ticket(masks, tickets[0].weights, sparse=False))
    assert one != dense
    tickets[0].weights["a"][0] = 5
    assert one == same


def test_a_control_is_what_the_method_that_it_is_given_is() -> None:
    assert Candidate.of(Spec.parse("reinit(of=random)")).random
    assert not Candidate.of(Spec.parse("reinit(of=magnitude)")).random
    assert Candidate.of(Spec.parse("reinit(of=dense)")).chooses
    assert Candidate.of(Spec.parse('swa(of="reinit(of=random)")')).random
    assert not Candidate.of(Spec.parse("lottery")).control


def test_a_plan_of_stages_leaves_no_dataset_behind() -> None:
    before = set(DATASETS.entries)
    assert conformance("lottery", checks=("stages",)) == []
    assert set(DATASETS.entries) == before


def test_stages_are_for_those_who_declare_that_they_train() -> None:
    class Undeclared(pb.Method):
        """Trains in stages."""

        def tickets(self, steps, density):
            return steps.cut(steps.train(), density)

    class Declared(pb.Method):
        """The same."""

        tickets = Undeclared.tickets

    pb.method("test-undeclared")(Undeclared)
    with pytest.raises(PruningError, match=r"may not train: declare needs=\{'training'\}"):
        Candidate.of(Spec("test-undeclared")).on(CHAIN.subject())
    pb.method("test-declared", needs=TRAINING)(Declared)
    found = Candidate.of(Spec("test-declared")).on(CHAIN.subject())
    assert found.masks == LiveSteps(CHAIN.subject()).cut(train(CHAIN.subject()), 0.537).masks


def test_a_floor_of_its_own_is_no_fault_below_where_comparisons_are_made() -> None:
    class Floored(pb.Method):
        """Has no masks below a density."""

        floor: float = 0.3

        def prune(self, ctx: pb.Pruning) -> pb.Masks:
            if ctx.density < self.floor:
                raise DensityError(f"no fewer than {self.floor:g}")
            return ctx.keep({name: weight.detach().abs() for name, weight in ctx.weights.items()})

    pb.method("test-floored")(Floored)
    assert not [f for f in conformance("test-floored(floor=0.1)", skip=("worker",)) if f.weight == "fault"]
    found = conformance("test-floored", skip=("worker",))
    assert {(f.check, f.what) for f in found} == {("masks", "refused by the engine")}


def test_spent_may_leave_out_what_is_repeated_and_nothing_else() -> None:
    # A quarter of the dense run is done again for the rewind point, which costs nobody a training.
    rewound = Candidate.of(Spec.parse("lottery(rewind=0.5)"))
    with counted(Steps()) as steps:
        rewound.on(CHAIN.subject())
    assert (steps.taken, steps.distinct) == (9, 6)
    assert list(training.spent(rewound)) == []


def test_planning_trained_tickets_of_the_package_imports_no_torch() -> None:
    staged = [entry.name for entry in METHODS if STAGED in entry.capabilities]
    assert {"lottery", "imp"} <= set(staged)
    code = f"""
import sys
from prunebench import plugins
from prunebench.spec import Spec
from prunebench.steps.nodes import Nodes
plugins.ready(())
steps = Nodes(Spec("mlp"), Spec("mnist1d"), Spec("small-sgd"), 0)
print(len({{steps.find(name, 0.2).key for name in {staged!r}}}), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    keys, torch_seen = done.stdout.split()
    assert int(keys) > len(staged) // 2
    assert torch_seen == "False"


def test_whole_filters_leave_rows_and_columns() -> None:
    rows, columns = torch.tensor([True, False, True]), torch.tensor([False, True])
    block = (rows[:, None] & columns)[..., None, None].expand(3, 2, 3, 3)
    assert outcome._block(block)
    assert outcome._block(torch.zeros(3, 2, dtype=torch.bool))
    part = block.clone()
    part[2, 1, 0, 0] = False
    assert not outcome._block(part)
    assert not outcome._block(torch.eye(2, dtype=torch.bool))


def test_what_a_parameter_makes_random_need_not_be_declared() -> None:
    class Drawn(pb.Method):
        """Draws if it is told to."""

        drawn: bool = False

        def prune(self, ctx: pb.Pruning) -> pb.Masks:
            scores = {name: weight.detach().abs() for name, weight in ctx.weights.items()}
            if self.drawn:
                scores = {name: torch.rand(s.shape, generator=ctx.generator) for name, s in scores.items()}
            return ctx.keep(scores)

    pb.method("test-drawn")(Drawn)
    assert conformance("test-drawn(drawn=true)", skip=("worker",)) == []
    assert conformance("test-drawn", skip=("worker",)) == []

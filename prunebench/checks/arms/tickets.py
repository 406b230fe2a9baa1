"""Arms of the ticket stage: masks or values are drawn anew once the ticket is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.checks.arms.base import ticket_stage

if TYPE_CHECKING:
    from prunebench.graph import Node
    from prunebench.steps.nodes import Nodes

_SU = "Su et al. 2020, Sanity-checking pruning methods: random tickets can win the jackpot"
_FRANKLE = "Frankle & Carbin 2019, The lottery ticket hypothesis; Frankle et al. 2021, Pruning neural networks at init"


@ticket_stage("rearrange", paper=_SU)
def rearrange(steps: Nodes, ticket: Node) -> Node:
    """The mask of each layer is permuted over the layer: as many weights, others of them."""
    return steps.ablate(ticket, "rearrange")


@ticket_stage("shuffle", paper=_SU, notes="Frankle et al. 2021 call `rearrange` shuffling.")
def shuffle(steps: Nodes, ticket: Node) -> Node:
    """The surviving values of each layer are permuted among its surviving positions."""
    return steps.ablate(ticket, "shuffle")


@ticket_stage("reinit", paper=_FRANKLE, notes="long=true trains for as long as finding and training the ticket took.")
def reinit(steps: Nodes, ticket: Node, *, long: bool = False) -> Node:
    """The same masks with freshly drawn weights, trained by the whole recipe."""
    return steps.control(ticket, fresh=True, long=long)


@ticket_stage(
    "same-ratios",
    paper=_SU,
    notes=(
        "For a ticket on initial weights this is `rearrange` by another draw; from later weights it is not. long=true "
        "trains for as long as finding the ticket and the whole recipe take."
    ),
)
def same_ratios(steps: Nodes, ticket: Node, *, long: bool = False) -> Node:
    """Random masks of the same counts by layer, from the initial weights, trained by the whole recipe."""
    drawn = steps.ablate(ticket, "same-ratios")
    return steps.control(drawn, long=True) if long else drawn

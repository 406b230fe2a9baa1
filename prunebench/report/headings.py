"""What each section of a page is called, and what it asks."""

from __future__ import annotations

HEADINGS = {
    "leaderboard": ("Leaderboard", "Methods on each task, ranked by what the suite asks."),
    "curves": (
        "Accuracy, controls and cost",
        "What accuracy is left at each density, what controls make of it, and what finding the ticket took.",
    ),
    "ranks": ("Ranks across tasks", "Which methods are ahead over all tasks, and which cannot be told apart."),
    "controls": ("Controls", "Does this run see an effect that is known, and none where there is none?"),
    "verdicts": ("Verdicts", "Does accuracy depend on what was changed of a ticket, or of how it was found?"),
    "factors": ("Masks and weights apart", "Is it the mask that altered data cost, or the weights?"),
    "conditions": ("Does the ticket win?", "Against networks that are dense, smaller, or trained from fresh weights."),
    "ratios": ("Keep ratios by layer", "How methods share their weights among layers, and whether data move that."),
    "overlap": ("Overlap of masks", "How much masks have in common, beside what chance gives."),
    "conservation": ("Conservation", "Does as much score enter units and cuts as leaves them, and does theory say so?"),
    "drift": ("Drift in training", "Does training move weights towards the inverse-size law, and does pruning?"),
    "configurations": ("Configurations", "Every method and its parameters, with what was measured of it."),
    "associations": ("Associations", "What goes together over configurations, and how sure that is."),
    "contrasts": ("Contrasts", "Methods that differ in one thing, against each other."),
    "turning": ("Turning points", "Where a contrast changes its sign as more is pruned."),
}
"""By section of a presentation."""

"""Steps: pure, versioned units of work, one file each. Methods, models and datasets are found through registries.

Planning imports these files and must stay free of torch, so that a finished run is resumed at once: what computes is
imported inside the step.
"""

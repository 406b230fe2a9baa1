"""Charts of a run, as SVG that takes its colours from the page."""

"""A run against a baseline, or against another run."""

"""Executors: where steps run. They take jobs and give futures."""

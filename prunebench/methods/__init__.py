"""Pruning methods, one file a family."""

"""Densities that a network is too small for."""

from __future__ import annotations


def too_low(density: float, total: int, layers: int) -> str:
    """Why a cell is skipped where round(d·N) is less than a weight a layer; empty where it is not."""
    count = round(density * total)
    return f"density {density:g} keeps {count} weights, fewer than the {layers} layers" if count < layers else ""

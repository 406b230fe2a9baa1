"""Recipes: how networks are trained, as data. Planning reads them, so nothing here imports torch."""

"""Conformance of methods: does a method do what it declares? For its author, on the command line and in tests."""

from __future__ import annotations

from prunebench.testing.conformance import assert_conforms, conformance
from prunebench.testing.findings import QUESTIONS, Finding

__all__ = ["QUESTIONS", "Finding", "assert_conforms", "conformance"]

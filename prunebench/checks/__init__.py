"""Checks: the experiment behind each question, one file each."""

"""`python -m prunebench`."""

from prunebench.cli import main

main()

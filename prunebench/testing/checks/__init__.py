"""The checks, a file for each concern; every check takes a candidate and yields findings."""

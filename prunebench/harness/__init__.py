"""The harness: plan, execute, journal and artifacts. Files, processes and clocks live here."""

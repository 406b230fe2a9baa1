"""Statistics of repetitions: pure functions of numbers."""

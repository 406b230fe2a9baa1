"""Records, metric definitions and suite files: the values that outlive a run."""

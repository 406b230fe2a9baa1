"""Arms of the sanity check, one file a stage."""

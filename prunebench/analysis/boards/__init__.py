"""Parts of a run's report, one module each: records in, tables out."""

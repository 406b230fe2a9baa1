"""Analysis: records in, tables of values out."""

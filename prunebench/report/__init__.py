"""Reports: what analysis found, as charts, pages and cards."""

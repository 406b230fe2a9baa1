"""What a set of results lacks by the checklists of the literature: ours, or anybody's in a CSV file."""

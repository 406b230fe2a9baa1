"""Tasks: models, datasets and recipes."""

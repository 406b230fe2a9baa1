"""Training under masks, and the stages of tickets that need it."""

"""From scores to masks: what competes, how many stay, round after round."""

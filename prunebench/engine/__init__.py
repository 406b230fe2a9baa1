"""The engine: prunable tensors, masks, selection, schedules, scoring, flow and paths."""

"""What is read off a network: which weight feeds which unit, what is on a path, what it costs."""

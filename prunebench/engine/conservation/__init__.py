"""Is a score a flow: networks whose every parameter is a weight, and the laws that scores are held to."""

"""Training of judges: losses, learners, loop."""

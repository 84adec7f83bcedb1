"""Training: the loop, its step, and the tasks of both stages."""

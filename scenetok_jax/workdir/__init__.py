"""A run's folder: configuration, checkpoints, lock, conversion."""

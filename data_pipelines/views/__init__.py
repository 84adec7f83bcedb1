"""Choosing the frames of a scene: for training and for scoring."""

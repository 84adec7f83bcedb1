"""Poses of frames, estimated from the frames alone, and their scores."""

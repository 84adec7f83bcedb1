"""Batches for training: examples, their readers, the loader."""

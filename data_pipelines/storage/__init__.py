"""Prepared data on disk: what is written, checked and read."""

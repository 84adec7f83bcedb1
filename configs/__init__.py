"""Configurations: one file an experiment."""

"""Metrics, each one entry of a registry, with their frozen networks."""

"""Cameras, ray maps, paths and the choice of views, as arrays."""

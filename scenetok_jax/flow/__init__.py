"""Rectified flow: path, noise levels, losses, solvers, windows."""

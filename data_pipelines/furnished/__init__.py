"""Furnished rooms of textured models: clips, and a data set of them.

Nothing outside imports a file of this package.
"""

from data_pipelines.furnished.scenes import FurnishedOptions, plan

__all__ = ["FurnishedOptions", "plan"]

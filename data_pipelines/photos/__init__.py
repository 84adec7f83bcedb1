"""Photos or a video without poses; see docs/data.md."""

from data_pipelines.photos.estimate import Estimate, estimate
from data_pipelines.photos.options import PhotoOptions, PoseOptions
from data_pipelines.photos.scenes import plan

__all__ = ["Estimate", "PhotoOptions", "PoseOptions", "estimate", "plan"]

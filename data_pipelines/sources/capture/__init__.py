"""A user's own images with known cameras; forms: docs/data_sources.md."""

from data_pipelines.sources.capture.scenes import (
  CaptureOptions,
  discover,
  load,
  plan,
  pose_file,
  read,
)

__all__ = ["CaptureOptions", "discover", "load", "plan", "pose_file", "read"]

"""A user's own images with known cameras; see docs/data.md for the forms."""

from data_pipelines.sources.capture.scenes import (
  CaptureOptions,
  discover,
  load,
  plan,
)

__all__ = ["CaptureOptions", "discover", "load", "plan"]

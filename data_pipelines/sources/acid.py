"""ACID as scenes to prepare: published in the form of RealEstate10K."""

import os

from data_pipelines.sources import re10k
from data_pipelines.sources.video import VideoOptions
from data_pipelines.storage.recipes import SplitPlan


def plan(
  source: str | os.PathLike | None, split: str, options: VideoOptions
) -> SplitPlan:
  """The scenes of a split; see re10k.plan."""
  return re10k.plan(source, split, options, "acid")

"""Does the variance of samples fall as context views are added?"""

import dataclasses

import numpy as np

from scenetok_jax.analyses import sweep
from scenetok_jax.analyses.findings import Findings, Tell
from scenetok_jax.analyses.novel_views import novel_views, open_scenes
from scenetok_jax.analyses.sampler import VideoSampler, encode
from scenetok_jax.analyses.sweep import Level, SweepOptions
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.reading.schema import Few
from scenetok_jax.reading.shown import say
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class ContextViewsOptions(SweepOptions):
  """Numbers of context views, at least three of them."""

  views: tuple[Few, ...] = option((2, 6, 12), "counts")

  def __post_init__(self) -> None:
    super().__post_init__()
    if min(self.views, default=1) < 1:
      raise InputError(f"--views: {min(self.views)} must be at least 1")
    sweep.check_levels("--views", self.views)


def run(
  scenetok: SceneTok, options: ContextViewsOptions, tell: Tell = say
) -> Findings:
  """Variance and PSNR at every number of context views."""
  videos = options.batch * options.samples
  with scenetok.placed(videos) as scenetok:
    opened = open_scenes(scenetok, options)
    # The same frames at every level: those that no level is given.
    rest = [_frames_without(scene, max(options.views)) for scene in opened]
    views = novel_views(scenetok, options, opened, rest)
    levels = []
    for count in options.views:
      context = [scene.take(context_of(scene, count)) for scene in opened]
      encoded = encode(scenetok, context, options.seed)
      levels.append(Level(count, f"{count} views", encoded))
    found = sweep.run_levels(views, VideoSampler.of(scenetok, options), levels)
  tell(f"trained with {scenetok.config.data.num_context} context views")
  return sweep.findings(
    "context-views",
    found,
    options,
    "variance falls as context views are added",
    sign=-1,
    label="context views",
    tell=tell,
  )


def context_of(scene: OpenScene, count: int) -> np.ndarray:
  """Frame numbers of `count` context views, sorted.

  Farthest points from the first frame: more views contain the fewer.
  """
  return farthest_point(np.asarray(scene.clip.cameras.extrinsics), count, 0)


def _frames_without(scene: OpenScene, most: int) -> np.ndarray:
  """Frames that are no context view at any level."""
  frames = len(scene.clip.cameras.extrinsics)
  if frames <= most:
    raise InputError(
      f"--views: {most}: scene {scene.key} has {frames} frames, which"
      " leaves none to render; lower it"
    )
  return np.setdiff1d(np.arange(frames), context_of(scene, most))

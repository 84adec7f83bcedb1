"""DL3DV as scenes to prepare: SOURCE/<split> (or SOURCE) has scene folders."""

import dataclasses
import functools
import os

from data_pipelines.sources import dl3dv_scenes, video
from data_pipelines.sources.video import FoundClips, VideoOptions
from data_pipelines.storage.recipes import SplitPlan
from scenetok_jax.types import option


@dataclasses.dataclass(frozen=True)
class Dl3dvOptions(VideoOptions):
  """How clips become scenes, and of which of their images."""

  images: str | None = option(
    None,
    "image folder (default: the smallest that will do)",
    elsewhere="only dl3dv has several image folders",
  )
  distorted: bool = option(
    False,
    "take lenses for pinholes, as the release does, and note nothing",
    elsewhere="only dl3dv was published with its lens ignored",
  )


def plan(
  source: str | os.PathLike | None, split: str, options: Dl3dvOptions
) -> SplitPlan:
  """The scenes of a split.

  Raises:
    InputError: there is no such data.
  """
  root = video.check_source("dl3dv", source, split)
  folders = dl3dv_scenes.scene_folders(video.split_folder(root, split))
  load = functools.partial(
    dl3dv_scenes.read_scene, images=options.images, size=options.shape,
    distorted=options.distorted,
  )  # fmt: skip
  found = FoundClips(
    [(folder.name, functools.partial(load, folder)) for folder in folders],
    [f for folder in folders for f in dl3dv_scenes.transforms_files(folder)],
  )
  more = {"distorted": True} if options.distorted else {}
  return video.plan_clips(
    "dl3dv", root, split, options, found, {"images": options.images, **more}
  )

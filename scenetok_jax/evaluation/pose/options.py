"""Whose poses are judged, and how they are estimated."""

import dataclasses
from pathlib import Path
from typing import Annotated

from scenetok_jax.evaluation.pose import structure
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.metrics.registry import of_kind
from scenetok_jax.reading.schema import Between, Few, Many, Seed
from scenetok_jax.types import InputError, option

# Distances between sets of images that may stand beside a pose score.
DISTANCES = tuple(metric.name for metric in of_kind("image_set"))


@dataclasses.dataclass(frozen=True)
class PoseScoreOptions(SamplingChanges):
  """What is judged, by which poses; the sampling changes are of renderings.

  out: where renderings and every scene's result go; renderings need it.
  """

  data: str = option(None, "prepared data, of any image size", required=True)
  split: str | None = option(None, "default: test, else train")
  scenes: Many = option(1, "the first so many scenes")
  scene: str | None = option(
    None, "one scene instead, by key or number", metavar="KEY"
  )
  every: Few = option(4, "only every so many frames")
  images: str | None = option(
    None, "judge these, one per frame of --scene", metavar="DIR"
  )
  poses: str | None = option(
    None,
    "by another estimator: a file, or a folder with KEY.json per scene",
    metavar="PATH",
  )
  transfer: bool = option(False, "judge the next scene's tokens on this path")
  distance: str = option("fid", "beside the score", choices=DISTANCES)
  metric_weights: str | None = option(
    None, "of the distance's network", metavar="DIR"
  )
  threads: Annotated[int, Between(-1, 4096)] = option(
    1, "of pycolmap; -1: all cores"
  )
  seed: Seed = option(0, "of tokens, noise and the estimator")
  out: str | None = option(
    None,
    "write pose_score.json, renderings and each scene's result here; an"
    " interrupted run continues from them",
    metavar="DIR",
  )

  def __post_init__(self) -> None:
    if self.every < 1 or self.scenes < 1:
      raise InputError(
        f"--every {self.every}, --scenes {self.scenes}: must be at least 1"
      )
    if self.transfer and self.scene is not None:
      raise InputError(
        "--transfer, --scene: one scene has no next one whose tokens could take"
        " its path; say with --scenes how many to pair"
      )
    if self.images and self.scene is None:
      raise InputError("--images: say of which scene with --scene")
    if self.poses and self.scene is None and not Path(self.poses).is_dir():
      raise InputError(
        f"--poses: {self.poses}: one file is of one scene; name it with"
        " --scene, or give a folder with KEY.json of every scene"
      )

  def check(self, *, rendered: bool, estimated: bool = True) -> None:
    """InputError where the options do not go together.

    rendered: by a model that is given. estimated: poses are wanted, not the
    frames alone.
    """
    if self.transfer and (not rendered or self.scenes < 2):
      raise InputError("--transfer: needs --workdir and at least 2 --scenes")
    if self.images and rendered:
      raise InputError("--images, --workdir: give one of the two")
    if not estimated and (not rendered or self.poses):
      raise InputError("--render-only: needs --workdir, and takes no --poses")
    if rendered and not self.out:
      raise InputError("--workdir: renderings need a folder; give --out")
    if estimated and not self.poses:
      structure.check_available()

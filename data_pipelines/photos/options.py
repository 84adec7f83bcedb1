"""How poses of photos are estimated, and what is asked of them."""

import dataclasses
import re
from typing import Annotated, Any, NamedTuple

from data_pipelines.storage.recipes import FrameOptions, size_option
from scenetok_jax.reading.schema import Between, Few, Ratio, Seed, Share
from scenetok_jax.types import InputError, option

MATCHINGS = ("auto", "exhaustive", "sequential")
MAPPERS = ("incremental", "global")
LENSES = (
  *("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV"),
  *("SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "OPENCV_FISHEYE"),
)


class Scale(NamedTuple):
  """What the median depth of points becomes, or a factor for all lengths."""

  depth: float | None
  factor: float | None


@dataclasses.dataclass(frozen=True)
class PoseOptions:
  """How poses are estimated from pictures alone.

  Raises InputError: a scale that is none.
  """

  rate: Annotated[float, Between(1e-3, 1e3)] | None = option(
    None,
    "frames of a video that are taken, for each second, the sharpest of each"
    " stretch (default: 2, at least 60 and at most 300 in all)",
    metavar="HZ",
  )
  count: Few | None = option(
    None, "frames of a video that are taken, in all, instead of --rate"
  )
  side: Annotated[int, Between(64, 8192)] = option(
    1280, "longest side of a picture in which features are looked for, pixels"
  )
  features: Annotated[int, Between(64, 65536)] = option(
    4096, "at most so many features a picture"
  )
  matching: str = option(
    "auto",
    "which pairs are matched: all of up to 100 photos, else neighbours",
    choices=MATCHINGS,
  )
  mapper: str = option(
    "incremental", "picture by picture, or all at once", choices=MAPPERS
  )
  lens: str = option(
    "SIMPLE_RADIAL", "COLMAP's model of the lens", choices=LENSES
  )
  # ours: what the rooms that the shipped checkpoint knows have, in metres
  scale: str = option(
    "2.5",
    "median depth of the points that cameras see, in scene units; or x and a"
    " factor for the estimate's own lengths, such as x1",
  )
  min_registered: Share = option(
    0.6, "least share of the pictures that must find their place"
  )
  max_error: Ratio = option(
    2.0, "largest mean reprojection error, pixels of --side"
  )
  min_track: Ratio = option(
    3.0, "least mean number of pictures that see a point"
  )
  threads: Annotated[int, Between(-1, 4096)] = option(
    -1, "for features and matches; -1: all cores. The mapper has one"
  )
  seed: Seed = option(0, "of all that is drawn")

  def __post_init__(self) -> None:
    _ = self.asked_scale
    if self.rate is not None and self.count is not None:
      raise InputError("--rate, --count: give one of the two")

  @property
  def asked_scale(self) -> Scale:
    """The scale as numbers."""
    found = re.fullmatch(r"(x?)([0-9.]+(?:e[+-]?[0-9]{1,2})?)", str(self.scale))
    try:
      value = float(found[2]) if found else 0.0
    except ValueError:
      value = 0.0
    if not found or not 1e-6 <= value <= 1e6:
      raise InputError(
        f"--scale={str(self.scale)[:40]}: give the median depth, such as 2.5,"
        " or a factor, such as x1"
      )
    return Scale(None, value) if found[1] else Scale(value, None)

  def decides(self) -> dict[str, Any]:
    """What the estimate itself depends on, as JSON values."""
    later = ("scale", "min_registered", "max_error", "min_track", "threads")
    names = {field.name for field in dataclasses.fields(PoseOptions)}
    return {n: getattr(self, n) for n in sorted(names.difference(later))}


@dataclasses.dataclass(frozen=True)
class PhotoOptions(PoseOptions, FrameOptions):
  """How photos, or a video, become a scene."""

  size: Any = size_option(64)

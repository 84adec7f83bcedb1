"""The frame that a path is rendered in: its shape and its field of view.

Networks render squares. A path of another shape is cropped at its centre, as
captures are; where a shape is asked for, the square around it is rendered and
the rest is cut off.
"""

import dataclasses

import numpy as np
from PIL import Image

from scenetok_jax.geometry.cropping import crop
from scenetok_jax.reading.schema import FieldOfView
from scenetok_jax.types import Cameras, InputError, option

_MOST = 4096  # pixels of a side
_FAR = 1.3  # ours: focal lengths that differ by more are told


@dataclasses.dataclass(frozen=True)
class ViewOptions:
  """Shape and field of view of rendered frames; None: as the model has them.

  Raises InputError: no such size or angle.
  """

  size: str | None = option(
    None,
    "of the frames in pixels; the square around them is rendered (default:"
    " squares, cut out of the middle of the path's pictures)",
    metavar="WIDTHxHEIGHT",
  )
  fov: FieldOfView | None = option(
    None, "horizontal field of view of the frames, degrees", metavar="DEGREES"
  )

  def __post_init__(self) -> None:
    _ = self.sides
    if self.fov is not None and not 1.0 <= self.fov <= 170.0:
      raise InputError(
        f"--fov: {self.fov:g} is not a horizontal field of view between 1 and"
        " 170 degrees"
      )

  @property
  def sides(self) -> tuple[int, int] | None:
    """(height, width) that are asked for."""
    if self.size is None:
      return None
    parts = str(self.size).split("x")
    known = len(parts) == 2 and all(p.isdecimal() for p in parts)
    if not known or not all(8 <= int(p) <= _MOST for p in parts):
      raise InputError(
        f"--size: {self.size!s:.40} is not WIDTHxHEIGHT in pixels, 8 to"
        f" {_MOST}, such as 640x360"
      )
    return int(parts[1]), int(parts[0])


def seen(
  intrinsics: np.ndarray, sides: np.ndarray, side: int, view: ViewOptions
) -> np.ndarray:
  """The lenses of the squares that are rendered, float32 [T 3 3].

  intrinsics: float [T 3 3] in shares of pictures of sides [T 2] (height,
  width). side: of the rendered square in pixels.
  """
  target = view.sides or (side, side)
  lenses = []
  for matrix, (height, width) in zip(
    np.asarray(intrinsics), np.asarray(sides), strict=True
  ):
    whole = round(float(height)), round(float(width))
    lens = crop(whole, target).intrinsics(np.array(matrix))
    if view.fov is not None:
      focal = 0.5 / np.tan(np.radians(view.fov) / 2)
      lens = np.diag([focal, focal * target[1] / target[0], 1.0])
      lens[:2, 2] = 0.5
    lenses.append(_around(lens, target))
  return np.array(lenses, np.float32)


def _around(lens: np.ndarray, target: tuple[int, int]) -> np.ndarray:
  """A lens [3 3] of the target's sides -> of the square around them."""
  if target[0] == target[1]:
    return lens
  shares = np.array(target[::-1]) / max(target)  # of the square's width, height
  found = np.array(lens, np.float64)
  found[:2, :2] *= shares[:, None]
  found[:2, 2] = (found[:2, 2] - 0.5) * shares + 0.5
  return found


def cut(videos: np.ndarray, view: ViewOptions) -> np.ndarray:
  """Rendered squares uint8 [... H W 3] -> frames of the shape asked for."""
  target = view.sides
  if target is None:
    return videos
  flat = videos.reshape(-1, *videos.shape[-3:])
  side = videos.shape[-2]
  height, width = (side * length / max(target) for length in target)
  box = (
    (side - width) / 2, (side - height) / 2,
    (side + width) / 2, (side + height) / 2,
  )  # fmt: skip
  frames = [
    np.array(Image.fromarray(frame).resize(
      target[::-1], Image.Resampling.LANCZOS, box=box
    ))
    for frame in flat
  ]  # fmt: skip
  return np.stack(frames).reshape(*videos.shape[:-3], *frames[0].shape)


def far_view(path: Cameras, context: Cameras) -> str:
  """What is to be told where a path sees far more or less than its context.

  "" where their fields of view are alike.
  """
  focal = [
    float(np.median(np.asarray(c.intrinsics)[..., 0, 0]))
    for c in (path, context)
  ]
  if 1 / _FAR <= focal[0] / focal[1] <= _FAR:
    return ""
  degrees = 2 * np.degrees(np.arctan(0.5 / np.array(focal)))
  return (
    f"the path's field of view is {degrees[0]:.0f} degrees, that of the"
    f" context views {degrees[1]:.0f}: frames may lose quality"
  )

"""A picture and the camera that a file gives it, brought to one pinhole.

The one rule of every reader: orientation tags are applied, lenses made
straight, and intrinsics, poses and pictures stay together on the way.
"""

import dataclasses

import numpy as np

from scenetok_jax.geometry.lenses import Lens, Straight, straighten
from scenetok_jax.reading import orientation
from scenetok_jax.reading.pictures import Header, Picture
from scenetok_jax.types import InputError

# Rounding of sizes changes the aspect by less, swapped sides by more.
_ASPECT_TOLERANCE = 0.02
# ours: 140 degrees; lenses that see more are no pinholes, millimetres less.
_LEAST_FOCAL = 0.18
# A principal point so far from the middle is that of another picture.
_OTHER_SIZE = 1.6
_CORNER = 0.05  # nor is a corner the middle of anything
_ONE_SIZE = 0.15  # both sides agree so far on its size

TURNED = "turned upright by its orientation tag, with its camera"
TAKEN = (
  "its orientation tag was applied; its camera is taken to be of the upright"
  " picture"
)
AS_STORED = (
  "its orientation tag was applied to picture and camera, which is taken to be"
  " of the pixels as stored"
)


@dataclasses.dataclass(frozen=True)
class Shot:
  """A camera as a file has it.

  where: "FILE: FIELD" for messages. c2w: float64 [4 4], OpenCV axes. matrix:
  float64 [3 3] in pixels of a picture of `size` (width, height), or of the
  picture itself where None. stored: what was posed where nothing tells: the
  pixels as stored, by a program that ignores orientation tags.
  """

  where: str
  c2w: np.ndarray
  matrix: np.ndarray
  size: tuple[float, float] | None = None
  lens: Lens = Lens()
  stored: bool = False


@dataclasses.dataclass(frozen=True)
class Fitted:
  """A pinhole camera and how its picture is made.

  intrinsics: float64 [3 3] in shares of the sides. size: (width, height).
  notes: what a report should tell.
  """

  c2w: np.ndarray
  intrinsics: np.ndarray
  size: tuple[int, int]
  tag: int = orientation.UPRIGHT  # applied after the lens; else before
  straight: Straight | None = None
  notes: tuple[str, ...] = ()

  @property
  def is_plain(self) -> bool:
    """Whether the upright picture is as this camera sees it."""
    return self.straight is None and self.tag == orientation.UPRIGHT

  def picture(self, picture: Picture) -> np.ndarray:
    """uint8 [H W 3] of what this camera sees."""
    late = self.tag != orientation.UPRIGHT
    pixels = picture.stored if late else picture.pixels
    if self.straight is not None:
      pixels = self.straight.apply(pixels)
    return np.ascontiguousarray(orientation.apply(pixels, self.tag))


def fit(shot: Shot, header: Header) -> Fitted:
  """The pinhole of a picture of which the header is known.

  InputError where its size, its tag and its camera contradict each other.
  """
  stored, notes = _made_for_stored(shot, header)
  size = header.size if stored else header.shown
  matrix = _scaled(shot, size)
  straight = None
  if shot.lens.bends:
    straight = straighten(shot.lens, matrix, size, shot.where)
    matrix, size = straight.matrix, straight.size
    notes += (f"lens ({shot.lens.model}) made straight",)
  if not stored:
    return _fitted(shot.c2w, matrix, size, 1, straight, notes)
  turned = _turned(shot, matrix, size, header.tag)
  return _fitted(*turned, header.tag, straight, notes)


def pinhole(shot: Shot) -> tuple[np.ndarray, tuple[float, float]]:
  """(intrinsics [3 3] in shares, (width, height)) where there is no picture.

  What fit gives for an upright picture of shot.size.
  """
  assert shot.size is not None
  width, height = shot.size
  whole = max(round(width), 1), max(round(height), 1)
  found = fit(shot, Header(whole))
  return found.intrinsics, found.size if shot.lens.bends else shot.size


def _fitted(c2w, matrix, size, tag, straight, notes) -> Fitted:
  shares = matrix / np.array([*size, 1.0])[:, None]
  return Fitted(c2w, shares, size, tag, straight, notes)


def _made_for_stored(shot: Shot, header: Header) -> tuple[bool, tuple]:
  """Whether the camera is that of the pixels before they are turned; notes."""
  if header.tag == orientation.UPRIGHT:
    return False, ()
  likely = [_misfit(shot, header.size), _misfit(shot, header.shown)]
  if abs(likely[0] - likely[1]) > 0.1:
    stored = likely[0] < likely[1]
    return stored, (TURNED,) if stored else ()
  return shot.stored, (AS_STORED,) if shot.stored else (TAKEN,)


def _misfit(shot: Shot, size: tuple[int, int]) -> float:
  """How badly a camera fits a picture of this size; 0: as it should."""
  width, height = size
  if shot.size is not None:
    ratio = shot.size[0] / shot.size[1] / (width / height)
    return float(abs(np.log(ratio))) if np.isfinite(ratio) else 0.0
  centre = shot.matrix[:2, 2] / (width / 2, height / 2)
  return float(np.abs(centre - 1).sum())


def _scaled(shot: Shot, size: tuple[int, int]) -> np.ndarray:
  """The matrix in pixels of a picture of this size."""
  width, height = shot.size or size
  ratio = width / height / (size[0] / size[1])
  if not abs(ratio - 1) <= _ASPECT_TOLERANCE:
    raise InputError(
      f"{shot.where}: w, h: {width:g}x{height:g} has another shape than the"
      f" image, {size[0]}x{size[1]}; correct w and h"
    )
  check_pixels(shot, (width, height))
  scale = np.array([size[0] / width, size[1] / height, 1.0])
  return shot.matrix * scale[:, None]


def check_pixels(shot: Shot, size: tuple[float, float]) -> None:
  """InputError where a matrix cannot be in pixels of a picture of this size."""
  width, height = size
  focal, centre = shot.matrix[0, 0], shot.matrix[:2, 2]
  if not shot.lens.bends and focal < _LEAST_FOCAL * width:
    degrees = 2 * np.degrees(np.arctan2(width / 2, focal))
    raise InputError(
      f"{shot.where}: a focal length of {focal:g} in {width:g} pixels would"
      f" see {degrees:.0f} degrees; give it in pixels: shares of the width"
      " times w, millimetres times w / the sensor's width"
    )
  times = centre / (width / 2, height / 2)
  with np.errstate(all="ignore"):
    agree = abs(np.log(times[0] / times[1])) < _ONE_SIZE
  other = times.min() > _OTHER_SIZE or times.max() < 1 / _OTHER_SIZE
  if (agree and other) or 0 <= times.min() <= times.max() < _CORNER:
    raise InputError(
      f"{shot.where}: the centre ({centre[0]:g}, {centre[1]:g}) is the middle"
      f" of {2 * centre[0]:g}x{2 * centre[1]:g} pixels, not of"
      f" {width:g}x{height:g}; give w and h of the pixels that focal lengths"
      " and centre are in"
    )


def _turned(
  shot: Shot, matrix: np.ndarray, size: tuple[int, int], tag: int
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
  """Pose, matrix and size of a camera turned as its picture is."""
  if orientation.is_mirrored(tag):
    raise InputError(
      f"{shot.where}: the image's orientation tag ({tag}) mirrors it, its"
      " camera is of the pixels as stored; save the image upright, or drop the"
      " tag"
    )
  axes = orientation.axes(tag)
  turn = np.eye(4)
  turn[:2, :2] = axes
  shown = orientation.shown_size(size, tag)
  found = np.eye(3)
  found[:2, :2] = np.abs(axes) @ matrix[:2, :2] @ np.abs(axes).T
  offset = matrix[:2, 2] - np.array(size) / 2
  found[:2, 2] = axes @ offset + np.array(shown) / 2
  return shot.c2w @ turn.T, found, shown

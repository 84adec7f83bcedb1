"""Cameras as other programs read them: COLMAP's text, transforms.json."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from scenetok_jax.sharing.points import Points
from scenetok_jax.types import Cameras

COLMAP = "sparse/0"
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # y up, z backwards


def lenses(cameras: Cameras, size: tuple[int, int]) -> np.ndarray:
  """fx, fy, cx, cy in pixels of images of (height, width): float64 [T 4]."""
  matrix = np.asarray(cameras.intrinsics, np.float64)
  height, width = size
  x, y = matrix[:, 0] * width, matrix[:, 1] * height
  return np.stack([x[:, 0], y[:, 1], x[:, 2], y[:, 2]], axis=-1)


def colmap(
  cameras: Cameras,
  names: list[str],
  size: tuple[int, int],
  found: Points | None = None,
) -> dict[str, str]:
  """{name: text} of a COLMAP model of images [T], with points or without.

  Cameras of one lens are one; a point's track is the pixel that it is of.
  size: (height, width) of the images.
  """
  rows, which = np.unique(lenses(cameras, size), axis=0, return_inverse=True)
  which = which.ravel()
  height, width = size
  camera_lines = [
    f"{number} PINHOLE {width} {height} {_numbers(row)}"
    for number, row in enumerate(rows, 1)
  ]
  w2c = np.linalg.inv(np.asarray(cameras.extrinsics, np.float64))
  turns = Rotation.from_matrix(w2c[:, :3, :3]).as_quat(scalar_first=True)
  image_lines = []
  for t, name in enumerate(names):
    pose = _numbers([*turns[t], *w2c[t, :3, 3]])
    image_lines.append(f"{t + 1} {pose} {which[t] + 1} {name}")
    # One of no point where there is none: some readers stop at an empty line.
    image_lines.append(
      " ".join(_seen(found, t)) or f"{width / 2} {height / 2} -1"
    )
  return {
    "cameras.txt": _lines("CAMERA_ID MODEL WIDTH HEIGHT PARAMS", camera_lines),
    "images.txt": _lines(
      "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then X Y POINT3D_ID of its"
      " points",
      image_lines,
    ),
    "points3D.txt": _lines(
      "POINT3D_ID X Y Z R G B ERROR, then IMAGE_ID POINT2D_IDX of its track",
      list(_points(found)) if found else [],
    ),
  }


def _seen(found: Points | None, frame: int) -> Iterator[str]:
  if found:
    for index in np.flatnonzero(found.frames == frame):
      yield f"{_numbers(found.pixels[index])} {index + 1}"


def _points(found: Points) -> Iterator[str]:
  """Points in their order; the number of each among those of its image."""
  counts = dict.fromkeys(np.unique(found.frames).tolist(), 0)
  for index, frame in enumerate(found.frames.tolist()):
    colour = " ".join(map(str, found.colours[index].tolist()))
    place = _numbers(found.places[index])
    yield f"{index + 1} {place} {colour} 0 {frame + 1} {counts[frame]}"
    counts[frame] += 1


def transforms(
  cameras: Cameras, names: list[str], size: tuple[int, int]
) -> dict[str, Any]:
  """transforms.json of nerfstudio: OpenGL axes, lenses in pixels.

  names: of the image files, relative to the file. size: (height, width).
  """
  own = [
    dict(zip(("fl_x", "fl_y", "cx", "cy"), row, strict=True))
    for row in lenses(cameras, size).tolist()
  ]
  poses = np.asarray(cameras.extrinsics, np.float64) @ _OPENGL
  shared = own[0] if all(lens == own[0] for lens in own) else {}
  frames = [
    {
      "file_path": name,
      "transform_matrix": pose.tolist(),
      **({} if shared else lens),
    }
    for name, pose, lens in zip(names, poses, own, strict=True)
  ]
  sides = {"w": size[1], "h": size[0]}
  return {"camera_model": "OPENCV", **sides, **shared, "frames": frames}


def _numbers(values: Any) -> str:
  """As short as they read back the same."""
  return " ".join(repr(float(value)) for value in values)


def _lines(head: str, lines: list[str]) -> str:
  return "\n".join([f"# {head}", *lines, ""])

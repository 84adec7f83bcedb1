"""How exact the cameras and depth maps of prepared furnished rooms are.

  python benchmarks/furnished.py DATA [--split=train] [--json=FILE]

epipolar_pixels: median Sampson error of SIFT matches between frames that are
`--gap` apart (scikit-image, extra [dev]), with the stored cameras, at stored
resolution; wrong_pixels: the same with the poses of another pair of frames.
warp_pixels: median distance of pixels from where they come back to when they
are carried into the other frame by one depth map and back by the other.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage.feature import SIFT, match_descriptors

from data_pipelines.storage.depth_records import DepthMaps
from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.geometry import epipolar
from scenetok_jax.io import write_json
from scenetok_jax.types import Cameras

_SEEN = 0.03  # of the depth: further off, something else is in the way
_LEAST = 12  # matches of a pair that counts


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the three medians."""
  parser = console.parser("benchmarks/furnished.py", __doc__ or "")
  parser.add_argument("data")
  parser.add_argument("--split", default="train")
  parser.add_argument("--gap", type=int, default=8, help="frames")
  parser.add_argument("--pairs", type=int, default=4, help="of each scene")
  parser.add_argument("--json", metavar="FILE")
  args = parser.parse_args(argv)
  result = measure(args)
  print("\n".join(f"{name}: {value:.3f}" for name, value in result.items()))
  if args.json:
    write_json(args.json, result)
  return 0


def measure(args: argparse.Namespace) -> dict[str, float]:
  """The medians over all scenes and pairs."""
  data = Dataset(args.data, args.split)
  maps = DepthMaps(data)
  right, wrong, warped, pairs = [], [], [], 0
  for row in data.scenes:
    last = row.frames - args.gap - 1
    for first in np.linspace(0, last, args.pairs).astype(int):
      frames = [first, first + args.gap, (first + args.gap // 2) % row.frames]
      images, cameras = data.read_frames(row, frames)
      depth = maps.read(row.key, frames[:2])
      warped.append(round_trip(depth, cameras))
      one, two = matches(images[0], images[1])
      if len(one) < _LEAST:
        continue
      size = images.shape[1:3]
      pairs += 1
      for second, found in ((1, right), (2, wrong)):
        matrix = epipolar.fundamental_matrix(cameras, 0, second, size)
        found.append(epipolar.sampson_error(matrix, one, two))
  each = [np.median(errors) for errors in right]
  return {
    "scenes": len(data.scenes),
    "pairs": pairs,
    "matches": sum(map(len, right)),
    "epipolar_pixels": float(np.median(np.concatenate(right))),
    "epipolar_pixels_worst_pair": float(np.max(each)),
    "wrong_pixels": float(np.median(np.concatenate(wrong))),
    "warp_pixels": float(np.median(np.concatenate(warped))),
    "warp_pixels_p95": float(np.percentile(np.concatenate(warped), 95)),
  }


def matches(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Mutual SIFT matches (x, y) [N 2] of two uint8 images [H W 3], pixels."""
  found = []
  for image in (one, two):
    sift = SIFT()
    try:
      sift.detect_and_extract(image.mean(-1) / 255)
    except RuntimeError:  # no keypoint in it
      return np.zeros((0, 2)), np.zeros((0, 2))
    # Pixel edges are the borders: the middle of the first pixel is at 0.5.
    found.append((sift.positions[:, ::-1] + 0.5, sift.descriptors))
  pairs = match_descriptors(
    found[0][1], found[1][1], max_ratio=0.75, cross_check=True
  )
  return found[0][0][pairs[:, 0]], found[1][0][pairs[:, 1]]


def round_trip(depth: np.ndarray, cameras: Cameras) -> np.ndarray:
  """Pixels [N] by which points miss themselves, there and back.

  depth: [2 H W]; cameras: at least 2. Points that something hides are left
  out.
  """
  size = depth.shape[1:]
  poses = np.asarray(cameras.extrinsics, np.float64)
  matrix = epipolar.pixel_intrinsics(cameras.intrinsics[0], size)
  y, x = np.mgrid[: size[0], : size[1]] + 0.5
  start = np.stack([x.ravel(), y.ravel()], 1)
  there, z = _carry(start, depth[0].ravel(), matrix, poses[0], poses[1])
  row, column = there[:, 1] - 0.5, there[:, 0] - 0.5
  # 1 / depth is linear on planes.
  inverse = 1 / np.maximum(depth[1].astype(np.float64), 1e-3)
  met = 1 / ndimage.map_coordinates(inverse, [row, column], order=1, cval=1e3)
  inside = (
    (z > 0) & (row > 1) & (column > 1) & (row < size[0] - 2)
    & (column < size[1] - 2) & (np.abs(met / z - 1) < _SEEN)
  )  # fmt: skip
  back, _ = _carry(there[inside], met[inside], matrix, poses[1], poses[0])
  return np.linalg.norm(back - start[inside], axis=1)


def _carry(pixels, depth, matrix, source, target):
  """Pixels [N 2] with depth [N] into another view: pixels and depth there."""
  rays = np.concatenate([pixels, np.ones((len(pixels), 1))], 1)
  points = (rays @ np.linalg.inv(matrix).T) * depth[:, None]
  relative = np.linalg.inv(target) @ source
  points = points @ relative[:3, :3].T + relative[:3, 3]
  shown = points @ matrix.T
  return shown[:, :2] / np.maximum(shown[:, 2:], 1e-6), points[:, 2]


if __name__ == "__main__":
  sys.exit(console.run(main))

"""Epipolar geometry of two posed views: where a point of one must lie."""

import numpy as np

from scenetok_jax.types import Cameras


def pixel_intrinsics(intrinsics: np.ndarray, size: tuple[int, int]):
  """Normalised K [..., 3, 3] -> pixels of an image of size (h, w).

  Pixel edges are the borders: the centre of the first pixel is at 0.5.
  """
  height, width = size
  scale = np.array([[width], [height], [1.0]])
  return np.asarray(intrinsics, np.float64) * scale


def fundamental_matrix(
  cameras: Cameras, first: int, second: int, size: tuple[int, int]
) -> np.ndarray:
  """F [3, 3] with x2^T F x1 = 0 for pixels x1, x2 of frames of one clip.

  cameras: [T]. first, second: frame numbers. size: (h, w) of both images.
  """
  poses = np.asarray(cameras.extrinsics, np.float64)
  intrinsics = pixel_intrinsics(cameras.intrinsics, size)
  relative = np.linalg.inv(poses[second]) @ poses[first]
  x, y, z = relative[:3, 3]
  cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
  essential = cross @ relative[:3, :3]
  inverse = np.linalg.inv(intrinsics)
  return inverse[second].T @ essential @ inverse[first]


def sampson_error(
  matrix: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
  """Distance of matched pixels [N, 2] from the epipolar constraint, pixels."""
  value, left, right = _residuals(matrix, first, second)
  return value / np.sqrt(np.maximum(left + right, 1e-24))


def symmetric_epipolar_distance(
  matrix: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
  """Mean distance of matched pixels [N, 2] from each other's epipolar lines.

  In pixels; x1's line is in the second image, x2's in the first.
  """
  value, left, right = _residuals(matrix, first, second)
  slopes = np.sqrt(np.maximum([left, right], 1e-24))
  return np.mean(value / slopes, axis=0)


def _residuals(
  matrix: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """|x2^T F x1| [N], and the squared slopes of the lines left and right."""
  ones = np.ones((len(first), 1))
  left = np.concatenate([first, ones], axis=1)
  right = np.concatenate([second, ones], axis=1)
  lines_right, lines_left = left @ matrix.T, right @ matrix
  value = np.abs(np.sum(right * lines_right, axis=1))
  slopes = (np.sum(x[:, :2] ** 2, axis=1) for x in (lines_left, lines_right))
  return value, *slopes

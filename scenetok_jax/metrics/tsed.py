"""TSED: do neighbouring frames agree with the poses they were asked from?

Thresholded symmetric epipolar distance (Yu et al., ICCV 2023): a pair of
frames is consistent where it has at least MATCHES SIFT matches, whose median
distance from their epipolar lines is below THRESHOLD pixels.
"""

import itertools
from typing import Any

import numpy as np
from PIL import Image

from scenetok_jax.geometry import epipolar
from scenetok_jax.media import enlarge
from scenetok_jax.metrics.metric import Metric, Video

THRESHOLD = 2.0  # pixels, of frames whose shorter side is SIDE or more
MATCHES = 10
SIDE = 256  # SIFT finds little in smaller frames; they are enlarged
_RATIO = 0.75  # of distances to the nearest and second descriptor (Lowe)
Features = tuple[np.ndarray, Any]  # pixels (x, y) [N 2], descriptors [N 128]


def tsed(video: Video) -> np.ndarray:
  """Whether each pair of neighbouring frames is consistent: [T - 1] 0 or 1."""
  import cv2

  images = enlarge(video.images, SIDE, Image.Resampling.BICUBIC)
  size = images.shape[1:3]
  sift, matcher = cv2.SIFT.create(), cv2.BFMatcher()
  found: list[Features] = []
  for image in images:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    points, descriptors = sift.detectAndCompute(grey, None)
    # OpenCV counts from the middle of the first pixel.
    pixels = np.array([point.pt for point in points]) + 0.5
    found.append((pixels, descriptors))
  values = np.zeros(len(images) - 1)
  for i, (one, other) in enumerate(itertools.pairwise(found)):
    first, second = _matches(matcher, one, other)
    if len(first) >= MATCHES:
      matrix = epipolar.fundamental_matrix(video.cameras, i, i + 1, size)
      errors = epipolar.symmetric_epipolar_distance(matrix, first, second)
      values[i] = np.median(errors) < THRESHOLD
  return values


def _matches(
  matcher: Any, one: Features, other: Features
) -> tuple[np.ndarray, np.ndarray]:
  """Pixels [M 2] of one frame and of the other that look alike."""
  if min(len(one[0]), len(other[0])) < 2:
    return np.zeros((0, 2)), np.zeros((0, 2))
  pairs = [
    (best.queryIdx, best.trainIdx)
    for best, second in matcher.knnMatch(one[1], other[1], k=2)
    if best.distance < _RATIO * second.distance
  ]
  first, second = np.array(pairs, int).reshape(-1, 2).T
  return one[0][first], other[0][second]


_PACKAGE = ("cv2", "pip install 'scenetok_jax[consistency]'")
METRIC = Metric(
  "tsed", "posed_video", tsed, "higher", "TSED", 3, package=_PACKAGE
)

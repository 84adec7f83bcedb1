"""Frechet distance between the Gaussians of two sets of features.

Everything is float64 on the host. Statistics are accumulated and merged in
any order; the result differs only by rounding.
"""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from scenetok_jax.types import InputError

Matrix = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Statistics:
  """Mean and spread of features of D dimensions, immutable.

  count: number of samples. mean: [D]. factor: [r D] whose factor^T factor is
  the sum of squared deviations from the mean; its rows are the deviations
  themselves while they are few, afterwards at most D combinations of them.
  So it is never larger than a covariance, and exact when samples are fewer
  than dimensions.
  """

  count: int
  mean: Matrix
  factor: Matrix

  @property
  def dimensions(self) -> int:
    return len(self.mean)


def statistics(features: npt.ArrayLike) -> Statistics:
  """features [B D] of any float -> statistics; InputError if not finite."""
  rows = np.asarray(features, np.float64)
  if rows.ndim != 2 or not len(rows):
    raise InputError(f"frechet: features are {list(rows.shape)}; give [B D]")
  bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
  if len(bad):
    raise InputError(
      f"frechet: the features of {len(bad)} samples are not finite (first:"
      f" number {bad[0]}); look at those images"
    )
  mean = rows.mean(axis=0)
  return Statistics(len(rows), mean, _shrink(rows - mean))


def merge(parts: Iterable[Statistics]) -> Statistics:
  """Statistics of all samples, in any order; InputError without parts."""
  parts = list(parts)
  if len({part.dimensions for part in parts}) != 1:
    raise InputError(
      "frechet: merging needs statistics of one number of dimensions, got"
      f" {[part.dimensions for part in parts]}"
    )
  return functools.reduce(_merge_two, parts)


def _merge_two(a: Statistics, b: Statistics) -> Statistics:
  count = a.count + b.count
  gap = b.mean - a.mean
  between = np.sqrt(a.count * b.count / count) * gap
  factor = np.concatenate([a.factor, b.factor, between[None]])
  mean = a.mean + gap * (b.count / count)
  return Statistics(count, mean, _shrink(factor))


def _shrink(factor: Matrix) -> Matrix:
  """Keeps a factor [r D] at most twice as high as wide."""
  # Lazily, at twice the size: a QR for every few rows would dominate.
  small = len(factor) <= 2 * factor.shape[1]
  return factor if small else _compact(factor)


def distance(a: Statistics, b: Statistics) -> float:
  """Squared Frechet (Wasserstein-2) distance, never negative.

  Raises InputError: fewer than two samples a side, or different dimensions.
  """
  if a.dimensions != b.dimensions:
    raise InputError(
      f"frechet: features of {a.dimensions} and {b.dimensions} dimensions;"
      " use one network for both sides"
    )
  for side in (a, b):
    if side.count < 2:
      raise InputError(
        f"frechet: {side.count} samples on one side; a spread needs at least 2"
      )
  gap = a.mean - b.mean
  one, two = (_compact(s.factor) / np.sqrt(s.count - 1) for s in (a, b))
  # tr (A B)^(1/2) is the sum of the singular values of a b^T: no square root
  # of a nearly singular product is taken, which loses half the digits.
  cross = np.linalg.svd(one @ two.T, compute_uv=False).sum()
  spread = np.sum(one * one) + np.sum(two * two) - 2.0 * cross
  return max(float(gap @ gap + spread), 0.0)


def _compact(factor: Matrix) -> Matrix:
  """[r D] -> at most [D D] with the same factor^T factor, up to rounding."""
  if len(factor) <= factor.shape[1]:
    return factor
  triangle: Matrix = np.linalg.qr(factor, mode="r")  # type: ignore[assignment]
  return triangle

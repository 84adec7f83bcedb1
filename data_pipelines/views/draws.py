"""The random draws of the view samplers, in the release's order.

Functions of a NumPy generator: equal draws make equal choices, so recorded
ones can be replayed (docs/architecture/views.md). They check what the release
checks; ViewSampler.check_frames says what a clip must have.
"""

import numpy as np

from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.types import InputError


def target_runs(
  rng: np.random.Generator,
  interval: tuple[int, int],
  total: int,
  gap: int,
  chunks: int,
  full_range: bool,
  uneven: bool = False,
) -> list[tuple[int, int]]:
  """Runs of latents [first, end) from distinct starts, in the order drawn.

  Args:
    rng: source of randomness.
    interval: first latent that may be a target, and their end.
    total: latents of all runs.
    gap: latents between possible starts.
    chunks: runs; fewer where there are too few starts.
    full_range: runs shorter than `total` may start later, so that the last
      frames of a clip are drawn too (ours; False is the release).
    uneven: where the count of runs does not divide `total`, loses the rest as
      the release does; else takes the next lower count that does (ours: a
      batch needs equal lengths).

  Raises:
    InputError: they do not fit.
  """
  first, end = interval
  if end - first < total:
    raise InputError(
      f"data.num_targets: {total} latents do not fit into the {end - first}"
      " latents of this clip (or of its context interval); lower it or leave"
      " the scene out"
    )
  for count in range(chunks, 0, -1):
    length = total // count
    starts = np.arange(first, end - (length if full_range else total) + 1, gap)
    if (uneven or total % count == 0) and len(starts) >= count:
      break
  drawn = starts[rng.choice(len(starts), size=count, replace=False)]
  return [(int(start), int(start) + length) for start in drawn]


def spread_context(
  rng: np.random.Generator, extrinsics: np.ndarray, count: int, how: str
) -> np.ndarray:
  """Context frames of a whole clip [T 4 4], sorted; how: ViewSampler.context.

  More frames than there are come twice.
  """
  if how == "uniform":
    return np.linspace(0, len(extrinsics) - 1, count).astype(np.int64)
  first = int(rng.integers(0, len(extrinsics)))
  return farthest_point(extrinsics, count, first)


def interval_context(
  rng: np.random.Generator,
  extrinsics: np.ndarray,
  count: int,
  how: str,
  ends: tuple[int, int],
) -> np.ndarray:
  """Both ends of an interval, and frames between them."""
  left, right = ends
  if count <= 2:
    return np.array(ends[:count])
  if how == "uniform":
    return np.linspace(left, right, count).astype(np.int64)
  inside = extrinsics[left : right + 1]
  context = left + spread_context(rng, inside, count, how)
  # The outermost two make room for the ends.
  context[0], context[-1] = ends
  return context


def conditions(
  rng: np.random.Generator, context: np.ndarray, frames: int, count: int
) -> np.ndarray:
  """A context frame, then count - 1 other frames of the clip."""
  if count == 0:
    return np.zeros(0, np.int64)
  reference = int(context[rng.integers(0, len(context))])
  if count == 1:
    return np.array([reference])
  others = np.delete(np.arange(frames), reference)
  drawn = rng.choice(others, size=count - 1, replace=False)
  return np.array([reference, *drawn])

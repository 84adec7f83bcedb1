"""Positions on a grid as angles, for rotations or as sines and cosines."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from einops import rearrange, repeat

from scenetok_jax.types import Array

BASE = 10000.0


def _angles(
  axes: Sequence[np.ndarray], channels: Sequence[int]
) -> list[np.ndarray]:
  """Positions [n] along every axis -> angles [cells, channels / 2] of each.

  Position * 10000^(-2i / channels), in float64; the last axis runs fastest.
  """
  found = []
  grid = np.meshgrid(*axes, indexing="ij")
  for positions, width in zip(grid, channels, strict=True):
    ladder = BASE ** (-2.0 * np.arange(width // 2) / width)
    found.append(rearrange(positions, "... -> (...) 1") * ladder)
  return found


def angles_2d(side: int, head_dim: int) -> np.ndarray:
  """Angles [side * side, head_dim / 2] float32: rows first, then columns."""
  angles = _angles([np.arange(side)] * 2, [head_dim // 2] * 2)
  return np.concatenate(angles, axis=-1).astype(np.float32)


def view_angles_2d(views: int, grid: tuple[int, int], channels: int) -> Array:
  """Angles [views * rows * columns, channels / 2], the same for every view.

  ValueError where the grid is not square.
  """
  if grid[0] != grid[1]:
    raise ValueError(f"rope '2d' needs square latents, got {grid} tokens")
  table = jnp.asarray(angles_2d(grid[0], channels))
  return repeat(table, "n c -> (v n) c", v=views)


def pairs_3d(head_dim: int) -> tuple[int, int, int]:
  """Channel pairs for (time, row, column); head_dim 64 gives (10, 11, 11)."""
  third, rest = divmod(head_dim // 2, 3)
  return (third + (rest == 1), third + (rest == 2), third + (rest == 2))


def angles_3d(
  latents: int, height: int, width: int, head_dim: int
) -> np.ndarray:
  """Angles [latents * height * width, head_dim / 2] float32, time-major."""
  axes = [np.arange(size) for size in (latents, height, width)]
  angles = _angles(axes, [2 * pairs for pairs in pairs_3d(head_dim)])
  return np.concatenate(angles, axis=-1).astype(np.float32)


def sincos_table(
  rows: np.ndarray, columns: np.ndarray, width: int
) -> np.ndarray:
  """[rows * columns, width] float32: first half columns, then rows."""
  row, column = _angles((rows, columns), [width // 2] * 2)
  parts = [f(angles) for angles in (column, row) for f in (np.sin, np.cos)]
  return np.concatenate(parts, axis=-1).astype(np.float32)


def rotate(x: Array, angles: Array) -> Array:
  """x [B L heads d], angles [L, d / 2] -> rotated x, in float32 inside."""
  cos, sin = (f(angles)[None, :, None, :] for f in (jnp.cos, jnp.sin))
  x32 = x.astype(jnp.float32)
  even, odd = rearrange(x32, "b l h (c two) -> two b l h c", two=2)
  rotated = jnp.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1)
  return rearrange(rotated, "b l h c two -> b l h (c two)").astype(x.dtype)

"""Rotary position embeddings with interleaved channel pairs."""

import jax.numpy as jnp
import numpy as np
from einops import rearrange, repeat

from scenetok_jax.types import Array

BASE = 10000.0


def axis_angles(positions: np.ndarray, channels: int) -> np.ndarray:
  """positions [n] -> position * 10000^(-2i / channels), [n, channels / 2]."""
  ladder = BASE ** (-2.0 * np.arange(channels // 2) / channels)
  return np.asarray(positions, np.float64)[:, None] * ladder


def angles_2d(side: int, head_dim: int) -> np.ndarray:
  """Angles [side * side, head_dim / 2] float32: rows first, then columns."""
  axis = axis_angles(np.arange(side), head_dim // 2)  # [side, head_dim / 4]
  rows = repeat(axis, "h c -> h w c", w=side)
  columns = repeat(axis, "w c -> h w c", h=side)
  table = np.concatenate([rows, columns], axis=-1)
  return rearrange(table, "h w c -> (h w) c").astype(np.float32)


def pairs_3d(head_dim: int) -> tuple[int, int, int]:
  """Channel pairs for (time, row, column); head_dim 64 gives (10, 11, 11)."""
  third, rest = divmod(head_dim // 2, 3)
  return (third + (rest == 1), third + (rest == 2), third + (rest == 2))


def angles_3d(
  latents: int, height: int, width: int, head_dim: int
) -> np.ndarray:
  """Angles [latents * height * width, head_dim / 2] float32, time-major."""
  sizes = (latents, height, width)
  parts = []
  for axis, (size, pairs) in enumerate(
    zip(sizes, pairs_3d(head_dim), strict=True)
  ):
    angles = axis_angles(np.arange(size), 2 * pairs)
    shape = [1, 1, 1, pairs]
    shape[axis] = size
    parts.append(np.broadcast_to(np.reshape(angles, shape), (*sizes, pairs)))
  table = np.concatenate(parts, axis=-1)
  return rearrange(table, "t h w c -> (t h w) c").astype(np.float32)


def rotate(x: Array, angles: Array) -> Array:
  """x [B L heads d], angles [L, d / 2] -> rotated x, in float32 inside."""
  cos = jnp.cos(angles)[None, :, None, :]
  sin = jnp.sin(angles)[None, :, None, :]
  pairs = rearrange(
    x.astype(jnp.float32), "b l h (c two) -> two b l h c", two=2
  )
  even, odd = pairs[0], pairs[1]
  rotated = jnp.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1)
  return rearrange(rotated, "b l h c two -> b l h (c two)").astype(x.dtype)

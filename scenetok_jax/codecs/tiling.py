"""Overlapping tiles of a video, blended in place as the release does."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp

from scenetok_jax.types import Array, InputError

Function = Callable[[Array], Array]
_TIME, _ROWS, _COLUMNS = 1, 2, 3  # axes of [B T H W C]


@dataclasses.dataclass(frozen=True)
class Axis:
  """Tiles along an axis: their length and step, in units of the input.

  blend, keep: steps of the output that overlap, and that a tile contributes.
  """

  tile: int
  step: int
  blend: int
  keep: int

  @classmethod
  def of(cls, tile: int, out: int, overlap: float) -> "Axis":
    """tile is the length of an input tile, out that of its output.

    overlap: share of a tile that the next one repeats, in [0, 1).
    """
    step, blend = int(tile * (1 - overlap)), int(out * overlap)
    if step < 1 or overlap < 0:
      raise InputError(
        f"codec: overlap={overlap} leaves no step between tiles of {tile}, or"
        " is negative; use 0.25"
      )
    return cls(tile, step, blend, out - blend)

  def split(self, x: Array, axis: int) -> list[Array]:
    """Tiles of x; the last ones may be short."""
    length = x.shape[axis]
    return [
      jax.lax.slice_in_dim(x, i, min(i + self.tile, length), axis=axis)
      for i in range(0, length, self.step)
    ]


def map_tiles(function: Function, tiles: Sequence[Array]) -> list[Array]:
  """function of every tile, one at a time, compiled once per shape."""
  results: dict[int, Array] = {}
  for shape in dict.fromkeys(tile.shape for tile in tiles):
    same = [i for i, tile in enumerate(tiles) if tile.shape == shape]
    if len(same) == 1:
      results[same[0]] = function(tiles[same[0]])
      continue
    out = jax.lax.map(function, jnp.stack([tiles[i] for i in same]))
    results.update(zip(same, out, strict=True))
  return [results[i] for i in range(len(tiles))]


def blend(before: Array, after: Array, extent: int, axis: int) -> Array:
  """after with its first steps faded in from the last ones of before."""
  n = min(extent, before.shape[axis], after.shape[axis])
  if not n:
    return after
  weight = jnp.arange(n, dtype=jnp.float32) / n
  weight = jnp.expand_dims(weight, [a for a in range(after.ndim) if a != axis])
  end = before.shape[axis]
  old = jax.lax.slice_in_dim(before, end - n, end, axis=axis)
  new = jax.lax.slice_in_dim(after, 0, n, axis=axis)
  rest = jax.lax.slice_in_dim(after, n, after.shape[axis], axis=axis)
  mixed = (old * (1 - weight) + new * weight).astype(after.dtype)
  return jnp.concatenate([mixed, rest], axis=axis)


def join_time(tiles: Iterable[Array], axis: Axis) -> Iterator[Array]:
  """Consecutive tiles [B T H W C] -> the parts of the joined video.

  Holds two tiles, whatever their number.
  """
  before = None
  for tile in tiles:
    if before is not None:
      tile = blend(before, tile, axis.blend, _TIME)
    before = tile
    yield tile[:, : axis.keep]


def tile_space(function: Function, x: Array, axis: Axis) -> Array:
  """function of x [B T H W C], in overlapping square tiles if it is larger."""
  if max(x.shape[2:4]) <= axis.tile:
    return function(x)
  rows = [axis.split(row, _COLUMNS) for row in axis.split(x, _ROWS)]
  width = len(rows[0])
  tiles = map_tiles(function, [tile for row in rows for tile in row])
  lines = []
  for i in range(0, len(tiles), width):
    for j in range(i, i + width):
      # Neighbours are already blended themselves: the order matters.
      if i:
        above = tiles[j - width]
        tiles[j] = blend(above, tiles[j], axis.blend, _ROWS)
      if j > i:
        tiles[j] = blend(tiles[j - 1], tiles[j], axis.blend, _COLUMNS)
    kept = [t[:, :, : axis.keep, : axis.keep] for t in tiles[i : i + width]]
    lines.append(jnp.concatenate(kept, axis=_COLUMNS))
  return jnp.concatenate(lines, axis=_ROWS)


def tile_time(function: Function, x: Array, axis: Axis) -> Array:
  """function of x [B T H W C], in overlapping stretches if it is longer."""
  if x.shape[1] <= axis.tile:
    return function(x)
  tiles = map_tiles(function, axis.split(x, _TIME))
  return jnp.concatenate(list(join_time(tiles, axis)), axis=_TIME)

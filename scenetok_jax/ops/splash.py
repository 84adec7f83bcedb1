"""Attention by JAX's splash kernels: logits never leave a TPU's core.

Tiles of keys with a running softmax in float32 (Dao et al. 2022,
FlashAttention). The kernels want whole tiles: what a length lacks of them is
padded, and padded keys are masked.
"""

import functools
import math
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jax.experimental.pallas.ops.tpu.splash_attention import (
  splash_attention_kernel,
  splash_attention_mask,
)

from scenetok_jax.ops.sequence import inside
from scenetok_jax.parallel.rules import split
from scenetok_jax.types import Array, InputError

# What a backward pass needs of the kernel is kept under this name.
KEPT = "attention"
_LANES = 128  # of a vector: keys come in multiples of it
# Most rows of queries and of keys in a tile, where a configuration says none.
# Keys of up to a tile are one, so that the gradient of the queries is complete
# after one pass. Chosen to fit, not timed: for heads of 64 on a v5e libtpu
# 0.0.41 compiles the backward kernel with 1024x2048 and with 512x3072, too;
# with 1024x3072 a core's memory is too small.
ROWS = 512, 1024


class Tiles(NamedTuple):
  """Rows of queries and of keys in a tile, and the lengths they fill."""

  query: int
  key: int
  queries: int
  keys: int

  @classmethod
  def of(cls, queries: int, keys: int, most: tuple[int, int]) -> "Tiles":
    """The largest tiles up to these rows that waste least of these lengths."""
    rows = [
      _tile(length, limit)
      for length, limit in zip((queries, keys), most, strict=True)
    ]
    filled = [
      rows * math.ceil(length / rows)
      for length, rows in zip((queries, keys), rows, strict=True)
    ]
    return cls(*rows, *filled)


def _tile(length: int, most: int) -> int:
  """Rows of equal tiles for a length, a multiple of _LANES."""
  count = math.ceil(length / most)
  return _LANES * math.ceil(length / count / _LANES)


def tile_rows(attention: str) -> tuple[int, int]:
  """Most rows of queries and of keys in a tile, of "splash" or "splash:QxK".

  InputError for any other name, or rows that are no multiples of 128.
  """
  if attention == "splash":
    return ROWS
  match = re.fullmatch(r"splash:(\d+)x(\d+)", attention)
  queries, keys = map(int, match.groups()) if match else (0, 0)
  if not queries or not keys or queries % _LANES or keys % _LANES:
    raise InputError(
      f"config.attention: {attention}: no such tiles; give splash:QxK with"
      f" multiples of {_LANES}, as splash:512x1024"
    )
  return queries, keys


def splash_attention(
  query: Array,
  key: Array,
  value: Array,
  causal: bool,
  rows: tuple[int, int] = ROWS,
  interpret: bool = False,
) -> Array:
  """Scaled query [B Lq h d], key and value [B Lk h d] -> [B Lq h d].

  Over batch and heads of the mesh, each device its own (ops/sequence.py).
  rows: as ROWS. interpret: runs the kernels on any device, slowly.
  """
  local = functools.partial(
    _local, causal=causal, rows=rows, interpret=interpret
  )
  return split(local, inside(query.shape[2]))(query, key, value)


def _local(
  query: Array,
  key: Array,
  value: Array,
  *,
  causal: bool,
  rows: tuple[int, int],
  interpret: bool,
) -> Array:
  """The same on one device."""
  length, (*_, heads, _) = query.shape[1], key.shape
  tiles = Tiles.of(length, key.shape[1], rows)
  kernel = splash_attention_kernel.make_splash_mha(
    splash_attention_mask.MultiHeadMask(
      [_mask(tiles, key.shape[1], causal)] * heads
    ),
    block_sizes=splash_attention_kernel.BlockSizes(
      block_q=tiles.query,
      block_kv=tiles.key,
      block_q_dkv=tiles.query,
      block_kv_dkv=tiles.key,
      use_fused_bwd_kernel=True,
    ),
    head_shards=1,
    q_seq_shards=1,
    residual_checkpoint_name=KEPT,
    interpret=interpret,
  )
  out = jax.vmap(kernel)(
    _rows(query, tiles.queries),
    _rows(key, tiles.keys),
    _rows(value, tiles.keys),
  )
  return rearrange(out[:, :, :length], "b h l d -> b l h d")


def _rows(x: Array, length: int) -> Array:
  """[B L h d] -> [B h length d], filled with zeros."""
  x = rearrange(x, "b l h d -> b h l d")
  return jnp.pad(x, [(0, 0), (0, 0), (0, length - x.shape[2]), (0, 0)])


def _mask(tiles: Tiles, keys: int, causal: bool) -> splash_attention_mask.Mask:
  """Which keys each query sees; padded queries are dropped afterwards."""
  shape = tiles.queries, tiles.keys
  if causal:  # padded keys come after the last query
    return splash_attention_mask.CausalMask(shape)
  if keys == tiles.keys:
    return splash_attention_mask.FullMask(shape)
  return splash_attention_mask.NumpyMask(
    np.broadcast_to(np.arange(tiles.keys) < keys, shape)
  )

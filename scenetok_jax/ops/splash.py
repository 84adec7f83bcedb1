"""Attention by JAX's splash kernels: logits never leave a TPU's core.

Tiles of keys with a running softmax in float32 (Dao et al. 2022,
FlashAttention). The kernels want whole tiles: what a length lacks of them is
padded, and padded keys are masked.
"""

import functools
import math
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
from scenetok_jax.types import Array

# What a backward pass needs of the kernel is kept under this name.
KEPT = "attention"
_LANES = 128  # of a vector: keys come in multiples of it
# Rows of queries and of keys in a tile. Keys of up to a tile are one, so that
# the gradient of the queries is complete after one pass; larger tiles leave no
# room in a core's memory for the backward kernel.
_ROWS = 512, 1024


class Tiles(NamedTuple):
  """Rows of queries and of keys in a tile, and the lengths they fill."""

  query: int
  key: int
  queries: int
  keys: int

  @classmethod
  def of(cls, queries: int, keys: int) -> "Tiles":
    """The largest tiles up to _ROWS that waste least of these lengths."""
    rows = [
      _tile(length, most)
      for length, most in zip((queries, keys), _ROWS, strict=True)
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


def splash_attention(
  query: Array, key: Array, value: Array, causal: bool, interpret: bool = False
) -> Array:
  """Scaled query [B Lq h d], key and value [B Lk h d] -> [B Lq h d].

  Over batch and heads of the mesh, each device its own (ops/sequence.py).
  interpret: runs the kernels on any device, slowly.
  """
  local = functools.partial(_local, causal=causal, interpret=interpret)
  return split(local, inside(query.shape[2]))(query, key, value)


def _local(
  query: Array, key: Array, value: Array, *, causal: bool, interpret: bool
) -> Array:
  """The same on one device."""
  length, (*_, heads, _) = query.shape[1], key.shape
  tiles = Tiles.of(length, key.shape[1])
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

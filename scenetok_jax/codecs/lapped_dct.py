"""A fixed, weight-free codec whose blocks lap over each other: no seams.

The block DCT of block_dct.py, after a filter across every border between two
blocks: a lapped transform by time-domain pre- and post-filtering (Tran, Liang
and Tu, IEEE Transactions on Signal Processing 51(6), 2003). The coefficients
kept are those of the block DCT, in its order. Kept whole, the transform is
exactly invertible.
"""

import functools

import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.codecs import block_dct
from scenetok_jax.codecs.block_dct import BlockDct
from scenetok_jax.codecs.codec import Codec
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array, InputError

# By which the lowest odd shape at a border grows: of 1, 1.2, 1.41 and 1.6 the
# one with the highest ceiling on rooms and on photographs.
_GAIN = 2**0.5


@functools.lru_cache
def filters(side: int) -> tuple[np.ndarray, np.ndarray]:
  """(pre, post) float32 [side, side]: inverse to each other.

  Each takes the pixels around a border, half a block of either side. What is
  even there stays, so a constant does; what is odd goes through a DCT of type
  IV and back through one of type II, its lowest shape gained.
  """
  from scipy.fft import dct  # late: a quarter of a second

  half = side // 2
  same, none = np.eye(half), np.zeros((half, half))
  swap = same[::-1]
  second, fourth = (
    dct(same, type=kind, axis=0, norm="ortho") for kind in (2, 4)
  )
  gains = np.diag([_GAIN, *np.ones(half - 1)])
  odd = swap @ second.T @ gains @ fourth @ swap
  butterfly = np.block([[same, swap], [swap, -same]])
  pre = 0.5 * butterfly @ np.block([[same, none], [none, odd]]) @ butterfly
  return pre.astype(np.float32), np.linalg.inv(pre).astype(np.float32)


def encode(spec: BlockDct, images: Array) -> Array:
  """images [B T H W 3] in [0, 1] -> latents [B L h w C] float32."""
  return block_dct.encode(spec, _filtered(images, spec.spatial, 0))


def decode(spec: BlockDct, latents: Array) -> Array:
  """latents [B L h w C] -> images [B T H W 3], not clipped to [0, 1]."""
  return _filtered(block_dct.decode(spec, latents), spec.spatial, 1)


def codec(
  spatial: int | None,
  channels: int | None,
  grouping: Grouping,
  *,
  whiten: float = BlockDct.whiten,
) -> Codec:
  """The codec of these fields; InputError where one is missing, or odd."""
  if spatial and spatial > 1 and spatial % 2:
    raise InputError(
      f"config: codecs: spatial: lapped_dct halves its blocks, and {spatial} is"
      " odd; use a power of two"
    )
  return block_dct.codec(
    spatial,
    channels,
    grouping,
    whiten=whiten,
    name="lapped_dct",
    transform=(encode, decode),
  )


def _filtered(images: Array, side: int, which: int) -> Array:
  """images [B T H W 3], filtered across the borders of rows and columns."""
  if side == 1:
    return images
  taps, turn = filters(side)[which], "b t h w c -> b t w h c"
  images = rearrange(_across_rows(taps, images), turn)
  return rearrange(_across_rows(taps, images), turn)


def _across_rows(taps: np.ndarray, images: Array) -> Array:
  """images [B T H W 3], filtered down H; half a block at the ends stays."""
  side, half = len(taps), len(taps) // 2
  if images.shape[2] == side:
    return images
  inner = rearrange(
    images[:, :, half:-half], "b t (n p) w c -> b t n p w c", p=side
  )
  inner = jnp.einsum("qp,btnpwc->btnqwc", taps, inner)
  inner = rearrange(inner, "b t n q w c -> b t (n q) w c")
  ends = images[:, :, :half], images[:, :, -half:]
  return jnp.concatenate([ends[0], inner, ends[1]], axis=2)

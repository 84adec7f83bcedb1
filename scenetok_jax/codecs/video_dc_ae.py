"""Open-Sora Video DC-AE: 32 x 32 pixels and 4 frames per latent, 128 channels.

Deterministic and not causal. Clips beyond a tile's size are coded in
overlapping tiles, which are part of the function: 32 frames and 256 pixels at
once, however long the video.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from scenetok_jax.codecs.network import Network, autoencoder, read_published
from scenetok_jax.codecs.tiling import Axis, join_time, tile_space, tile_time
from scenetok_jax.codecs.video_dc_ae_layers import Decoder, Encoder, Sizes
from scenetok_jax.convert.engine import Rename
from scenetok_jax.types import Array, InputError, Posterior

PUBLISHED = read_published("video_dc_ae")
SPATIAL, TEMPORAL = 32, 4  # pixels and frames per latent
_DEPTHS = (3, 3, 3, 3, 3, 3)  # of the decoder


def network(
  *,
  dtype: Any = jnp.float32,
  latent_channels: int = 128,
  head_dim: int = 32,
  encoder_widths: Sequence[int] = Sizes.widths,
  encoder_depths: Sequence[int] = Sizes.depths,
  decoder_widths: Sequence[int] = Sizes.widths,
  decoder_depths: Sequence[int] = _DEPTHS,
  tile_size: int = 256,
  tile_frames: int = 32,
  overlap: float = 0.25,
) -> Network:
  """The published network; other sizes make the same topology smaller.

  encode: images [B T H W 3], T 1, 2 or a multiple of 4; a last tile of that
  length gives 1, 1 or T/4 latents. decode: T is 4L, or 4L - 3 where the last
  tile holds a single latent.

  Args:
    dtype: of the computation; norms and attention sums stay in float32.
    latent_channels, head_dim: of the latents, and of an attention head.
    encoder_widths, ...: of the six stages, finest first.
    tile_size, tile_frames: side in pixels and length above which a video is
      coded in tiles; overlap: share of a tile that the next one repeats.
      tile_frames=16 with overlap=0 is what the release computes its stored
      latents with.
  """
  encoder = Sizes(tuple(encoder_widths), tuple(encoder_depths))
  decoder = Sizes(tuple(decoder_widths), tuple(decoder_depths))
  tile = autoencoder(
    Encoder(encoder, latent_channels, head_dim, dtype),
    Decoder(decoder, head_dim, dtype),
    SPATIAL,
    latent_channels,
    TEMPORAL,
  )
  pixels = (tile_frames, tile_size)
  cells = (tile_frames // TEMPORAL, tile_size // SPATIAL)

  def axes(sizes: tuple[int, int], out: tuple[int, int]) -> list[Axis]:
    """Tiles in time and in space."""
    return [Axis.of(*pair, overlap) for pair in zip(sizes, out, strict=True)]

  def encode(params: Any, images: Array) -> Posterior:
    time, space = axes(pixels, cells)
    _check_frames(images.shape[1], time)

    def part(x: Array) -> Array:
      return tile_space(lambda y: tile.encode(params, y).mean, x, space)

    return Posterior(tile_time(part, images, time))

  def decode_part(params: Any, latents: Array) -> Array:
    decode_tile = functools.partial(tile.decode, params)
    return tile_space(decode_tile, latents, axes(cells, pixels)[1])

  def decode(params: Any, latents: Array) -> Array:
    part = functools.partial(decode_part, params)
    return tile_time(part, latents, axes(cells, pixels)[0])

  compiled = jax.jit(decode_part)  # once for all videos

  def parts(params: Any, latents: Array) -> Iterator[Array]:
    # Of a long video the frames of two tiles are in memory.
    time, _ = axes(cells, pixels)
    if latents.shape[1] <= time.tile:
      return iter([compiled(params, latents)])
    tiles = (compiled(params, x) for x in time.split(latents, 1))
    return join_time(tiles, time)

  return Network(tile.init, encode, decode, parts)


def _check_frames(frames: int, tiles: Axis) -> None:
  """InputError unless every tile of a video can be encoded."""
  starts = range(0, frames, tiles.step) if frames > tiles.tile else (0,)
  for start in starts:
    length = min(tiles.tile, frames - start)
    if length not in (1, 2) and length % TEMPORAL:
      raise InputError(
        f"video_dc_ae: {frames} frames do not fill latents of {TEMPORAL};"
        f" give {frames // TEMPORAL * TEMPORAL}"
      )


def renames(
  *,
  encoder_depths: Sequence[int] = Sizes.depths,
  decoder_depths: Sequence[int] = _DEPTHS,
  **_: Any,
) -> list[Rename]:
  """The stages' layers, which the file counts."""
  found: list[Rename] = []
  for i, depth in enumerate(encoder_depths):
    down = f"encoder/stages/{i}/op_list/{depth}/main"
    found.append((f"encoder/down{i}", down))
  # A decoder stage begins with its upsampling, but for the last.
  for i, depth in enumerate(decoder_depths):
    for j in range(depth):
      place = j + (i + 1 < len(decoder_depths))
      own = f"decoder/stages/{i}/op_list/{place}/"
      found.append((f"decoder/stage{i}/block{j}/", own))
  return found

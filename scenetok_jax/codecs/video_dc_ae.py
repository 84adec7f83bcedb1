"""Open-Sora Video DC-AE: 32 x 32 pixels and 4 frames per latent, 128 channels.

Deterministic and not causal. Clips beyond a tile's size are coded in
overlapping tiles, which are part of the function: 32 frames and 256 pixels at
once, however long the video.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scenetok_jax.codecs.layers import conv
from scenetok_jax.codecs.layers_3d import (
  ChannelNorm,
  average_channels,
  repeat_channels,
)
from scenetok_jax.codecs.network import (
  Encoded,
  Network,
  Published,
  Scaling,
)
from scenetok_jax.codecs.tiling import (
  Axis,
  Function,
  Tiling,
  join_time,
  tile_space,
  tile_time,
)
from scenetok_jax.codecs.video_dc_ae_layers import (
  AttentionBlock,
  Downsample,
  ResBlock,
  Upsample,
)
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Array, InputError

PUBLISHED = Published(
  spatial=32,
  channels=128,
  grouping=Grouping(4),
  scaling=Scaling(std=(1 / 0.493,)),  # release: latents are times 0.493
  file="F32T4C128_AE.safetensors",
  source="huggingface.co/hpcai-tech/Open-Sora-v2-Video-DC-AE",
  licence="Apache-2.0",
  tensors=339,
  parameters=459_462_147,
)

SPATIAL, TEMPORAL = 32, 4  # pixels and frames per latent
_TEMPORAL_STAGES = (3, 4)  # whose resampling halves or doubles time
_CONVOLUTIONAL = 3  # stages of ResBlocks; the others attend


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Widths and numbers of blocks of the six stages, finest first."""

  widths: tuple[int, ...] = (128, 256, 512, 512, 1024, 1024)
  depths: tuple[int, ...] = (2, 2, 2, 3, 3, 3)


class _Stage(nn.Module):
  """The blocks of one stage: [B T H W C] -> same."""

  index: int
  depth: int
  head_dim: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    for i in range(self.depth):
      if self.index < _CONVOLUTIONAL:
        x = ResBlock(self.dtype, name=f"block{i}")(x)
      else:
        x = AttentionBlock(self.head_dim, self.dtype, name=f"block{i}")(x)
    return x


class Encoder(nn.Module):
  """images [B T H W 3] in [-1, 1] -> latents [B T/4 H/32 W/32 C]."""

  sizes: Sizes
  channels: int = 128
  head_dim: int = 32
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    widths = self.sizes.widths
    x = conv(widths[0], name="embed", rank=3, dtype=self.dtype)(x)
    for i, depth in enumerate(self.sizes.depths):
      x = _Stage(i, depth, self.head_dim, self.dtype, name=f"stage{i}")(x)
      if i + 1 < len(widths):
        x = Downsample(
          widths[i + 1], i in _TEMPORAL_STAGES, self.dtype, name=f"down{i}"
        )(x)
    main = conv(self.channels, name="head", rank=3, dtype=self.dtype)(x)
    return (main + average_channels(x, self.channels)).astype(jnp.float32)


class Decoder(nn.Module):
  """latents [B L h w C] -> images [B T 32h 32w 3], about [-1, 1].

  T is 4L, but one latent alone becomes one frame.
  """

  sizes: Sizes
  head_dim: int = 32
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    widths = self.sizes.widths
    main = conv(widths[-1], name="embed", rank=3, dtype=self.dtype)(x)
    x = main + repeat_channels(x.astype(self.dtype), widths[-1])
    for i in reversed(range(len(widths))):
      if i + 1 < len(widths):
        x = Upsample(
          widths[i], i in _TEMPORAL_STAGES, self.dtype, name=f"up{i}"
        )(x)
      depth = self.sizes.depths[i]
      x = _Stage(i, depth, self.head_dim, self.dtype, name=f"stage{i}")(x)
    x = jax.nn.relu(ChannelNorm(name="norm")(x))
    x = conv(3, name="head", rank=3, dtype=self.dtype)(x)
    return x.astype(jnp.float32)


@dataclasses.dataclass(frozen=True)
class VideoDcAe:
  """The autoencoder as functions of params {"encoder", "decoder"}.

  latent_channels, head_dim: of the latents, and of an attention head.
  encoder, decoder: their sizes.
  tiles: limits above which tiles are used.
  dtype: of the computation; norms and attention sums stay in float32.
  """

  latent_channels: int = 128
  head_dim: int = 32
  encoder: Sizes = Sizes()
  decoder: Sizes = Sizes(depths=(3, 3, 3, 3, 3, 3))
  tiles: Tiling = dataclasses.field(default_factory=Tiling)
  dtype: Any = jnp.float32

  def _encoder(self) -> Encoder:
    return Encoder(
      self.encoder, self.latent_channels, self.head_dim, self.dtype
    )

  def _decoder(self) -> Decoder:
    return Decoder(self.decoder, self.head_dim, self.dtype)

  def init(self, key: Array) -> Any:
    """Random parameters, float32."""
    images = jnp.zeros((1, TEMPORAL, SPATIAL, SPATIAL, 3))
    latents = jnp.zeros((1, 1, 1, 1, self.latent_channels))
    keys = jax.random.split(key)
    return {
      "encoder": self._encoder().init(keys[0], images)["params"],
      "decoder": self._decoder().init(keys[1], latents)["params"],
    }

  def encode(self, params: Any, images: Array) -> Array:
    """images [B T H W 3] in [-1, 1] -> latents [B L h w C] float32.

    T is 1, 2 or a multiple of 4; a last tile of that length gives 1, 1 or
    T/4 latents.

    Raises:
      InputError: H or W not a multiple of 32, or another number of frames.
    """
    _check_images(images.shape, self.tiles)
    time, space = self._axes(images=True)
    return self._tiled(self._encode_tile(params), images, time, space)

  def decode(self, params: Any, latents: Array) -> Array:
    """latents [B L h w C] -> images [B T H W 3] float32, not clipped.

    T is 4L, or 4L - 3 where the last tile holds a single latent.
    """
    time, space = self._axes(images=False)
    return self._tiled(self._decode_tile(params), latents, time, space)

  def decode_parts(self, params: Any, latents: Array) -> Iterator[Array]:
    """Consecutive parts [B t H W 3] of what `decode` returns.

    For long videos: holds the frames of two tiles at a time.
    """
    time, _ = self._axes(images=False)
    if latents.shape[1] <= time.tile:
      yield self._decode_part(params, latents)
      return
    starts = range(0, latents.shape[1], time.step)
    tiles = (
      self._decode_part(params, latents[:, i : i + time.tile]) for i in starts
    )
    yield from join_time(tiles, time)

  @functools.cached_property
  def _decode_part(self) -> Callable[[Any, Array], Array]:
    """Of at most a tile's latents; compiled once for all videos."""
    _, space = self._axes(images=False)
    return jax.jit(
      lambda params, tile: self._spaced(self._decode_tile(params), tile, space)
    )

  def _encode_tile(self, params: Any) -> Function:
    variables = {"params": params["encoder"]}
    return lambda x: self._encoder().apply(variables, x)

  def _decode_tile(self, params: Any) -> Function:
    variables = {"params": params["decoder"]}
    return lambda x: self._decoder().apply(variables, x)

  def _axes(self, *, images: bool) -> tuple[Axis, Axis]:
    """Tiles in time and in space, of images or of latents."""
    tile, overlap = self.tiles, self.tiles.overlap
    time = (tile.frames, tile.frames // TEMPORAL)
    space = (tile.size, tile.size // SPATIAL)
    if not images:
      time, space = time[::-1], space[::-1]
    return Axis.of(*time, overlap), Axis.of(*space, overlap)

  def _tiled(
    self, function: Function, x: Array, time: Axis, space: Axis
  ) -> Array:
    spaced = lambda tile: self._spaced(function, tile, space)  # noqa: E731
    if x.shape[1] > time.tile:
      return tile_time(spaced, x, time)
    return spaced(x)

  def _spaced(self, function: Function, x: Array, space: Axis) -> Array:
    if max(x.shape[2:4]) > space.tile:
      return tile_space(function, x, space)
    return function(x)


def _check_images(shape: Sequence[int], tile: Tiling) -> None:
  """InputError unless every tile of images [B T H W 3] can be encoded."""
  frames, height, width = shape[1:4]
  if height % SPATIAL or width % SPATIAL:
    raise InputError(
      f"video_dc_ae: images of {height} x {width} pixels: not multiples of"
      f" {SPATIAL}; resize or crop them"
    )
  step = int(tile.frames * (1 - tile.overlap))
  starts = range(0, frames, step) if frames > tile.frames else (0,)
  for start in starts:
    length = min(start + tile.frames, frames) - start
    if length not in (1, 2) and length % TEMPORAL:
      raise InputError(
        f"video_dc_ae: {frames} frames do not fill latents of {TEMPORAL};"
        f" give {frames // TEMPORAL * TEMPORAL}"
      )


def network(
  *,
  dtype: Any = jnp.float32,
  latent_channels: int = 128,
  head_dim: int = 32,
  encoder_widths: Sequence[int] = Sizes.widths,
  encoder_depths: Sequence[int] = Sizes.depths,
  decoder_widths: Sequence[int] = Sizes.widths,
  decoder_depths: Sequence[int] = (3, 3, 3, 3, 3, 3),
  tile_size: int = 256,
  tile_frames: int = 32,
  overlap: float = 0.25,
) -> Network:
  """The published network; other sizes make the same topology smaller.

  tile_frames=16 with overlap=0 is what the release computes its stored
  latents with.
  """
  model = VideoDcAe(
    latent_channels,
    head_dim,
    Sizes(tuple(encoder_widths), tuple(encoder_depths)),
    Sizes(tuple(decoder_widths), tuple(decoder_depths)),
    Tiling(tile_size, tile_frames, overlap),
    dtype,
  )
  return Network(
    init=model.init,
    encode=lambda params, images: Encoded(model.encode(params, images)),
    decode=model.decode,
    parts=model.decode_parts,
  )

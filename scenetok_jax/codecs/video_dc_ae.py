"""Open-Sora Video DC-AE: 32 x 32 pixels and 4 frames per latent, 128 channels.

Deterministic and not causal. Clips beyond a tile's size are coded in
overlapping tiles, which are part of the function: 32 frames and 256 pixels at
once, however long the video.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.codecs.layers import conv
from scenetok_jax.codecs.layers_3d import (
  ChannelNorm,
  DepthwiseConv,
  GroupedDense,
  average_channels,
  nearest_3d,
  repeat_channels,
  shuffle,
  unshuffle,
)
from scenetok_jax.codecs.network import Network, autoencoder, read_published
from scenetok_jax.codecs.tiling import Axis, join_time, tile_space, tile_time
from scenetok_jax.convert.engine import Rename
from scenetok_jax.types import Array, InputError, Posterior

PUBLISHED = read_published("video_dc_ae")
SPATIAL, TEMPORAL = 32, 4  # pixels and frames per latent
_EXPANSION = 4  # of the gated MLP, per half
_TEMPORAL_STAGES = (3, 4)  # whose resampling halves or doubles time
_CONVOLUTIONAL = 3  # stages of ResBlocks; the others attend


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Sizes of the network; the defaults are the published ones.

  encoder_widths, ...: of the six stages, finest first.
  head_dim: of an attention head.
  tile_size, tile_frames: side in pixels and length above which a video is
    coded in tiles. overlap: share of a tile that the next one repeats.
    tile_frames=16 with overlap=0 is what the release computes its stored
    latents with.
  """

  latent_channels: int = 128
  head_dim: int = 32
  encoder_widths: tuple[int, ...] = (128, 256, 512, 512, 1024, 1024)
  encoder_depths: tuple[int, ...] = (2, 2, 2, 3, 3, 3)
  decoder_widths: tuple[int, ...] = (128, 256, 512, 512, 1024, 1024)
  decoder_depths: tuple[int, ...] = (3, 3, 3, 3, 3, 3)
  tile_size: int = 256
  tile_frames: int = 32
  overlap: float = 0.25


class ResBlock(nn.Module):
  """x [B T H W C] -> x + norm(conv(silu(conv(x))))."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    width, settings = x.shape[-1], {"rank": 3, "dtype": self.dtype}
    h = jax.nn.silu(conv(width, name="up", **settings)(x))
    h = conv(width, name="down", use_bias=False, **settings)(h)
    return x + ChannelNorm(name="norm")(h)


class LinearAttention(nn.Module):
  """ReLU linear attention over all voxels, at two scales: [B T H W C] -> same.

  The second scale aggregates query, key and value over 5 x 5 x 5 voxels.
  """

  head_dim: int = 32
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    width = x.shape[-1]
    qkv = nn.Dense(3 * width, use_bias=False, dtype=self.dtype, name="qkv")(x)
    local = DepthwiseConv(5, use_bias=False, dtype=self.dtype, name="local")(
      qkv
    )
    local = GroupedDense(self.head_dim, dtype=self.dtype, name="mix")(local)
    out = relu_attention(jnp.concatenate([qkv, local], -1), self.head_dim)
    out = nn.Dense(width, use_bias=False, dtype=self.dtype, name="out")(
      out.astype(self.dtype)
    )
    return ChannelNorm(name="norm")(out)


def relu_attention(qkv: Array, head_dim: int) -> Array:
  """[B T H W (heads 3 d)] -> [B T H W (heads d)], in float32.

  Every head owns consecutive query, key and value channels.
  """
  heads = rearrange(
    qkv.astype(jnp.float32),
    "b t h w (n k d) -> k b n (t h w) d",
    k=3,
    d=head_dim,
  )
  query, key, value = jax.nn.relu(heads[0]), jax.nn.relu(heads[1]), heads[2]
  memory = jnp.einsum("bnld,bnle->bnde", key, value)
  total = jnp.sum(key, axis=2)  # [B heads d]
  top = jnp.einsum("bnld,bnde->bnle", query, memory)
  bottom = jnp.einsum("bnld,bnd->bnl", query, total)[..., None]
  out = top / (bottom + 1e-15)
  t, h = qkv.shape[1:3]
  return rearrange(out, "b n (t h w) d -> b t h w (n d)", t=t, h=h)


class GatedMlp(nn.Module):
  """1x1x1, depthwise 3x3x3, gate, 1x1x1, norm: [B T H W C] -> same."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    width = x.shape[-1]
    h = nn.Dense(2 * _EXPANSION * width, dtype=self.dtype, name="up")(x)
    h = DepthwiseConv(3, dtype=self.dtype, name="local")(jax.nn.silu(h))
    value, gate = jnp.split(h, 2, axis=-1)
    h = value * jax.nn.silu(gate)
    h = nn.Dense(width, use_bias=False, dtype=self.dtype, name="down")(h)
    return ChannelNorm(name="norm")(h)


class AttentionBlock(nn.Module):
  """Linear attention, then the gated MLP, each with a residual."""

  head_dim: int = 32
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """x [B T H W C] -> same."""
    attention = LinearAttention(self.head_dim, self.dtype, name="attention")
    x = x + attention(x)
    return x + GatedMlp(self.dtype, name="mlp")(x)


class Downsample(nn.Module):
  """Strided convolution plus averages: [B T H W C] -> [B T' H/2 W/2 D].

  T' is T/2 if temporal, T otherwise; a single frame stays one.
  """

  features: int
  temporal: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    stride = (2 if self.temporal else 1, 2, 2)
    main = conv(
      self.features,
      name="conv",
      rank=3,
      stride=stride,
      padding=1,
      dtype=self.dtype,
    )(x)
    time = 2 if self.temporal and x.shape[1] != 1 else 1
    return main + average_channels(unshuffle(x, time, 2), self.features)


class Upsample(nn.Module):
  """Nearest, convolution, plus copies: [B T H W C] -> [B T' 2H 2W D].

  T' is 2T if temporal, T otherwise; a single frame stays one.
  """

  features: int
  temporal: bool
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    time = 2 if self.temporal and x.shape[1] != 1 else 1
    main = conv(self.features, name="conv", rank=3, dtype=self.dtype)(
      nearest_3d(x, time, 2)
    )
    copies = repeat_channels(x, self.features * time * 4)
    return main + shuffle(copies, time, 2)


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
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    sizes, dtype = self.sizes, self.dtype
    widths, channels = sizes.encoder_widths, sizes.latent_channels
    x = conv(widths[0], name="embed", rank=3, dtype=dtype)(x)
    for i, depth in enumerate(sizes.encoder_depths):
      x = _Stage(i, depth, sizes.head_dim, dtype, name=f"stage{i}")(x)
      if i + 1 < len(widths):
        fields = (widths[i + 1], i in _TEMPORAL_STAGES, dtype)
        x = Downsample(*fields, name=f"down{i}")(x)
    main = conv(channels, name="head", rank=3, dtype=dtype)(x)
    return (main + average_channels(x, channels)).astype(jnp.float32)


class Decoder(nn.Module):
  """latents [B L h w C] -> images [B T 32h 32w 3], about [-1, 1].

  T is 4L, but one latent alone becomes one frame.
  """

  sizes: Sizes
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    sizes, dtype = self.sizes, self.dtype
    widths, depths = sizes.decoder_widths, sizes.decoder_depths
    main = conv(widths[-1], name="embed", rank=3, dtype=dtype)(x)
    x = main + repeat_channels(x.astype(dtype), widths[-1])
    for i in reversed(range(len(widths))):
      if i + 1 < len(widths):
        fields = (widths[i], i in _TEMPORAL_STAGES, dtype)
        x = Upsample(*fields, name=f"up{i}")(x)
      x = _Stage(i, depths[i], sizes.head_dim, dtype, name=f"stage{i}")(x)
    x = jax.nn.relu(ChannelNorm(name="norm")(x))
    x = conv(3, name="head", rank=3, dtype=dtype)(x)
    return x.astype(jnp.float32)


def network(*, dtype: Any = jnp.float32, **sizes: Any) -> Network:
  """The published network; other sizes (Sizes) make the same one smaller.

  encode: images [B T H W 3], T 1, 2 or a multiple of 4; a last tile of that
  length gives 1, 1 or T/4 latents. decode: T is 4L, or 4L - 3 where the last
  tile holds a single latent. dtype: of the computation; norms and attention
  sums stay in float32.
  """
  own = Sizes(**sizes)
  both = (Encoder(own, dtype), Decoder(own, dtype))
  tile = autoencoder(*both, SPATIAL, own.latent_channels, TEMPORAL)
  pixels = (own.tile_frames, own.tile_size)
  cells = (own.tile_frames // TEMPORAL, own.tile_size // SPATIAL)

  def axes(sizes: tuple[int, int], out: tuple[int, int]) -> list[Axis]:
    """Tiles in time and in space."""
    pairs = zip(sizes, out, strict=True)
    return [Axis.of(*pair, own.overlap) for pair in pairs]

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


def renames(**sizes: Any) -> list[Rename]:
  """The stages' layers, which the file counts."""
  own = Sizes(**sizes)
  found: list[Rename] = []
  for i, depth in enumerate(own.encoder_depths):
    down = f"encoder/stages/{i}/op_list/{depth}/main"
    found.append((f"encoder/down{i}", down))
  # A decoder stage begins with its upsampling, but for the last.
  for i, depth in enumerate(own.decoder_depths):
    for j in range(depth):
      place = j + (i + 1 < len(own.decoder_depths))
      block = f"decoder/stages/{i}/op_list/{place}/"
      found.append((f"decoder/stage{i}/block{j}/", block))
  return found

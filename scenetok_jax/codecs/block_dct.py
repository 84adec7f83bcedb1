"""A fixed, weight-free codec: the lowest orthonormal block-DCT coefficients.

Each block of frames x spatial x spatial pixels is transformed along time,
rows, columns and colour, and the `channels` lowest frequencies are kept.
Kept whole, the transform is exactly invertible; otherwise its round trip is
the best the kept coefficients can do, and is reported as the ceiling of every
reconstruction number.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.codecs.codec import Codec
from scenetok_jax.codecs.network import Scaling
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.types import Array, InputError

# Colour axis after the transform: luma, then two opponent chroma axes.
COLOURS = 3
# Coefficient statistics of images in [-1, 1], a power law per colour axis in
# the spatial frequency (cycles per pixel), fitted to rendered rooms by
# `python -m benchmarks.block_dct_statistics`.
MEAN_LEVEL = 0.327
AMPLITUDE = (0.0302, 0.0091, 0.0079)
DECAY = 1.367
BLOCK_OFFSET = 0.244  # frequency, in 1 / block side, that stands for a mean
TIME_RATIO = 0.35  # amplitude of the first change over time to the mean


@dataclasses.dataclass(frozen=True)
class BlockDct:
  """Geometry of the codec.

  spatial: block side in pixels. channels: coefficients kept.
  grouping: the frames of a block; the first frame of a chunk is a block of
    its own.
  whiten: latents are divided by the expected deviation to this power: 1 makes
    every channel unit variance, 0 keeps pixel energy; all are then scaled
    together to unit mean square.
  """

  spatial: int
  channels: int
  grouping: Grouping = Grouping()
  whiten: float = 0.5

  @property
  def frames(self) -> int:
    """Frames per block."""
    return self.grouping.frames_per_latent

  @property
  def first(self) -> "BlockDct":
    """The image codec of a chunk's first frame."""
    return dataclasses.replace(self, grouping=Grouping())


def expected_deviation(spec: BlockDct) -> np.ndarray:
  """Expected standard deviation [frames, spatial, spatial, colour]."""
  side = np.arange(spec.spatial) / (2 * spec.spatial)
  offset = BLOCK_OFFSET / spec.spatial
  square = side[:, None] ** 2 + side[None, :] ** 2 + offset**2
  space = square ** (-DECAY / 2)  # [spatial, spatial]
  time = np.full(spec.frames, np.sqrt(spec.frames))  # [frames]
  time[1:] *= TIME_RATIO / np.arange(1, spec.frames)
  return (
    time[:, None, None, None] * space[None, :, :, None] * np.asarray(AMPLITUDE)
  )


# (spec, images) -> latents, and (spec, latents) -> images, both in [0, 1].
Transform = Callable[[BlockDct, Array], Array]


@functools.lru_cache
def tables(spec: BlockDct) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """(basis [P, C], mean [C], scale [C]) float32 for blocks of P values.

  Latent = (block . basis - mean) / scale, channels by falling expected
  deviation: low frequencies first. InputError for more channels than the block
  has values.
  """
  shape = (spec.frames, spec.spatial, spec.spatial, COLOURS)
  values = int(np.prod(shape))
  if spec.channels > values:
    raise InputError(
      f"codec: channels={spec.channels} exceeds the {values} coefficients of "
      f"a {shape} block; lower channels"
    )
  deviation = rearrange(expected_deviation(spec), "t h w c -> (t h w c)")
  order = np.argsort(-deviation, kind="stable")[: spec.channels]
  # Only the kept basis functions are built: a full 4x32x32 basis is 1.2 GB.
  index = np.unravel_index(order, shape)
  from scipy.fft import dct  # late: a quarter of a second

  axes = [dct(np.eye(n), axis=0, norm="ortho") for n in shape]
  rows = [axis[i] for axis, i in zip(axes, index, strict=True)]
  basis = np.einsum("kt,kh,kw,kc->thwck", *rows)
  basis = rearrange(basis, "t h w c k -> (t h w c) k")
  scale = deviation[order] ** spec.whiten
  energy = deviation[order] / scale
  scale = scale * np.sqrt(np.mean(np.square(energy)))
  mean = MEAN_LEVEL * basis.sum(axis=0)
  return tuple(x.astype(np.float32) for x in (basis, mean, scale))


_PIXELS = "b (l t) (h p) (w q) c"
_BLOCKS = "b l h w (t p q c)"


def _forward(spec: BlockDct, images: Array) -> Array:
  """images [B T H W 3] in [-1, 1] -> latents [B L h w C], even grouping."""
  basis, mean, scale = tables(spec)
  sizes = {"t": spec.frames, "p": spec.spatial, "q": spec.spatial}
  blocks = rearrange(images, f"{_PIXELS} -> {_BLOCKS}", **sizes)
  latents = blocks @ jnp.asarray(basis)
  return (latents - trailing(mean, latents)) / trailing(scale, latents)


def _inverse(spec: BlockDct, latents: Array) -> Array:
  """The transpose of _forward: latents [B L h w C] -> images in [-1, 1]."""
  basis, mean, scale = tables(spec)
  latents = latents * trailing(scale, latents) + trailing(mean, latents)
  blocks = latents @ jnp.asarray(basis).T
  sizes = {"t": spec.frames, "p": spec.spatial, "q": spec.spatial}
  return rearrange(blocks, f"{_BLOCKS} -> {_PIXELS}", c=COLOURS, **sizes)


def _by_chunk(
  function: Callable[[BlockDct, Array], Array],
  spec: BlockDct,
  x: Array,
  length: int,
) -> Array:
  """function of x; the first of each chunk of this length is coded alone."""
  if not spec.grouping.chunked:
    return function(spec, x)
  parts = [
    part
    for chunk in rearrange(x, "b (n s) h w c -> n b s h w c", s=length)
    for part in (
      function(spec.first, chunk[:, :1]),
      function(spec, chunk[:, 1:]),
    )
  ]
  return jnp.concatenate(parts, axis=1)


def encode(spec: BlockDct, images: Array) -> Array:
  """images [B T H W 3] in [0, 1] -> latents [B L h w C] float32."""
  span = spec.grouping.unit_frames
  return _by_chunk(_forward, spec, 2.0 * images - 1.0, span)


def decode(spec: BlockDct, latents: Array) -> Array:
  """latents [B L h w C] -> images [B T H W 3], not clipped to [0, 1]."""
  span = spec.grouping.unit_latents
  return _by_chunk(_inverse, spec, latents, span) / 2.0 + 0.5


def codec(
  spatial: int | None,
  channels: int | None,
  grouping: Grouping,
  *,
  whiten: float = BlockDct.whiten,
  name: str = "block_dct",
  transform: tuple[Transform, Transform] | None = None,
) -> Codec:
  """The codec of these fields; InputError where one is missing.

  name, transform: of another codec with the same blocks.
  """
  if spatial is None or channels is None:
    raise InputError(
      f"config: codecs: {name} needs the fields spatial and channels"
    )
  if grouping.chunked and 16 % grouping.frames_per_latent:
    raise InputError(
      f"config: codecs: frames_per_latent: blocks of"
      f" {grouping.frames_per_latent} frames do not fill the 16 that follow the"
      " first of a chunk; use 1, 2, 4, 8 or 16, or chunked=False"
    )
  spec = BlockDct(spatial, channels, grouping, whiten)
  forward, inverse = transform or (encode, decode)
  return Codec(
    name=name,
    spatial=spatial,
    grouping=grouping,
    channels=channels,
    scaling=Scaling(),
    encode=lambda params, images, key: forward(spec, images),
    decode=lambda params, latents: jnp.clip(inverse(spec, latents), 0.0, 1.0),
  )

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

from scenetok_jax.codecs.network import (
  Encoded,
  Network,
  Published,
  Scaling,
  Sides,
)
from scenetok_jax.codecs.tiling import Axis, join_time, tile_space, tile_time
from scenetok_jax.codecs.video_dc_ae_layers import Decoder, Encoder, Sizes
from scenetok_jax.convert.engine import Rename
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
_DEPTHS = (3, 3, 3, 3, 3, 3)  # of the decoder
LAYOUTS = {
  2: "o i 1 1 1 -> i o",
  3: "(g o) i 1 1 1 -> g i o",
  4: "c 1 t p q -> t p q c",
}


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
  sides = Sides(
    "video_dc_ae",
    Encoder(encoder, latent_channels, head_dim, dtype),
    Decoder(decoder, head_dim, dtype),
    SPATIAL,
    latent_channels,
    frames=TEMPORAL,
  )
  pixels = (tile_frames, tile_size)
  cells = (tile_frames // TEMPORAL, tile_size // SPATIAL)

  def axes(sizes: tuple[int, int], out: tuple[int, int]) -> list[Axis]:
    """Tiles in time and in space."""
    return [Axis.of(*pair, overlap) for pair in zip(sizes, out, strict=True)]

  def encode(params: Any, images: Array) -> Encoded:
    time, space = axes(pixels, cells)
    sides.check_size(images)
    _check_frames(images.shape[1], time)
    variables = {"params": params["encoder"]}
    tile = functools.partial(sides.encoder.apply, variables)
    spaced = functools.partial(tile_space, tile, axis=space)
    return Encoded(tile_time(spaced, images, time))

  def decode_part(params: Any, latents: Array) -> Array:
    tile = functools.partial(sides.decode, params)
    return tile_space(tile, latents, axes(cells, pixels)[1])

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

  return Network(sides.init, encode, decode, parts)


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
  """From parameter paths to the file's names (convert.engine.Table)."""
  attention, mlp = "context_module/main", "local_module/main"
  found: list[Rename] = [
    ("attention/qkv", f"{attention}/qkv/conv"),
    ("attention/local", f"{attention}/aggreg/0/0"),
    ("attention/mix", f"{attention}/aggreg/0/1"),
    ("attention/out", f"{attention}/proj/conv"),
    ("attention/norm", f"{attention}/proj/norm"),
    ("mlp/up", f"{mlp}/inverted_conv/conv"),
    ("mlp/local", f"{mlp}/depth_conv/conv"),
    ("mlp/down", f"{mlp}/point_conv/conv"),
    ("mlp/norm", f"{mlp}/point_conv/norm"),
    (r"(block\d)/up", r"\1/main/conv1/conv"),
    (r"(block\d)/down", r"\1/main/conv2/conv"),
    (r"(block\d)/norm", r"\1/main/conv2/norm"),
    ("encoder/embed", "encoder/project_in/conv"),
    ("encoder/head", "encoder/project_out/main/op_list/0/conv"),
    ("decoder/embed", "decoder/project_in/main/conv"),
    ("decoder/norm", "decoder/project_out/op_list/0"),
    ("decoder/head", "decoder/project_out/op_list/2/conv"),
    (r"coder/up(\d)/", r"coder/stages/\1/op_list/0/main/conv/"),
    (r"encoder/stage(\d)/block", r"encoder/stages/\1/op_list/"),
  ]
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

"""Rename table of the tokenizer (the release's `compressor`)."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange, repeat

from scenetok_jax.convert.engine import Buffers, Table
from scenetok_jax.convert.layers import network_table
from scenetok_jax.ops.rope import BASE

PREFIX = "compressor."
_RENAMES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


def table(perceiver: Any) -> Table:
  """The rename table of a tokenizer.Perceiver; reads its fields."""
  net = perceiver
  renames = (
    *_RENAMES.items(),
    ("^last_block/", f"aggregate/{net.depth - 1}/"),
    ("^head/", "out_proj/0/" if net.projection == "kl" else "out_proj/"),
  )
  cameras = () if net.camera_conditioning == "concat" else ("pose_embed",)
  buffers = _rotations(net) if net.rope == "2d" else {}
  return network_table(net, PREFIX, renames, buffers, cameras)


def _rotations(net: Any) -> Buffers:
  """The rotation tables [n*n d] of a view's tokens."""
  concat = net.camera_conditioning == "concat"
  side = net.rays.size[0] // (net.patch if concat else net.rays.patch)
  half = net.width // net.block.heads // 2

  def angles() -> np.ndarray:
    # In float32 throughout, as torch does, to round alike.
    exponents = np.arange(0, half, 2, dtype=np.float32) / np.float32(half)
    ladder = 1 / np.power(np.float32(BASE), exponents)
    axis = np.arange(side, dtype=np.float32)[:, None] * ladder
    axis = repeat(axis, "n c -> n (c two)", two=2)
    rows = repeat(axis, "h c -> h w c", w=side)
    columns = repeat(axis, "w c -> h w c", h=side)
    return np.concatenate([rows, columns], axis=-1).astype(np.float64)

  def make(wave: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return rearrange(wave(angles()), "h w c -> (h w) c").astype(np.float32)

  return {
    "feat_rope.freqs_cos": lambda: make(np.cos),
    "feat_rope.freqs_sin": lambda: make(np.sin),
  }

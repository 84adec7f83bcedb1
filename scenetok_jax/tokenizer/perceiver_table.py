"""Rename table of the tokenizer (the release's `compressor`)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from einops import rearrange, repeat

from scenetok_jax.convert import layers
from scenetok_jax.convert.engine import Buffers, Table
from scenetok_jax.ops.rope import BASE

PREFIX = "compressor."


def table(perceiver: Any) -> Table:
  """The rename table of a tokenizer.Perceiver; reads its fields."""
  net = perceiver
  rules: layers.Rules = (
    *layers.tokens("scene_tokens", "scene_tokens"),
    *layers.patches("y_embed.proj", "latents/embed", net.patch),
  )
  if net.camera_conditioning != "concat":
    rules += layers.camera("pose_embed", "camera", net)
  if net.normalize_tokens:
    rules += layers.norm("scene_norm", "scene_norm", "rms")
  if net.depth > 1:
    rules += _block("aggregate.{i}", "blocks", net, last=False)
  rules += _block(f"aggregate.{net.depth - 1}", "last_block", net, last=True)
  if net.projection == "kl":
    rules += layers.linear("out_proj.0", "head")
  else:
    rules += layers.linear("out_proj", "head")
    rules += layers.norm("norm", "head_norm", "rms")
  buffers: dict[str, Any] = {}
  if net.camera_conditioning != "concat":
    buffers |= layers.camera_buffers("pose_embed", net)
  if net.rope == "2d":
    buffers |= _rotations(net)
  return Table(rules, PREFIX, buffers)


def _block(torch: str, flax: str, net: Any, *, last: bool) -> layers.Rules:
  spec = net.block
  fields = (spec.heads, spec.qk_norm, spec.norm)
  rules = (
    *layers.norm(f"{torch}.norm1", f"{flax}/view_norm", spec.norm),
    *layers.self_attention(f"{torch}.attn1", f"{flax}/view_attention", *fields),
    *layers.norm(f"{torch}.norm2", f"{flax}/token_norm", spec.norm),
    *layers.self_attention(
      f"{torch}.attn2", f"{flax}/token_attention", *fields
    ),
    *layers.cross_attention(
      f"{torch}.attn3", f"{flax}/cross_attention", *fields
    ),
    *layers.norm(f"{torch}.norm4", f"{flax}/token_mlp_norm", spec.norm),
    *layers.mlp(f"{torch}.mlp2", f"{flax}/token_mlp", spec.swiglu),
  )
  if not last:
    rules += (
      *layers.norm(f"{torch}.norm3", f"{flax}/view_mlp_norm", spec.norm),
      *layers.mlp(f"{torch}.mlp1", f"{flax}/view_mlp", spec.swiglu),
    )
  if net.camera_conditioning == "adaln":
    rules += layers.modulation(torch, flax)
  return rules


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

"""The renderer as a velocity function of one window."""

from typing import Any, cast

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.decoder.dit import (
  CameraTokens,
  TokenKVCache,
  camera_embed,
  camera_tokens,
)
from scenetok_jax.flow.path import over_trailing_axes
from scenetok_jax.flow.solvers import guide
from scenetok_jax.flow.timesteps import model_interval, model_timestep
from scenetok_jax.model import Model
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.types import Array, Cameras


def token_kv_cache(
  model: Model, params: Any, tokens: Array, guided: bool
) -> KVCache:
  """tokens [B N C] -> the share of all cross-attentions that they decide.

  Computed once per scene, it serves every step, window and sample.
  """
  module = TokenKVCache(model.decoder, guided)
  return cast(KVCache, module.apply({"params": params["decoder"]}, tokens))


def embed_path(model: Model, params: Any, cameras: Cameras) -> CameraTokens:
  """cameras [B T] -> what the renderer reads of them, for whole latents."""
  embedding: Any = camera_embed(model.decoder).apply(
    {"params": params["decoder"]["camera"]}, cameras
  )
  return camera_tokens(model.decoder, embedding, cameras)


def predict_velocity(
  model: Model,
  params: Any,
  x: Array,
  t: Array,
  cameras: Cameras | CameraTokens,
  cache: KVCache,
  guidance: Array | float = 1.0,
  start: Array | None = None,
) -> Array:
  """A window x [B L h w C] at levels t [B L] -> velocity [B L h w C].

  params: {"decoder": ...}. cameras: [B T], or embed_path's of them.
  cache: by token_kv_cache; a guided one takes both passes at once, which
  guidance ([] or [B L], 1 is none) then weighs. start: levels [B L] below t, to
  which the average velocity is meant; needs config.decoder.interval.
  """
  return velocity_and_residual(
    *(model, params, x, t, cameras, cache, guidance, start)
  )[0]


def velocity_and_residual(
  model: Model,
  params: Any,
  x: Array,
  t: Array,
  cameras: Cameras | CameraTokens,
  cache: KVCache,
  guidance: Array | float = 1.0,
  start: Array | None = None,
  residual: Array | None = None,
) -> tuple[Array, Array]:
  """predict_velocity, and what the blocks added: float32 [B' L n D].

  B': B, or 2 B of a guided cache. residual: of another step, which is taken
  instead of the blocks and returned.
  """
  latents = x.shape[1]
  way = None if start is None else t - start
  x, t, cameras, way = _fill_parts(model, x, t, cameras, way)
  found: Any = model.decoder.apply(
    {"params": params["decoder"]},
    *(x, model_timestep(t), cameras, cache),
    interval=None if way is None else model_interval(way),
    residual=None if residual is None else extend(residual, x.shape[1]),
    mutable=["residuals"],
  )
  out, sown = found
  if residual is None:
    (added,) = sown["residuals"]["added"]
    residual = added[:, :latents].astype(jnp.float32)
  return _guided(out[:, :latents], cache, guidance), residual


def _guided(out: Array, cache: KVCache, guidance: Array | float) -> Array:
  """[(B 2) ...] of a guided cache -> [B ...]."""
  if cache.null is None:
    return out
  conditional, null = rearrange(out, "(b pair) ... -> pair b ...", pair=2)
  scale = over_trailing_axes(jnp.asarray(guidance), conditional)
  return guide(conditional, null, scale)


def _fill_parts(
  model: Model,
  x: Array,
  t: Array,
  cameras: Cameras | CameraTokens,
  way: Array | None,
) -> tuple[Array, Array, Cameras | CameraTokens, Array | None]:
  """Repeats the last of a few unordered latents until the parts are whole.

  A decoder of one latent per rotation part (rope_parts = rope_latents) has
  no meaning for a part of a latent; others see what they are given, as in
  the release.
  """
  parts = model.decoder.rope_parts
  missing = -x.shape[1] % parts if parts == model.decoder.rope_latents else 0
  if not missing:
    return x, t, cameras, way
  length = x.shape[1] + missing
  frames = model.target_codec.frames(length)
  views = frames if isinstance(cameras, Cameras) else length
  cameras = jax.tree.map(lambda a: extend(a, views), cameras)
  way = None if way is None else extend(way, length)
  return extend(x, length), extend(t, length), cameras, way


def extend(array: Array, length: int, axis: int = 1) -> Array:
  """Repeats the last entry of an axis up to a length, NumPy or JAX."""
  size = [(0, 0)] * array.ndim
  size[axis] = (0, length - array.shape[axis])
  return array.__array_namespace__().pad(array, size, mode="edge")

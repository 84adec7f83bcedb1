"""The renderer as a velocity function of one window."""

from typing import Any, cast

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.decoder.dit import TokenMemory, camera_embed
from scenetok_jax.flow.path import over_trailing_axes
from scenetok_jax.flow.solvers import guide
from scenetok_jax.flow.timesteps import model_timestep
from scenetok_jax.nn.attention import Memory
from scenetok_jax.sampling.system import System
from scenetok_jax.types import Array, Cameras


def token_memory(
  system: System, params: Any, tokens: Array, guided: bool
) -> Memory:
  """tokens [B N C] -> the share of all cross-attentions that they decide.

  Computed once per scene, it serves every step, window and sample.
  """
  module = TokenMemory(system.decoder, guided)
  memory = module.apply({"params": params["decoder"]}, tokens)
  return cast(Memory, memory)


def embed_path(system: System, params: Any, cameras: Cameras) -> Array:
  """cameras [B T] -> embeddings of whole latents [B L n D]."""
  return camera_embed(system.decoder).apply(
    {"params": params["decoder"]["camera"]}, cameras
  )


def predict_velocity(
  system: System,
  params: Any,
  x: Array,
  t: Array,
  cameras: Cameras | Array,
  tokens: Array | Memory,
  guidance: Array | float = 1.0,
) -> Array:
  """x [B L h w C] at levels t [B L] -> velocity.

  Args:
    system: the networks.
    params: {"decoder": ...}.
    x, t: a window.
    cameras: its cameras [B T], or their embedding by embed_path.
    tokens: [B N C], or their memory. Tokens take one pass, or one after the
      other when guidance is a float above 1; a guided memory takes both
      passes at once, whatever the guidance.
    guidance: classifier-free guidance scale; 1 is none. [B L] with a memory.
  """
  latents = x.shape[1]
  x, t, cameras = _fill_parts(system, x, t, cameras)

  def velocity(unconditional: bool) -> Array:
    return system.decoder.apply(
      {"params": params["decoder"]},
      x,
      model_timestep(t),
      cameras,
      tokens,
      unconditional,
    )

  if not isinstance(tokens, Memory):
    out = velocity(False)
    if guidance > 1:
      out = guide(out, velocity(True), guidance)
    return out[:, :latents]
  out = velocity(False)[:, :latents]
  if tokens.null is None:
    return out
  seeing, null = rearrange(out, "(b pair) ... -> pair b ...", pair=2)
  scale = over_trailing_axes(jnp.asarray(guidance), seeing)
  return guide(seeing, null, scale)


def _fill_parts(
  system: System, x: Array, t: Array, cameras: Cameras | Array
) -> tuple[Array, Array, Cameras | Array]:
  """Repeats the last of a few unordered latents until the parts are whole.

  A decoder of one latent per rotation part (rope_split = rope_latents) has
  no meaning for a part of a latent; others see what they are given, as in
  the release.
  """
  parts = system.decoder.rope_split
  missing = -x.shape[1] % parts if parts == system.decoder.rope_latents else 0
  if not missing:
    return x, t, cameras
  length = x.shape[1] + missing
  frames = system.target_codec.frames(length)

  def fill(array: Array, length: int) -> Array:
    size = [(0, 0)] * array.ndim
    size[1] = (0, length - array.shape[1])
    return jnp.pad(array, size, mode="edge")

  views = frames if isinstance(cameras, Cameras) else length
  cameras = jax.tree.map(lambda a: fill(a, views), cameras)
  return fill(x, length), fill(t, length), cameras

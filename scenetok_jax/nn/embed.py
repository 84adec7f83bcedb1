"""Embeddings of latents, timesteps and cameras."""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.geometry.rays import ray_map
from scenetok_jax.nn.blocks import constrain_tokens, dense
from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.ops.rope import sincos_table
from scenetok_jax.types import Array, Cameras, check_known


@dataclasses.dataclass(frozen=True)
class RaySpec:
  """The ray map a network reads and the patches it is cut into.

  size: (rows, columns) of the ray grid, whatever the image size.
  patch: side of a patch; size / patch must equal the network's token grid.
  encoding: "ray" (direction, origin), "plucker" (direction, moment) or
    "camera" (direction in the camera's own axes, without its pose).
  normalize, origin_first, scale: see geometry.rays.ray_map.
  gain: factor of the whole map; 1 in every published model. More lets a small
    network tell directions apart sooner.
  """

  size: tuple[int, int] = (128, 128)
  patch: int = 16
  encoding: str = "ray"
  normalize: bool = False
  origin_first: bool = False
  scale: tuple[float, float] = (1.0, 1.0)
  gain: float = 1.0

  def without_poses(self) -> "RaySpec":
    """The same grid of rays in each camera's own axes."""
    return dataclasses.replace(self, encoding="camera")

  def map(self, cameras: Cameras) -> Array:
    """cameras [B V] -> rays [B V H W 6], of "camera" [B V H W 3], float32."""
    return self.gain * ray_map(
      cameras,
      *self.size,
      encoding=self.encoding,
      normalize=self.normalize,
      origin_first=self.origin_first,
      scale=self.scale,
    )


class PatchEmbed(nn.Module):
  """latents [B V h w C] -> [B V n D], a strided convolution with bias."""

  width: int
  patch: int = 1
  scheme: str = "torch"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, latents: Array) -> Array:
    patches = rearrange(
      latents,
      "b v (h p) (w q) c -> b v (h w) (p q c)",
      p=self.patch,
      q=self.patch,
    )
    layer = dense(
      self.width, patches.shape[-1], "embed", self.scheme, self.dtype
    )
    return layer(patches)


class CameraEmbed(nn.Module):
  """cameras [B T] -> [B L n D]: grouped ray maps, cut into patches.

  kind: "linear" (one layer without bias; the released tokenizer and renderer)
    or "patches" (with bias, plus a fixed sin-cos table; SceneGen).
  ray_patch_frames: number of frames that the patch vector of "linear" is
    ordered by: those of a latent, except in the release's Wan model, which
    orders it as if there were one (its known bug 3).
  """

  kind: str
  width: int
  rays: RaySpec
  grouping: Grouping = Grouping()
  ray_patch_frames: int | None = None
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, cameras: Cameras) -> Array:
    check_known(self.kind, ("linear", "patches"), "camera_embedding")
    patch = self.rays.patch
    rays = self.grouping.group(self.rays.map(cameras))  # [B L H W t*R]
    if self.kind == "patches":
      embed = PatchEmbed(self.width, patch, dtype=self.dtype, name="rays")(rays)
      table = sincos_crop(self.rays.size, patch, self.width)
      return embed + trailing(jnp.asarray(table, self.dtype), embed)
    patches = rearrange(
      rays,
      "b l (h p) (w q) (t c) -> b l (h w) (t p q c)",
      p=patch,
      q=patch,
      t=self.ray_patch_frames or self.grouping.frames_per_latent,
    )
    size = patches.shape[-1]
    return dense(
      self.width, size, "embed", "torch", self.dtype, use_bias=False
    )(patches)


def sincos_crop(size: tuple[int, int], patch: int, width: int) -> np.ndarray:
  """The centre crop of the reference's G x G table that a ray grid uses.

  G = max(size) positions are spaced by base / G with base = size[0] // patch.
  """
  grid = max(size)
  spacing = grid / (size[0] // patch)

  def positions(extent: int) -> np.ndarray:
    count = extent // patch
    start = (grid - count) // 2
    # The reference divides in float32, then encodes in float64.
    return np.arange(start, start + count, dtype=np.float32) / spacing

  return sincos_table(positions(size[0]), positions(size[1]), width)


def timestep_features(
  timestep: Array, features: int, turns: float | None = None
) -> Array:
  """Model timestep [...] -> [... features] float32, cosines first.

  turns: radians a timestep; derivatives stop at features that turn faster.
  """
  half = features // 2
  steps = jnp.arange(half, dtype=jnp.float32)
  omega = jnp.exp(-math.log(10000.0) * steps / half)
  timestep = timestep.astype(jnp.float32)[..., None]
  omega = trailing(omega, timestep)
  angles = timestep * omega
  if turns is not None:
    fast = jnp.broadcast_to(omega > turns, angles.shape)
    angles = jnp.where(fast, jax.lax.stop_gradient(angles), angles)
  return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)


class TimestepEmbed(nn.Module):
  """Model timestep [B L] -> [B L D].

  scheme: of the last layer's start. turns: see timestep_features.
  """

  width: int
  features: int = 256
  dtype: Any = jnp.float32
  scheme: str = "normal"
  turns: float | None = None

  @nn.compact
  def __call__(self, timestep: Array) -> Array:
    how = ("normal", self.dtype)
    x = timestep_features(timestep, self.features, self.turns)
    x = jax.nn.silu(dense(self.width, self.features, "up", *how)(x))
    how = (self.scheme, self.dtype)
    return constrain_tokens(dense(self.width, self.width, "down", *how)(x))

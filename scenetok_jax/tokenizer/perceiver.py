"""SceneTok's encoder: context latents and cameras to unordered scene tokens."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange, repeat

from scenetok_jax.flow.losses import LOGVAR_RANGE
from scenetok_jax.nn.attention import Attention
from scenetok_jax.nn.block_spec import TORCH_EPSILON, BlockSpec
from scenetok_jax.nn.blocks import Mlp, Norm, adaln, dense, modulate, stack
from scenetok_jax.nn.embed import CameraEmbed, PatchEmbed, RaySpec
from scenetok_jax.ops import prope
from scenetok_jax.ops.rope import angles_3d, view_angles_2d
from scenetok_jax.parallel.rules import constrain
from scenetok_jax.types import Array, Cameras, Posterior


class PerceiverBlock(nn.Module):
  """View self-attention, token self-attention, tokens read views, MLPs.

  The last block has no view MLP: nothing would read its output.
  """

  block: BlockSpec
  adaln: bool = True
  causal_tokens: bool = False
  last: bool = False

  @nn.compact
  def __call__(
    self,
    carry: tuple[Array, Array],
    camera: Array | None,
    positions: prope.Positions,
  ) -> tuple[tuple[Array, Array], None]:
    """carry (tokens [B N D], views [B V*n D]), camera [B V*n D] -> carry."""
    (x, y), block = carry, self.block
    norm = functools.partial(Norm, block.norm, block.epsilon)
    # Identity where the camera does not modulate.
    chunks: list[Any] = [None, 0.0, 1.0, None, 0.0, 1.0]
    if self.adaln:
      assert camera is not None
      chunks = adaln(camera, block, "torch")
    shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = chunks
    h = modulate(norm(name="view_norm")(y), shift_a, scale_a)
    h = Attention(block, name="view_attention")(
      h, query_positions=positions, key_positions=positions
    )
    y = constrain(y + gate_a * h, "batch", "length", None)
    x = x + Attention(block, self.causal_tokens, name="token_attention")(
      norm(name="token_norm")(x)
    )
    # Neither side is normalised here; only views have positions.
    x = x + Attention(block, name="cross_attention")(
      x, y, key_positions=positions
    )
    if not self.last:
      h = modulate(norm(name="view_mlp_norm")(y), shift_m, scale_m)
      y = y + gate_m * Mlp(block, name="view_mlp")(h)
      y = constrain(y, "batch", "length", None)
    x = x + Mlp(block, name="token_mlp")(norm(name="token_mlp_norm")(x))
    return (constrain(x, "batch", "length", None), y), None


class Perceiver(nn.Module):
  """latents [B V h w C], cameras [B V] -> Posterior of N tokens [B N C'].

  With projection "simple" the posterior has no variance (logvar is None) and
  its mean holds the tokens.

  Fields not named by what they do:
    camera_conditioning: "adaln" (release), "concat" (rays at latent
      resolution appended to the latents), "add" (embedding added to them) or
      "prope": attention by relative projections (ops.prope; scene tokens have
      the identity), and the embedding of rays in each camera's own axes added,
      the paper's CamRay, so that poses enter by the attention alone.
    camera_embedding: nn.embed.CameraEmbed's kind.
    rope: "2d" (rows and columns, any number of views), "3d" (views too, at
      most rope_views of them) or "none".
    token_init: standard deviation of the learned tokens (release: 5).
    projection: "kl" (linear to mean and log-variance), "simple" (linear, then
      RMSNorm) or "simple_prenorm" (RMSNorm, then linear).
  """

  num_tokens: int = 512
  token_channels: int = 64
  width: int = 768
  depth: int = 12
  patch: int = 2
  block: BlockSpec = BlockSpec(heads=12, rms_epsilon=TORCH_EPSILON)
  rays: RaySpec = RaySpec()
  camera_conditioning: str = "adaln"
  camera_embedding: str = "linear"
  rope: str = "2d"
  rope_views: int = 12
  projection: str = "kl"
  normalize_tokens: bool = False
  causal_tokens: bool = False
  token_init: float = 5.0

  @nn.compact
  def __call__(self, latents: Array, cameras: Cameras) -> Posterior:
    batch, views, height, width = latents.shape[:4]
    grid = (height // self.patch, width // self.patch)
    y, camera = self._embed(latents, cameras)
    tokens = self.param(
      "scene_tokens",
      nn.initializers.normal(self.token_init),
      (self.num_tokens, self.width),
    )
    x = repeat(tokens.astype(self.block.dtype), "n d -> b n d", b=batch)
    if self.normalize_tokens:
      x = Norm("rms", TORCH_EPSILON, name="scene_norm")(x)
    fields: dict[str, Any] = {
      "block": self.block,
      "adaln": self.camera_conditioning == "adaln",
      "causal_tokens": self.causal_tokens,
    }
    shared = (camera, self._positions(cameras, views, grid))
    carry = (x, constrain(y, "batch", "length", None))
    if self.depth > 1:
      blocks = (PerceiverBlock, self.depth - 1, self.block.remat)
      carry, _ = stack(*blocks, **fields)(carry, *shared)
    last = PerceiverBlock(**fields, last=True, name="last_block")
    (x, _), _ = last(carry, *shared)
    return self._project(x)

  def _embed(
    self, latents: Array, cameras: Cameras
  ) -> tuple[Array, Array | None]:
    """-> views [B V*n D] and, for adaln, their camera embedding."""
    conditioning = self.camera_conditioning
    latents = latents.astype(self.block.dtype)
    camera = None
    if conditioning == "concat":
      rays = self.rays.map(cameras).astype(self.block.dtype)
      latents = jnp.concatenate([latents, rays], axis=-1)
    elif conditioning in ("adaln", "add", "prope"):
      kind, dtype = self.camera_embedding, self.block.dtype
      rays = self.rays
      if conditioning == "prope":
        rays = rays.without_poses()
      camera = CameraEmbed(kind, self.width, rays, dtype=dtype, name="camera")(
        cameras
      )
      camera = rearrange(camera, "b v n d -> b (v n) d")
    else:
      raise ValueError(f"camera_conditioning {conditioning!r} is unknown")
    y = PatchEmbed(
      self.width, self.patch, dtype=self.block.dtype, name="latents"
    )(latents)
    y = rearrange(y, "b v n d -> b (v n) d")
    if conditioning in ("add", "prope"):
      return y + camera, None
    return y, camera

  def _positions(
    self, cameras: Cameras, views: int, grid: tuple[int, int]
  ) -> prope.Positions:
    """Of the view tokens."""
    head_dim = self.width // self.block.heads
    if self.camera_conditioning != "prope":
      return self._angles(views, grid, head_dim)
    rest = head_dim - prope.projected(head_dim)
    return dataclasses.replace(
      prope.frustums(cameras, head_dim), angles=self._angles(views, grid, rest)
    )

  def _angles(
    self, views: int, grid: tuple[int, int], channels: int
  ) -> Array | None:
    """Rotation angles [V*n, channels/2] of the view tokens."""
    if self.rope == "2d":
      return view_angles_2d(views, grid, channels)
    if self.rope == "3d":
      if views > self.rope_views:
        raise ValueError(f"{views} views exceed rope_views={self.rope_views}")
      table = angles_3d(self.rope_views, *grid, channels)
      return jnp.asarray(table[: views * grid[0] * grid[1]])
    return None

  def _project(self, x: Array) -> Posterior:
    """tokens [B N D] -> Posterior, in float32."""
    outputs = self.token_channels * (2 if self.projection == "kl" else 1)
    if self.projection == "simple_prenorm":
      x = Norm("rms", TORCH_EPSILON, name="head_norm")(x)
    head = dense(outputs, self.width, "head", "torch", self.block.dtype)
    x = head(x).astype(jnp.float32)
    if self.projection == "kl":
      mean, logvar = jnp.split(x, 2, axis=-1)
      return Posterior(mean, jnp.clip(logvar, *LOGVAR_RANGE))
    if self.projection == "simple":
      x = Norm("rms", TORCH_EPSILON, name="head_norm")(x)
    return Posterior(x)

"""The renderer: a rectified-flow transformer over target-view latents."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange, repeat

from scenetok_jax.nn.blocks import dense, stack
from scenetok_jax.nn.dit import DiTBlock, FinalLayer
from scenetok_jax.nn.embed import PatchEmbed, RayEmbed, RaySpec, TimestepEmbed
from scenetok_jax.ops.rope import angles_3d
from scenetok_jax.parallel.rules import constrain
from scenetok_jax.types import Array, Cameras


class RayConditionedDiT(nn.Module):
  """latents [B L h w C], timestep [B L], cameras [B T], tokens [B N C'].

  Returns the predicted velocity [B L h w C] in float32. There is one camera
  per frame and frames_per_latent frames per latent; `chunked` groups them by
  the rule of 17 frames -> 5 latents (geometry.rays.group_frames).

  Fields not named by what they do:
    rope_latents, rope_split: rotation positions are built for
      rope_latents // rope_split latents, and the flat sequence is cut into
      rope_split equal parts whose positions each start at zero.
    null_token: adds the learned token that stands for "no scene".
    order_frames: see nn.embed.RayEmbed.
  """

  width: int = 1024
  depth: int = 24
  heads: int = 16
  patch: int = 1
  mlp_ratio: float = 4.0
  rays: RaySpec = RaySpec()
  frames_per_latent: int = 4
  chunked: bool = False
  order_frames: int | None = None
  rope: str = "3d"
  rope_latents: int = 8
  rope_split: int = 1
  null_token: bool = False
  qk_norm: bool = True
  swiglu: bool = True
  norm: str = "rms"
  shift: bool = True
  causal: bool = False
  timestep_features: int = 256
  remat: str = "none"
  dtype: Any = jnp.float32
  kernel: str = "xla"

  @nn.compact
  def __call__(
    self,
    latents: Array,
    timestep: Array,
    cameras: Cameras,
    tokens: Array,
    unconditional: Array | bool = False,
  ) -> Array:
    """unconditional: bool or [B] bool; replaces tokens by the null token."""
    grid = (latents.shape[2] // self.patch, latents.shape[3] // self.patch)
    camera = RayEmbed(
      self.width,
      self.rays,
      self.frames_per_latent,
      self.chunked,
      self.order_frames,
      dtype=self.dtype,
      name="camera",
    )(cameras)  # [B L n D]
    x = PatchEmbed(
      self.width, self.patch, scheme="xavier", dtype=self.dtype, name="latents"
    )(latents.astype(self.dtype))
    time = TimestepEmbed(
      self.width, self.timestep_features, dtype=self.dtype, name="timestep"
    )(timestep)
    c = time[:, :, None] + camera
    x, c = (rearrange(a, "b l n d -> b (l n) d") for a in (x, c))
    x, _ = stack(
      DiTBlock,
      self.depth,
      self.remat,
      "blocks",
      heads=self.heads,
      mlp_ratio=self.mlp_ratio,
      qk_norm=self.qk_norm,
      swiglu=self.swiglu,
      norm=self.norm,
      shift=self.shift,
      causal=self.causal,
      dtype=self.dtype,
      kernel=self.kernel,
    )(
      constrain(x, "batch", "length", None),
      c,
      self._condition(tokens, unconditional),
      self._angles(latents.shape[1], grid),
    )
    x = FinalLayer(
      self.patch**2 * latents.shape[-1],
      norm=self.norm,
      dtype=self.dtype,
      name="final",
    )(x, c)
    return rearrange(
      x.astype(jnp.float32),
      "b (l h w) (p q c) -> b l (h p) (w q) c",
      h=grid[0],
      w=grid[1],
      p=self.patch,
      q=self.patch,
    )

  def _condition(self, tokens: Array, unconditional: Array | bool) -> Array:
    """tokens [B N C'] -> condition [B N D], or the null token."""
    condition = dense(
      self.width,
      tokens.shape[-1],
      name="condition_embed",
      scheme="torch",
      dtype=self.dtype,
    )(tokens.astype(self.dtype))
    if not self.null_token:
      if unconditional is not False:
        raise ValueError("the unconditional pass needs null_token=True")
      return condition
    null = self.param("null_tokens", nn.initializers.zeros, (1, self.width))
    null = repeat(null.astype(self.dtype), "1 d -> b 1 d", b=tokens.shape[0])
    flags = jnp.broadcast_to(jnp.asarray(unconditional), tokens.shape[:1])
    return jnp.where(flags[:, None, None], null, condition)

  def _angles(self, latents: int, grid: tuple[int, int]) -> Array | None:
    """Rotation angles [L*n, d/2], restarting in each of rope_split parts."""
    if self.rope == "none":
      return None
    table = angles_3d(
      self.rope_latents // self.rope_split, *grid, self.width // self.heads
    )
    length, rest = divmod(latents * grid[0] * grid[1], self.rope_split)
    if rest or length > len(table):
      raise ValueError(
        f"{latents} latents of {grid} tokens do not fit rope_split="
        f"{self.rope_split} parts of {self.rope_latents} latents"
      )
    return repeat(
      jnp.asarray(table[:length]), "n c -> (s n) c", s=self.rope_split
    )

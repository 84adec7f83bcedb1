"""The renderer: a rectified-flow transformer over target-view latents."""

import dataclasses

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from einops import rearrange, repeat

from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.nn import dit, embed
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.nn.block_spec import BlockSpec
from scenetok_jax.nn.blocks import dense
from scenetok_jax.ops import prope
from scenetok_jax.ops.rope import angles_3d, view_angles_2d
from scenetok_jax.types import Array, Cameras, check_known


@flax.struct.dataclass
class CameraTokens:
  """What the renderer reads of the cameras of L latents.

  embedding: [B L n D]. frustums: with camera_conditioning "prope" alone.
  """

  embedding: Array
  frustums: prope.Frustums | None = None


class RayConditionedDiT(nn.Module):
  """latents [B L h w C], timestep [B L], cameras [B T], tokens [B N C'].

  Returns the predicted velocity [B L h w C] in float32. There is one camera
  per frame and frames_per_latent frames per latent; `chunked` groups them by
  the rule of 17 frames -> 5 latents (geometry.latent_frames).

  Fields not named by what they do:
    rope_latents, rope_parts: rotation positions are built for
      rope_latents // rope_parts latents, and the flat sequence is cut into
      rope_parts equal parts whose positions each start at zero.
    camera_conditioning: "adaln" (release: rays modulate) or "prope": attention
      by relative projections too (ops.prope; a latent's frames share out the
      head's channels, scene tokens have the identity), and rays in each
      camera's own axes, so that poses enter by the attention alone.
    rope: "3d" (time, rows, columns), "2d" (rows, columns) or "none".
    null_token: adds the learned token that stands for "no scene".
    camera_embedding, ray_patch_frames: see nn.embed.CameraEmbed.
    interval: embeds how far a latent goes; the velocity is then the average
      over that way (flow.mean).
    turns: of the timestep's embedding, see nn.embed.timestep_features.
  """

  width: int = 1024
  depth: int = 24
  patch: int = 1
  block: BlockSpec = BlockSpec(heads=16, qk_norm=True, scheme="xavier")
  rays: embed.RaySpec = embed.RaySpec()
  camera_conditioning: str = "adaln"
  camera_embedding: str = "linear"
  frames_per_latent: int = 4
  chunked: bool = False
  ray_patch_frames: int | None = None
  rope: str = "3d"
  rope_latents: int = 8
  rope_parts: int = 1
  null_token: bool = False
  causal: bool = False
  timestep_features: int = 256
  interval: bool = False
  turns: float | None = None

  @property
  def grouping(self) -> Grouping:
    """How frames share latents."""
    return Grouping(self.frames_per_latent, self.chunked)

  @nn.compact
  def __call__(
    self,
    latents: Array,
    timestep: Array,
    cameras: Cameras | CameraTokens,
    tokens: Array | KVCache,
    unconditional: Array | bool = False,
    interval: Array | None = None,
    residual: Array | None = None,
  ) -> Array:
    """Predicts the velocity.

    cameras: [B T], or what camera_tokens makes of them. tokens: [B N C'], or
    their KVCache by TokenKVCache. A guided cache asks for both passes and gives
    [(B 2) L h w C]: conditional first. unconditional: bool or [B] bool;
    replaces tokens by the null token. interval: [B L] by
    flow.timesteps.model_interval, None: 0, the velocity at a level. residual:
    [B L n D], what the blocks have added to their input at another step, taken
    instead of them; what they add is sown in "residuals" (flow.caching).
    """
    dtype, patch = self.block.dtype, self.patch
    grid = (latents.shape[2] // patch, latents.shape[3] // patch)
    if isinstance(cameras, Cameras):
      cameras = camera_tokens(self, camera_embed(self)(cameras), cameras)
    x = embed.PatchEmbed(self.width, patch, "xavier", dtype, name="latents")(
      latents.astype(dtype)
    )
    c = embed.TimestepEmbed(
      *(self.width, self.timestep_features, dtype),
      turns=self.turns,
      name="timestep",
    )(timestep)
    if self.interval:
      c = c + self._interval_embed(timestep, interval)
    elif interval is not None:
      raise ValueError("an average velocity needs interval=True")
    c = c[:, :, None] + cameras.embedding
    x, c = (rearrange(a, "b l n d -> b (l n) d") for a in (x, c))
    condition = tokens
    if not isinstance(tokens, KVCache):
      condition = self._condition(tokens, unconditional)
    elif tokens.null is not None:
      x = dit.repeat_scenes(x, 2)
    positions = self._positions(cameras, latents.shape[1], grid)
    if residual is None:
      start = x
      x = dit.dit_blocks(self, x, c, condition, positions, causal=self.causal)
      if not self.is_initializing():
        added = rearrange(x - start, "b (l n) d -> b l n d", l=latents.shape[1])
        self.sow("residuals", "added", added)
    else:
      x = x + rearrange(residual, "b l n d -> b (l n) d").astype(x.dtype)
    features = patch**2 * latents.shape[-1]
    x = dit.FinalLayer(features, self.block, name="final")(x, c)
    return rearrange(
      x.astype(jnp.float32),
      "b (l h w) (p q c) -> b l (h p) (w q) c",
      h=grid[0],
      w=grid[1],
      p=patch,
      q=patch,
    )

  def _interval_embed(self, timestep: Array, interval: Array | None) -> Array:
    """interval [B L] or None -> [B L D], zeros at the start of a training."""
    layer = embed.TimestepEmbed(
      *(self.width, self.timestep_features, self.block.dtype),
      scheme="zero",
      name="interval",
    )
    return layer(jnp.zeros_like(timestep) if interval is None else interval)

  def _condition(self, tokens: Array, unconditional: Array | bool) -> Array:
    """tokens [B N C'] -> condition [B N D], or the null token."""
    condition = _embed_tokens(self, tokens)
    if not self.null_token:
      if unconditional is not False:
        raise ValueError("the unconditional pass needs null_token=True")
      return condition
    null = repeat(_null_token(self, self), "1 d -> b 1 d", b=tokens.shape[0])
    flags = jnp.broadcast_to(jnp.asarray(unconditional), tokens.shape[:1])
    return jnp.where(flags[:, None, None], null, condition)

  def _positions(
    self, cameras: CameraTokens, latents: int, grid: tuple[int, int]
  ) -> prope.Positions:
    """Of the tokens of all latents."""
    channels, frustums = self.width // self.block.heads, cameras.frustums
    if frustums is None:
      return self._angles(latents, grid, channels)
    channels -= prope.projected(channels)
    angles = self._angles(latents, grid, channels)
    return dataclasses.replace(frustums, angles=angles)

  def _angles(
    self, latents: int, grid: tuple[int, int], channels: int
  ) -> Array | None:
    """Rotation angles [L*n, channels/2]; 3d restarts in each of rope_parts."""
    if self.rope == "none":
      return None
    if self.rope == "2d":
      return view_angles_2d(latents, grid, channels)
    table = angles_3d(self.rope_latents // self.rope_parts, *grid, channels)
    length, rest = divmod(latents * grid[0] * grid[1], self.rope_parts)
    if rest or length > len(table):
      raise ValueError(
        f"{latents} latents of {grid} tokens do not fit rope_parts="
        f"{self.rope_parts} parts of {self.rope_latents} latents"
      )
    part = jnp.asarray(table[:length])
    return repeat(part, "n c -> (s n) c", s=self.rope_parts)


class TokenKVCache(nn.Module):
  """The renderer's KVCache of scene tokens; reads the renderer's parameters.

  net: the renderer. guided: also the null token's share, for guidance.
  """

  net: RayConditionedDiT
  guided: bool = False

  @nn.compact
  def __call__(self, tokens: Array) -> KVCache:
    """tokens [B N C'] -> KVCache with a leading depth axis."""
    if self.guided and not self.net.null_token:
      raise ValueError("guidance needs null_token=True")
    null = _null_token(self, self.net)[None] if self.guided else None
    condition = _embed_tokens(self.net, tokens)
    cameras = self.net.camera_conditioning == "prope"
    return dit.block_kv_caches(self.net, condition, null, query_cameras=cameras)


def camera_embed(net: RayConditionedDiT) -> embed.CameraEmbed:
  """The module named "camera": cameras [B T] -> [B L n D]."""
  rays = net.rays
  if net.camera_conditioning == "prope":
    rays = rays.without_poses()
  return embed.CameraEmbed(
    net.camera_embedding,
    net.width,
    rays,
    net.grouping,
    net.ray_patch_frames,
    net.block.dtype,
    name="camera",
  )


def camera_tokens(
  net: RayConditionedDiT, embedding: Array, cameras: Cameras
) -> CameraTokens:
  """The embedding [B L n D] of cameras [B T], with what else net reads."""
  check_known(
    net.camera_conditioning, ("adaln", "prope"), "decoder.camera_conditioning"
  )
  if net.camera_conditioning == "adaln":
    return CameraTokens(embedding)
  head_dim = net.width // net.block.heads
  frustums = prope.frustums(cameras, head_dim, net.grouping)
  return CameraTokens(embedding, frustums)


def _embed_tokens(net: RayConditionedDiT, tokens: Array) -> Array:
  """tokens [B N C'] -> [B N D]."""
  size, dtype = tokens.shape[-1], net.block.dtype
  layer = dense(net.width, size, "condition_embed", "torch", dtype)
  return layer(tokens.astype(dtype))


def _null_token(module: nn.Module, net: RayConditionedDiT) -> Array:
  """The learned token that stands for no scene: [1 D]."""
  null = module.param("null_tokens", nn.initializers.zeros, (1, net.width))
  return null.astype(net.block.dtype)

"""SceneGen: a rectified-flow transformer over the set of scene tokens."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import pack, rearrange

from scenetok_jax.nn import dit, embed
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.nn.block_spec import BlockSpec
from scenetok_jax.nn.blocks import constrain_tokens, dense
from scenetok_jax.types import Array, Cameras


class SceneGen(nn.Module):
  """Noisy scaled tokens [B N C], timestep [B N] -> velocity [B N C], float32.

  Conditioned on posed image latents [B V h w C'] and on anchor cameras
  [B A]: where the new scene shall be visited. anchor_embedding "rays" averages
  an embedded ray map per anchor (release); "flat" reads the 25 numbers of
  extrinsics and intrinsics.
  """

  width: int = 1536
  depth: int = 24
  patch: int = 1
  block: BlockSpec = BlockSpec(heads=24, qk_norm=True, scheme="xavier")
  rays: embed.RaySpec = embed.RaySpec(
    patch=8, encoding="plucker", normalize=True
  )
  camera_embedding: str = "patches"  # see nn.embed.CameraEmbed
  anchor_embedding: str = "rays"
  timestep_features: int = 256

  @nn.compact
  def __call__(
    self,
    tokens: Array,
    timestep: Array,
    latents: Array | KVCache,
    cameras: Cameras | None = None,
    anchors: Cameras | None = None,
    visible: Array | None = None,
    drop_cameras: Array | None = None,
    drop_anchors: Array | None = None,
  ) -> Array:
    """Predicts the velocity of the scaled tokens.

    tokens: [B N C] noisy tokens times the generator's scale factor. timestep:
    [B N] model timesteps, equal for all tokens of a scene.
    latents: [B V h w C'] normalised latents of the conditioning views; or the
    ConditionKVCache of everything below. One of (B P) conditions asks for P
    passes: the result is [(B P) N C].
    cameras [B V] and anchors [B A] are relative to view 0. visible: [B V] bool;
    views that are False become the null token, pose included. None shows all.
    drop_cameras, drop_anchors: [B] bool; drops the whole camera embedding of a
    scene (training).
    """
    (count, channels), dtype = tokens.shape[1:], self.block.dtype
    layer = dense(self.width, channels, "embed", "xavier", dtype)
    position = self.param(
      "pos_embed", nn.initializers.zeros, (count, self.width)
    )
    x = layer(tokens.astype(dtype)) + position[None].astype(dtype)
    x = constrain_tokens(x)
    c = embed.TimestepEmbed(
      self.width, self.timestep_features, dtype, name="timestep"
    )(timestep)
    condition: Array | KVCache
    if isinstance(latents, KVCache):
      condition = latents
      x = dit.repeat_scenes(x, latents.key.shape[1] // x.shape[0])
    else:
      assert cameras is not None and anchors is not None
      views = _views(self, self, latents, cameras, visible, drop_cameras)
      marks = _anchors(self, anchors, drop_anchors)
      condition = jnp.concatenate([views, marks], axis=1)
    x = dit.dit_blocks(self, x, c, condition)
    x = dit.FinalLayer(channels, self.block, name="final")(x, c)
    return x.astype(jnp.float32)


class ConditionKVCache(nn.Module):
  """SceneGen's KVCache of its condition; reads SceneGen's parameters."""

  net: SceneGen

  @nn.compact
  def __call__(
    self, latents: Array, cameras: Cameras, anchors: Cameras, visible: Array
  ) -> KVCache:
    """Arguments of SceneGen, visible [B P V] for P passes -> [depth (B P)]."""
    passes = visible.shape[1]
    latents, cameras = dit.repeat_scenes((latents, cameras), passes)
    shown = rearrange(visible, "b p v -> (b p) v")
    views = _views(self, self.net, latents, cameras, shown, None)
    marks = dit.repeat_scenes(_anchors(self.net, anchors, None), passes)
    condition = jnp.concatenate([views, marks], axis=1)
    return dit.block_kv_caches(self.net, condition, None)


def _views(
  module: nn.Module,
  net: SceneGen,
  latents: Array,
  cameras: Cameras,
  visible: Array | None,
  drop: Array | None,
) -> Array:
  """Conditioning tokens [B V*n D]."""
  dtype = net.block.dtype
  y = embed.PatchEmbed(net.width, net.patch, "xavier", dtype, name="latents")(
    latents.astype(dtype)
  )
  y = y + _keep(_rays(net, "camera")(cameras), drop)
  null = module.param("null_tokens", nn.initializers.zeros, (1, net.width))
  if visible is not None:
    y = jnp.where(visible[:, :, None, None], y, null.astype(dtype))
  return rearrange(y, "b v n d -> b (v n) d")


def _rays(net: SceneGen, name: str) -> embed.CameraEmbed:
  """A camera embedding, cameras [B V] -> [B V n D]."""
  kind, dtype = net.camera_embedding, net.block.dtype
  return embed.CameraEmbed(kind, net.width, net.rays, dtype=dtype, name=name)


def _anchors(net: SceneGen, anchors: Cameras, drop: Array | None) -> Array:
  """Anchor tokens [B A D]; they are never masked."""
  if net.anchor_embedding == "rays":
    rays = _rays(net, "anchor_camera")(anchors)
    return _keep(jnp.mean(rays, axis=2), drop)
  numbers = (anchors.extrinsics, anchors.intrinsics)
  flat, _ = pack([jnp.asarray(x) for x in numbers], "b v *")
  flat = flat.astype(net.block.dtype)
  how = ("torch", net.block.dtype)
  hidden = jax.nn.silu(dense(net.width, 25, "anchor_up", *how)(flat))
  return dense(net.width, net.width, "anchor_down", *how)(hidden)


def _keep(embedding: Array, drop: Array | None) -> Array:
  """Zeroes the embedding [B ...] of the scenes whose flag is True."""
  if drop is None:
    return embedding
  flags = drop[(slice(None), *(None,) * (embedding.ndim - 1))]
  return jnp.where(flags, 0, embedding)

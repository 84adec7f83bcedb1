"""Ray maps: the per-pixel encoding of posed cameras."""

import jax
import jax.numpy as jnp

from scenetok_jax.geometry.cameras import invert_3x3
from scenetok_jax.types import Cameras, check_known

_EPSILON = 1e-6
_HIGHEST = jax.lax.Precision.HIGHEST


def _unit(vectors: jax.Array) -> jax.Array:
  """Normalises the last axis; epsilon as in the release."""
  norm = jnp.sqrt(jnp.sum(vectors**2, axis=-1, keepdims=True))
  return vectors / (norm + _EPSILON)


def _directions(
  cameras: Cameras,
  height: int,
  width: int,
  scale: tuple[float, float],
  world: bool,
) -> jax.Array:
  """Directions to the pixel centres, the world's or the camera's own.

  [..., V, H, W, 3].
  """
  intrinsics = jnp.asarray(cameras.intrinsics, jnp.float32)
  focal_scale = jnp.diag(jnp.array([scale[0] - 1, scale[1] - 1, 0.0]))
  intrinsics *= jnp.broadcast_to(1 + focal_scale, intrinsics.shape)
  x = (jnp.arange(width, dtype=jnp.float32) + 0.5) / width
  y = (jnp.arange(height, dtype=jnp.float32) + 0.5) / height
  x, y = jnp.meshgrid(x, y)
  pixels = jnp.stack([x, y, jnp.ones_like(x)], axis=-1)
  camera = jnp.einsum(
    "...ij,hwj->...hwi", invert_3x3(intrinsics), pixels, precision=_HIGHEST
  )
  if not world:
    return _unit(camera)
  rotation = jnp.asarray(cameras.extrinsics, jnp.float32)[..., :3, :3]
  return jnp.einsum(
    "...ij,...hwj->...hwi", rotation, _unit(camera), precision=_HIGHEST
  )


def ray_map(
  cameras: Cameras,
  height: int,
  width: int,
  *,
  encoding: str = "ray",
  normalize: bool = False,
  origin_first: bool = False,
  scale: tuple[float, float] = (1.0, 1.0),
) -> jax.Array:
  """Rays through a grid's pixel centres: [..., V, height, width, 6] float32.

  cameras: [..., V]. height, width: the ray grid (128 x 128 in the release,
  whatever the image). encoding: "ray" (direction, origin), "plucker"
  (direction, moment origin x direction) or "camera" (the direction in the
  camera's own axes, 3 channels: no pose). normalize: once more after the
  rotation. Directions have unit length either way; this only repeats the
  release's rounding. origin_first: swaps the two halves (older checkpoints).
  scale: factors of fx and fy.
  """
  check_known(encoding, ("ray", "plucker", "camera"), "camera.encoding")
  world = encoding != "camera"
  directions = _directions(cameras, height, width, scale, world)
  if not world:
    return directions
  if normalize:
    directions = _unit(directions)
  origins = jnp.asarray(cameras.extrinsics, jnp.float32)[..., None, None, :3, 3]
  origins = jnp.broadcast_to(origins, directions.shape)
  if encoding == "plucker":
    origins = jnp.cross(origins, directions)
  halves = (origins, directions) if origin_first else (directions, origins)
  return jnp.concatenate(halves, axis=-1)

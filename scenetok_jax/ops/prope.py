"""Projective positions of attention (PRoPE): what a token's camera does to it.

Li et al. 2025, "Cameras as Relative Positional Encoding" (arXiv 2507.10496):
with a matrix D per token, q' = D^T q, k' = D^-1 k, v' = D^-1 v, out = D o', so
that only the relative D_i D_j^-1 of two tokens enters.
"""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.geometry.cameras import invert, invert_3x3
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.ops.rope import rotate
from scenetok_jax.types import Array, Cameras, InputError

_EXACT = jax.lax.Precision.HIGHEST
_GROUP = 4  # channels that a projection acts on


@flax.struct.dataclass
class Frustums:
  """D of the tokens [V*n] of posed views, or of latents.

  Of the d channels of a head the first c = 4 (d // 8) are groups of 4, each
  times P: K (4 x 4, normalised by the image size) times world-to-camera. Those
  that follow are rotated by angles, as queries and keys are without PRoPE; two
  a pair, and what is left of the head stays as it is. Lengths are in the unit
  of the cameras (geometry.scale).

  matrix, inverse: [B V c c] float32, block-diagonal. angles: [V*n pairs].
  """

  matrix: Array
  inverse: Array
  angles: Array | None = None


Positions = Array | Frustums | None


def projected(head_dim: int) -> int:
  """How many channels of a head are projected; InputError where none is."""
  channels = _GROUP * (head_dim // (2 * _GROUP))
  if not channels:
    raise InputError(
      f"camera_conditioning: prope needs heads of 8 channels, not {head_dim};"
      " lower heads or raise width"
    )
  return channels


def frustums(
  cameras: Cameras, head_dim: int, grouping: Grouping | None = None
) -> Frustums:
  """cameras [B T] -> Frustums of their latents, without angles.

  grouping: frames of a latent; the groups of a head's channels are shared out
  among them in order. Default: a latent, or view, per camera.
  """
  grouping = grouping or Grouping()
  pose = jnp.asarray(cameras.extrinsics, jnp.float32)
  lens = jnp.asarray(cameras.intrinsics, jnp.float32)
  latents = grouping.latents(pose.shape[1])
  frames = grouping.shares(latents, projected(head_dim) // _GROUP)
  return Frustums(
    _blocks(_lift(lens), invert(pose), frames),
    _blocks(pose, _lift(invert_3x3(lens)), frames),
  )


def _lift(matrix: Array) -> Array:
  """[... 3 3] -> [... 4 4], the identity beyond."""
  wider = [(0, 0)] * (matrix.ndim - 2) + [(0, 1), (0, 1)]
  return jnp.pad(matrix, wider).at[..., 3, 3].set(1)


def _blocks(first: Array, second: Array, frames: np.ndarray) -> Array:
  """Products [B T 4 4] of frames [V G] along a diagonal: [B V (G 4) (G 4)]."""
  product = jnp.matmul(first, second, precision=_EXACT)[:, frames]
  places = np.eye(frames.shape[1], dtype=np.float32)
  spread = jnp.einsum("bvgij,gh->bvgihj", product, places, precision=_EXACT)
  return rearrange(spread, "b v g i h j -> b v (g i) (h j)")


def place(x: Array, positions: Positions, role: str) -> Array:
  """x [B L heads d], of the role "query", "key", "value" or "output" -> same.

  positions: None leaves x; angles [L d/2] rotate queries and keys; Frustums do
  what their paper says, of B' scenes for x of B = B' passes.
  """
  if positions is None:
    return x
  if not isinstance(positions, Frustums):
    return rotate(x, positions) if role in ("query", "key") else x
  matrix = positions.inverse if role in ("key", "value") else positions.matrix
  channels = matrix.shape[-1]
  parts = [_project(x[..., :channels], matrix, role == "query")]
  rest = x[..., channels:]
  if positions.angles is not None:
    pairs = positions.angles.shape[-1]
    sign = -1 if role == "output" else 1  # D has the opposite rotation
    parts.append(rotate(rest[..., : 2 * pairs], sign * positions.angles))
    rest = rest[..., 2 * pairs :]
  return jnp.concatenate([*parts, rest], axis=-1)


def _project(x: Array, matrix: Array, transposed: bool) -> Array:
  """x [(B passes) (V n) heads c], matrix [B V c c] -> x, float32 inside."""
  batch, views = matrix.shape[:2]
  axes = {"b": batch, "v": views}
  y = x.astype(jnp.float32)
  y = rearrange(
    y, "(b p) (v n) h c -> b v (p n h) c", **axes, p=len(x) // batch
  )
  how = "bvnc,bvce->bvne" if transposed else "bvnc,bvec->bvne"
  y = jnp.einsum(how, y, matrix, precision=_EXACT)
  y = rearrange(
    y, "b v (p n h) c -> (b p) (v n) h c", p=len(x) // batch, h=x.shape[2]
  )
  return y.astype(x.dtype)

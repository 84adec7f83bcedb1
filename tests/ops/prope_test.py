"""PRoPE equals its formula over all pairs of tokens, and is relative."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.ops.attention import attend
from scenetok_jax.ops.prope import Frustums, frustums, place, projected
from scenetok_jax.ops.rope import angles_2d, rotate, view_angles_2d
from scenetok_jax.types import Cameras, InputError
from tests import networks

VIEWS, SIDE, HEADS, WIDTH = 3, 2, 2, 20
# Of 20 channels 8 are projected, 12 are rotated.
SHAPE = (2, VIEWS * SIDE**2, HEADS, WIDTH)
QUERY, KEY, VALUE = (networks.normals(seed, *SHAPE) for seed in (1, 2, 3))


def positions(cameras: Cameras) -> Frustums:
  angles = view_angles_2d(VIEWS, (SIDE, SIDE), WIDTH - projected(WIDTH))
  return dataclasses.replace(frustums(cameras, WIDTH), angles=angles)


def run(found: Frustums) -> np.ndarray:
  with jax.default_matmul_precision("highest"):
    query, key, value = (
      place(jnp.asarray(x), found, role)
      for x, role in ((QUERY, "query"), (KEY, "key"), (VALUE, "value"))
    )
    return np.asarray(place(attend(query, key, value), found, "output"))


def formula(cameras: Cameras) -> np.ndarray:
  """The attention of arXiv 2507.10496 in float64, one pair after the other."""
  turns = np.asarray(angles_2d(SIDE, WIDTH - 8), np.float64)

  def matrix(b: int, token: int) -> np.ndarray:
    view, place = divmod(token, SIDE**2)
    lens, found = np.eye(4), np.eye(WIDTH)
    lens[:3, :3] = cameras.intrinsics[b, view]
    pose = np.asarray(cameras.extrinsics[b, view], np.float64)
    found[:8, :8] = np.kron(np.eye(2), lens @ np.linalg.inv(pose))
    for pair, angle in enumerate(turns[place]):
      at, c, s = 8 + 2 * pair, np.cos(angle), np.sin(angle)
      found[at : at + 2, at : at + 2] = [[c, s], [-s, c]]
    return found

  out = np.zeros(SHAPE)
  for b, i, h in np.ndindex(SHAPE[:3]):
    between = [
      matrix(b, i) @ np.linalg.inv(matrix(b, j)) for j in range(SHAPE[1])
    ]
    logits = np.array(
      [QUERY[b, i, h] @ d @ KEY[b, j, h] for j, d in enumerate(between)]
    )
    weights = np.exp((logits - logits.max()) / np.sqrt(WIDTH))
    weights /= weights.sum()
    for j, d in enumerate(between):
      out[b, i, h] += weights[j] * (d @ VALUE[b, j, h])
  return out


def test_equals_the_formula_over_all_pairs():
  cameras = networks.cameras(4, 2, VIEWS)
  networks.assert_same(run(positions(cameras)), formula(cameras))


def test_a_motion_of_all_cameras_changes_nothing():
  cameras = networks.cameras(4, 2, VIEWS)
  motion = networks.cameras(7, 1, 1).extrinsics
  moved = Cameras(motion @ cameras.extrinsics, cameras.intrinsics)
  before, after = positions(cameras), positions(moved)
  assert np.abs(before.matrix - after.matrix).max() > 0.1
  networks.assert_same(run(after), run(before))


def test_a_motion_of_one_camera_or_another_lens_changes_the_output():
  cameras = networks.cameras(4, 2, VIEWS)
  before = run(positions(cameras))
  poses, lenses = cameras.extrinsics.copy(), cameras.intrinsics.copy()
  poses[:, 0, 0, 3] += 0.1
  lenses[:, 0, 0, 0] *= 1.2
  for changed in (
    Cameras(poses, cameras.intrinsics),
    Cameras(cameras.extrinsics, lenses),
  ):
    assert np.abs(run(positions(changed)) - before).max() > 1e-2


def test_identities_leave_rotations():
  eye = Cameras(
    np.tile(np.eye(4, dtype="f"), (2, VIEWS, 1, 1)),
    np.tile(np.eye(3, dtype="f"), (2, VIEWS, 1, 1)),
  )
  found = positions(eye)

  def turned(x: np.ndarray, sign: int = 1) -> np.ndarray:
    rest = rotate(jnp.asarray(x[..., 8:]), sign * found.angles)
    return np.concatenate([x[..., :8], rest], axis=-1)

  with jax.default_matmul_precision("highest"):
    plain = attend(*(jnp.asarray(turned(x)) for x in (QUERY, KEY, VALUE)))
  networks.assert_same(run(found), turned(np.asarray(plain), -1))


def test_projections_invert_each_other_for_any_affine_pose():
  cameras = networks.cameras(4, 2, VIEWS)
  poses = cameras.extrinsics.copy()
  poses[..., :3, :3] *= 1.01  # as of poses stored in float16
  found = frustums(Cameras(poses, cameras.intrinsics), WIDTH)
  product = np.asarray(found.matrix) @ np.asarray(found.inverse)
  np.testing.assert_allclose(
    product, np.broadcast_to(np.eye(8), product.shape), atol=1e-5
  )


@pytest.mark.parametrize(
  ("head_dim", "channels"), [(8, 4), (12, 4), (64, 32), (72, 36)]
)
def test_half_of_a_head_is_projected(head_dim, channels):
  assert projected(head_dim) == channels


def test_small_heads_are_refused():
  with pytest.raises(InputError, match="heads of 8 channels, not 4"):
    projected(4)


def test_frames_of_a_latent_share_out_the_channels():
  cameras = networks.cameras(4, 1, 8)
  found = np.asarray(frustums(cameras, 32, Grouping(4)).matrix)
  alone = np.asarray(frustums(cameras, 32).matrix)
  assert found.shape == (1, 2, 16, 16)
  for latent, group in np.ndindex(2, 4):
    part = np.s_[4 * group : 4 * group + 4]
    np.testing.assert_array_equal(
      found[0, latent, part, part], alone[0, 4 * latent + group, part, part]
    )

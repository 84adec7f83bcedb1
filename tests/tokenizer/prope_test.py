"""The tokenizer with PRoPE: poses enter by relative projections alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.nn.embed import RaySpec
from scenetok_jax.ops.prope import frustums
from scenetok_jax.tokenizer.perceiver import Perceiver, PerceiverBlock
from scenetok_jax.types import Cameras
from tests import networks

TINY = with_fields(
  Perceiver(),
  num_tokens=6,
  token_channels=4,
  width=32,
  depth=3,
  heads=2,
  patch=2,
  rays=RaySpec(size=(8, 8), patch=4),
  camera_conditioning="prope",
  qk_norm=True,
)
LATENTS, CAMERAS = networks.normals(1, 4, 2, 4, 4, 5), networks.cameras(2, 4, 2)
MOTION = networks.cameras(8, 1, 1).extrinsics


@pytest.fixture(scope="module")
def tiny():
  """(parameters, (posterior, gradients)) on one device."""
  params = networks.draw(TINY, LATENTS, CAMERAS)
  return params, networks.run(TINY, params, (LATENTS, CAMERAS), {})


def test_every_parameter_gets_a_gradient(tiny):
  params, (_, grads) = tiny
  networks.assert_gradients(grads)
  # Directions in the camera's axes: three channels a ray, and no modulation.
  assert params["camera"]["embed"]["kernel"].shape == (4 * 4 * 3, 32)
  assert "adaln" not in params["blocks"]


def test_sharding_and_rematerialisation_change_nothing(tiny):
  params, expected = tiny
  net = with_fields(TINY, remat="full")
  found = networks.run_sharded(net, params, (LATENTS, CAMERAS), {})
  networks.assert_same(found, expected)


def test_views_are_invariant_and_tokens_know_their_reference():
  carry = networks.normals(1, 1, 6, 32), networks.normals(2, 1, 8, 32)
  cameras = networks.cameras(3, 1, 2)
  moved = Cameras(MOTION @ cameras.extrinsics, cameras.intrinsics)
  block = PerceiverBlock(TINY.block, adaln=False)

  def positions(cameras):
    angles = jnp.asarray(networks.normals(5, 8, 4))
    return dataclasses.replace(frustums(cameras, 16), angles=angles)

  params = networks.draw(block, carry, None, positions(cameras))
  (tokens, views), _ = networks.apply(
    block, params, carry, None, positions(cameras)
  )
  (others, again), _ = networks.apply(
    block, params, carry, None, positions(moved)
  )
  networks.assert_same({"views": again}, {"views": views})
  assert np.abs(others - tokens).max() > 1e-2


def test_a_motion_of_the_world_changes_nothing(tiny):
  def posterior(cameras):
    relative = relative_to(cameras, cameras.extrinsics[:, 0])
    return networks.apply(TINY, tiny[0], LATENTS, relative)

  moved = Cameras(MOTION @ CAMERAS.extrinsics, CAMERAS.intrinsics)
  networks.assert_same(posterior(moved), posterior(CAMERAS))


def test_view_order_does_not_matter(tiny):
  flipped = jax.tree.map(lambda x: x[:, ::-1], (LATENTS, CAMERAS))
  posterior = networks.apply(TINY, tiny[0], *flipped)
  networks.assert_same(posterior, tiny[1][0], 1e-4)


def test_a_field_of_view_matters(tiny):
  lenses = CAMERAS.intrinsics.copy()
  lenses[:, 0, [0, 1], [0, 1]] *= 1.2
  changed = Cameras(CAMERAS.extrinsics, lenses)
  posterior = networks.apply(TINY, tiny[0], LATENTS, changed)
  assert np.abs(posterior.mean - tiny[1][0].mean).max() > 1e-2

"""The renderer with PRoPE: cached as uncached, relative, of any lens."""

import dataclasses

import jax
import numpy as np
import pytest

from scenetok_jax.decoder.dit import (
  RayConditionedDiT,
  TokenKVCache,
  camera_embed,
  camera_tokens,
)
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.nn.embed import RaySpec
from scenetok_jax.types import Cameras, InputError
from tests import networks

TINY = with_fields(
  RayConditionedDiT(),
  width=32,
  depth=2,
  heads=2,
  rays=RaySpec(size=(8, 8), patch=4),
  camera_conditioning="prope",
  rope="2d",
  null_token=True,
  timestep_features=16,
)
# Two latents of four frames; the two groups of a head's channels have two.
LATENTS = networks.normals(1, 4, 2, 2, 2, 5)
TIMESTEP = np.array([[10.5, 999.0]] * 4, np.float32)
CAMERAS, TOKENS = networks.cameras(2, 4, 8), networks.normals(3, 4, 6, 3)
INPUTS = (LATENTS, TIMESTEP, CAMERAS, TOKENS)
UNCONDITIONAL = {"unconditional": np.array([False, True, False, False])}


@pytest.fixture(scope="module")
def tiny():
  """(parameters, (velocity, gradients)) on one device."""
  params = networks.draw(TINY, *INPUTS)
  return params, networks.run(TINY, params, INPUTS, UNCONDITIONAL)


def velocity(params, cameras):
  inputs = (LATENTS, TIMESTEP, cameras, TOKENS)
  return networks.apply(TINY, params, *inputs, **UNCONDITIONAL)


def test_every_parameter_gets_a_gradient(tiny):
  networks.assert_gradients(tiny[1][1])


def test_sharding_and_rematerialisation_change_nothing(tiny):
  params, expected = tiny
  net = with_fields(TINY, remat="full")
  found = networks.run_sharded(net, params, INPUTS, UNCONDITIONAL)
  networks.assert_same(found, expected)


def test_cached_equals_uncached(tiny):
  params, _ = tiny

  def run(params):
    variables = {"params": params}
    embedding = camera_embed(TINY).apply({"params": params["camera"]}, CAMERAS)
    path = camera_tokens(TINY, embedding, CAMERAS)
    plain = TokenKVCache(TINY).apply(variables, TOKENS)
    both = TokenKVCache(TINY, guided=True).apply(variables, TOKENS)
    return {
      "conditional": TINY.apply(variables, *INPUTS),
      "null": TINY.apply(variables, *INPUTS, unconditional=True),
      "plain": TINY.apply(variables, LATENTS, TIMESTEP, path, plain),
      "both": TINY.apply(variables, LATENTS, TIMESTEP, CAMERAS, both),
    }

  with jax.default_matmul_precision("highest"):
    out = jax.device_get(networks.quick_jit(run)(params))
  assert np.abs(out["conditional"] - out["null"]).max() > 1e-2
  networks.assert_same(out["plain"], out["conditional"])
  networks.assert_same(out["both"][0::2], out["conditional"])
  networks.assert_same(out["both"][1::2], out["null"])


def test_a_motion_of_the_world_changes_nothing(tiny):
  params, (expected, _) = tiny
  motion = networks.cameras(8, 1, 1).extrinsics
  moved = Cameras(motion @ CAMERAS.extrinsics, CAMERAS.intrinsics)
  # Without a reference the scene's tokens do not move with the cameras.
  assert np.abs(velocity(params, moved) - expected).max() > 1e-2
  # The null token sees the pose of a camera too.
  references = (CAMERAS.extrinsics[:, 0], moved.extrinsics[:, 0])
  found, again = (
    velocity(params, relative_to(cameras, reference))
    for cameras, reference in zip((CAMERAS, moved), references, strict=True)
  )
  networks.assert_same(again, found)


def test_a_field_of_view_matters(tiny):
  params, (expected, _) = tiny
  lenses = CAMERAS.intrinsics.copy()
  lenses[:, 0, [0, 1], [0, 1]] *= 1.2
  found = velocity(params, Cameras(CAMERAS.extrinsics, lenses))
  change = np.abs(found - expected)
  # Of one frame in its own latent, and in the other one by attention.
  assert change[:, 0].max() > 1e-2 and change[:, 1].max() > 1e-4


def test_other_conditionings_are_refused():
  net = dataclasses.replace(TINY, camera_conditioning="add")
  with pytest.raises(InputError, match="'add' is not one of adaln, prope"):
    networks.shapes(net, *INPUTS)

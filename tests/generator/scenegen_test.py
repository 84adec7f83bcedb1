"""SceneGen equals the reference, trains everywhere, shards neutrally."""

import dataclasses

import jax
import numpy as np
import pytest

from scenetok_jax.generator import scenegen_table
from scenetok_jax.generator.scenegen import ConditionKVCache, SceneGen
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.nn.embed import RaySpec
from scenetok_jax.parity import reference_config
from scenetok_jax.types import Cameras
from tests import networks
from tests.goldens import assert_close, load_case

TINY = with_fields(
  SceneGen(),
  width=32,
  depth=3,
  heads=2,
  rays=RaySpec(size=(8, 8), patch=2, encoding="plucker", normalize=True),
  timestep_features=16,
)
INPUTS = (
  networks.normals(1, 4, 6, 3),
  np.full((4, 6), 700.0, np.float32),
  networks.normals(2, 4, 2, 4, 4, 5),
  networks.cameras(3, 4, 2),
  networks.cameras(4, 4, 3),
)
MASKS = {
  "visible": np.array([[True, False]] * 3 + [[True, True]]),
  "drop_cameras": np.array([False, False, True, False]),
  "drop_anchors": np.array([True, False, False, False]),
}


@pytest.fixture(scope="module")
def tiny():
  """(parameters, (velocity, gradients)) on one device."""
  params = networks.draw(TINY, *INPUTS)
  return params, networks.run(TINY, params, INPUTS, MASKS)


def test_equals_the_reference():
  case = load_case("scenegen_released_style")
  net = with_fields(
    SceneGen(), **reference_config.generator_fields(case.config)
  )
  arrays = case.inputs

  def poses(kind):
    return Cameras(arrays[f"{kind}_extrinsics"], arrays[f"{kind}_intrinsics"])

  inputs = (
    arrays["state"],
    arrays["timestep"],
    networks.channels_last(arrays["cond_latents"]),
    poses("cond"),
    poses("anchor"),
  )
  table = scenegen_table.table(net)
  params = networks.reference_params(case, net, table, *inputs)
  for settings in case.config["runs"]:
    prefix = settings["prefix"]
    mask = arrays.get(f"{prefix}cond_mask")
    velocity = networks.apply(net, params, *inputs, visible=mask)
    assert_close(velocity, case.outputs[f"{prefix}pred"])


def test_shape_and_dtype(tiny):
  velocity = tiny[1][0]
  assert velocity.shape == INPUTS[0].shape
  assert velocity.dtype == np.float32
  assert np.isfinite(velocity).all()


def test_every_parameter_gets_a_gradient(tiny):
  networks.assert_gradients(tiny[1][1])


def test_sharding_and_rematerialisation_change_nothing(tiny):
  params, expected = tiny
  net = with_fields(TINY, remat="full")
  found = networks.run_sharded(net, params, INPUTS, MASKS)
  networks.assert_same(found, expected)


def test_a_hidden_view_does_not_matter(tiny):
  params, (velocity, _) = tiny
  latents = INPUTS[2].copy()
  latents[:, 1] += 1  # hidden in the first three scenes
  inputs = (*INPUTS[:2], latents, *INPUTS[3:])
  again = networks.run(TINY, params, inputs, MASKS)[0]
  networks.assert_same(again[:3], velocity[:3], 1e-6)
  assert np.abs(again[3] - velocity[3]).max() > 1e-3


def test_a_memory_of_the_condition_gives_the_same_velocity(tiny):
  params, _ = tiny
  tokens, timestep, *condition = INPUTS
  shown = MASKS["visible"]
  masks = np.stack([shown, np.zeros_like(shown)], axis=1)

  def run(params):
    variables = {"params": params}
    direct = [
      TINY.apply(variables, *INPUTS, visible=masks[:, i]) for i in range(2)
    ]
    cache = ConditionKVCache(TINY).apply(variables, *condition, masks)
    return direct, TINY.apply(variables, tokens, timestep, cache)

  with jax.default_matmul_precision("highest"):
    direct, both = jax.device_get(networks.quick_jit(run)(params))
  assert np.abs(direct[0] - direct[1]).max() > 1e-2
  networks.assert_same(both[0::2], direct[0])
  networks.assert_same(both[1::2], direct[1])


def test_flat_anchors_run_and_have_a_rename_table():
  net = dataclasses.replace(TINY, depth=1, anchor_embedding="flat")
  params = networks.draw(net, *INPUTS)
  table = scenegen_table.table(net)
  tensors = networks.assert_exact_round_trip(table, params)
  assert tensors["anchor_pose_embed.0.weight"].shape == (32, 25)
  velocity = jax.eval_shape(lambda p: net.apply({"params": p}, *INPUTS), params)
  assert velocity.shape == INPUTS[0].shape


def test_released_size():
  found = networks.count(
    SceneGen(),
    networks.abstract(1, 512, 64),
    networks.abstract(1, 512),
    networks.abstract(1, 3, 16, 16, 32),
    networks.abstract_cameras(1, 3),
    networks.abstract_cameras(1, 12),
  )
  assert found == 1_256_236_096

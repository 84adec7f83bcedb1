"""The renderer equals the reference, trains everywhere, shards neutrally."""

import dataclasses

import numpy as np
import pytest

from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.decoder import dit_table
from scenetok_jax.decoder.dit import (
  CameraTokens,
  RayConditionedDiT,
  TokenKVCache,
  camera_embed,
)
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.nn.embed import RaySpec
from scenetok_jax.ops.attention import PLAIN
from scenetok_jax.parity import reference_config
from scenetok_jax.types import Cameras
from tests import networks
from tests.goldens import assert_close, load_case

TINY = with_fields(
  RayConditionedDiT(),
  width=32,
  depth=3,
  heads=2,
  rays=RaySpec(size=(8, 8), patch=4),
  rope_latents=2,
  null_token=True,
  timestep_features=16,
)
INPUTS = (
  networks.normals(1, 4, 2, 2, 2, 5),
  np.array([[10.5, 999.0]] * 4, np.float32),
  networks.cameras(2, 4, 8),
  networks.normals(3, 4, 6, 3),
)
UNCONDITIONAL = {"unconditional": np.array([False, True, False, False])}


@pytest.fixture(scope="module")
def tiny():
  """(parameters, (velocity, gradients)) on one device."""
  params = networks.draw(TINY, *INPUTS)
  return params, networks.run(TINY, params, INPUTS, UNCONDITIONAL)


@pytest.mark.parametrize(
  "name",
  [
    "denoiser_videodc",
    "denoiser_wan",
    "denoiser_wan_force_incorrect",
    "denoiser_patch2",
    "denoiser_eps",
  ],
)
def test_equals_the_reference(name):
  case = load_case(name)
  names = read_tensors(case.path / "weights.safetensors")
  net = with_fields(
    RayConditionedDiT(),
    **reference_config.decoder_fields(
      case.config, null_token="denoiser.null_tokens" in names
    ),
  )
  params = None
  for settings in case.config["runs"]:
    arrays = case.run(settings["prefix"])
    size = [case.config[k] for k in ("num_scene_tokens", "cond_dim")]
    no_tokens = np.zeros((settings["batch"], *size), np.float32)
    inputs = (
      networks.channels_last(arrays["latents"]),
      arrays["timestep"],
      Cameras(arrays["extrinsics"], arrays["intrinsics"]),
      arrays.get("tokens", no_tokens),
    )
    if params is None:
      params = networks.reference_params(
        case, net, dit_table.table(net), *inputs
      )
    null = settings["condition"].startswith("null")
    flags = {"unconditional": np.asarray(null)} if net.null_token else {}
    velocity = networks.apply(net, params, *inputs, **flags)
    expected = case.run(settings["prefix"], "outputs")["pred"]
    assert_close(velocity, networks.channels_last(expected))


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
  found = networks.run_sharded(net, params, INPUTS, UNCONDITIONAL)
  networks.assert_same(found, expected)


def test_the_null_token_replaces_the_scene(tiny):
  params, (velocity, _) = tiny
  other = (*INPUTS[:3], networks.normals(9, *INPUTS[3].shape))
  again = networks.run(TINY, params, other, UNCONDITIONAL)[0]
  networks.assert_same(again[1], velocity[1], 1e-6)
  assert np.abs(again[0] - velocity[0]).max() > 1e-3


def test_unconditional_needs_a_null_token():
  net = dataclasses.replace(TINY, null_token=False)
  with pytest.raises(ValueError, match="null_token=True"):
    networks.shapes(net, *INPUTS, unconditional=True)


def test_too_many_latents_for_the_rotation_table():
  net = dataclasses.replace(TINY, rope_latents=1)
  with pytest.raises(ValueError, match="do not fit"):
    networks.shapes(net, *INPUTS)


def test_a_fresh_interval_changes_nothing(tiny):
  params, (velocity, _) = tiny
  net = dataclasses.replace(TINY, interval=True)
  fresh = networks.quick_jit(
    lambda: net.init(networks.jax.random.key(0), *INPUTS)["params"]["interval"]
  )()
  assert np.abs(fresh["up"]["kernel"]).max() > 0
  for interval in ({}, {"interval": np.full((4, 2), 250.0, np.float32)}):
    again = networks.apply(
      net, params | {"interval": fresh}, *INPUTS, **UNCONDITIONAL, **interval
    )
    networks.assert_same(again, velocity, 1e-6)


def test_a_trained_interval_is_embedded_like_a_timestep(tiny):
  params, (velocity, _) = tiny
  net = dataclasses.replace(TINY, interval=True)
  params = params | {"interval": networks.draw(net, *INPUTS)["interval"]}
  none, zero, long = (
    networks.apply(net, params, *INPUTS, **UNCONDITIONAL, **given)
    for given in (
      {},
      {"interval": np.zeros((4, 2), np.float32)},
      {"interval": np.array([[0.0, 250.0]] * 4, np.float32)},
    )
  )
  networks.assert_same(none, zero, 0)
  assert np.abs(none - velocity).max() > 1e-3
  assert np.abs(long - zero)[:, 1].max() > 1e-3


def test_an_interval_needs_its_embedding():
  with pytest.raises(ValueError, match="interval=True"):
    networks.shapes(TINY, *INPUTS, interval=np.zeros((4, 2), np.float32))


def test_the_plain_network_is_the_same_and_differentiates_forward(tiny):
  params, (velocity, _) = tiny
  net = with_fields(TINY, attention=PLAIN)
  networks.assert_same(
    networks.apply(net, params, *INPUTS, **UNCONDITIONAL), velocity
  )
  latents, *rest = INPUTS

  def slope(x, way):
    return networks.jax.jvp(
      lambda x: net.apply({"params": params}, x, *rest, **UNCONDITIONAL),
      *((x,), (way,)),
    )[1]

  with networks.jax.default_matmul_precision("highest"):
    way = networks.normals(8, *latents.shape)
    found = networks.quick_jit(lambda x: slope(x, way))(latents)
    ends = [
      networks.apply(net, params, latents + step * way, *rest, **UNCONDITIONAL)
      for step in (-1e-2, 1e-2)
    ]
  networks.assert_same(found, (ends[1] - ends[0]) / 2e-2, 2e-3)
  variables = {"params": params}
  custom = [
    "custom_vjp" in str(networks.jax.make_jaxpr(n.apply)(variables, *INPUTS))
    for n in (TINY, net)
  ]
  assert custom == [True, False]


@pytest.mark.parametrize(
  ("null_token", "parameters"), [(False, 564_188_256), (True, 564_189_280)]
)
def test_released_size_with_videodc(null_token, parameters):
  found = networks.count(
    RayConditionedDiT(null_token=null_token),
    networks.abstract(1, 8, 8, 8, 128),
    networks.abstract(1, 8),
    networks.abstract_cameras(1, 32),
    networks.abstract(1, 512, 64),
  )
  assert found == parameters


@pytest.mark.parametrize(
  ("null_token", "parameters"), [(False, 559_305_744), (True, 559_306_768)]
)
def test_released_size_with_wan(null_token, parameters):
  net = RayConditionedDiT(
    rays=RaySpec(patch=8),
    chunked=True,
    ray_patch_frames=1,
    rope_latents=10,
    rope_parts=2,
    null_token=null_token,
  )
  found = networks.count(
    net,
    networks.abstract(1, 10, 16, 16, 48),
    networks.abstract(1, 10),
    networks.abstract_cameras(1, 34),
    networks.abstract(1, 1024, 64),
  )
  assert found == parameters


def test_a_memory_of_the_tokens_gives_the_same_velocity(tiny):
  params, _ = tiny
  latents, timestep, cameras, tokens = INPUTS

  def run(params):
    variables = {"params": params}
    direct = [
      TINY.apply(variables, *INPUTS, unconditional=flag)
      for flag in (False, True)
    ]
    embedded = camera_embed(TINY).apply({"params": params["camera"]}, cameras)
    embedded = CameraTokens(embedded)
    plain = TokenKVCache(TINY).apply(variables, tokens)
    both = TokenKVCache(TINY, guided=True).apply(variables, tokens)
    return {
      "direct": direct,
      "plain": TINY.apply(variables, latents, timestep, embedded, plain),
      "both": TINY.apply(variables, latents, timestep, cameras, both),
    }

  with networks.jax.default_matmul_precision("highest"):
    out = networks.jax.device_get(networks.quick_jit(run)(params))
  conditional, unconditional = out["direct"]
  assert np.abs(conditional - unconditional).max() > 1e-2
  networks.assert_same(out["plain"], conditional)
  networks.assert_same(out["both"][0::2], conditional)
  networks.assert_same(out["both"][1::2], unconditional)

"""The tokenizer equals the reference, trains everywhere, shards neutrally."""

import jax
import numpy as np
import pytest

from scenetok_jax.flow.losses import kl_divergence
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.nn.embed import RaySpec
from scenetok_jax.parity import reference_config
from scenetok_jax.tokenizer import perceiver_table
from scenetok_jax.tokenizer.perceiver import Perceiver
from scenetok_jax.types import Cameras, Posterior
from tests import networks
from tests.goldens import assert_close, load_case

RAYS = RaySpec(size=(8, 8), patch=4)
TINY = with_fields(
  Perceiver(),
  num_tokens=6,
  token_channels=4,
  width=32,
  depth=3,
  heads=2,
  patch=2,
  rays=RAYS,
  qk_norm=True,
)
INPUTS = (networks.normals(1, 4, 2, 4, 4, 5), networks.cameras(2, 4, 2))


@pytest.fixture(scope="module")
def tiny():
  """(parameters, (posterior, gradients)) on one device."""
  params = networks.draw(TINY, *INPUTS)
  return params, networks.run(TINY, params, INPUTS, {})


@pytest.mark.parametrize(
  "name",
  [
    "compressor_kl_released_style",
    "compressor_eps_and_clamp",
    "compressor_simple_nonsquare_rope3d",
  ],
)
def test_equals_the_reference(name):
  case = load_case(name)
  net = with_fields(
    Perceiver(), **reference_config.tokenizer_fields(case.config)
  )
  table, params = perceiver_table.table(net), None
  for settings in case.config["runs"]:
    arrays = case.run(settings["prefix"])
    expected = case.run(settings["prefix"], "outputs")
    views = networks.channels_last(arrays["view"])
    cameras = Cameras(arrays["extrinsics"], arrays["intrinsics"])
    if params is None:
      params = networks.reference_params(case, net, table, views, cameras)
    posterior = networks.apply(net, params, views, cameras)
    if posterior.logvar is None:
      assert_close(posterior.mean, expected["tokens"])
      continue
    assert_close(posterior.mean, expected["mean"])
    assert_close(posterior.logvar, expected["logvar"])
    assert_close(kl_divergence(posterior), expected["kl"])
    drawn = posterior.sample(arrays["posterior_noise"])
    assert_close(drawn, expected["sample"])


def test_shapes_and_dtypes(tiny):
  posterior = tiny[1][0]
  for array in (posterior.mean, posterior.logvar):
    assert array.shape == (4, 6, 4)
    assert array.dtype == np.float32
    assert np.isfinite(array).all()


def test_every_parameter_gets_a_gradient(tiny):
  networks.assert_gradients(tiny[1][1])


def test_sharding_and_rematerialisation_change_nothing(tiny):
  params, expected = tiny
  net = with_fields(TINY, remat="full")
  found = networks.run_sharded(net, params, INPUTS, {})
  networks.assert_same(found, expected)


def test_view_order_does_not_matter(tiny):
  latents, cameras = INPUTS
  flipped = (latents[:, ::-1], jax.tree.map(lambda x: x[:, ::-1], cameras))
  posterior = networks.apply(TINY, tiny[0], *flipped)
  networks.assert_same(posterior, tiny[1][0], 1e-4)


@pytest.mark.parametrize(
  "fields",
  [
    {"camera_conditioning": "add", "rope": "none", "swiglu": False},
    {"camera_conditioning": "prope", "rope": "3d"},
    {"camera_conditioning": "concat", "rays": RaySpec((4, 4), 1), "depth": 1},
    {"norm": "layer", "shift": False, "rope": "3d", "projection": "simple"},
    {"projection": "simple_prenorm", "normalize_tokens": True},
  ],
)
def test_variants_run_and_have_a_rename_table(fields):
  net = with_fields(TINY, **fields)
  params = networks.draw(net, *INPUTS)
  networks.assert_exact_round_trip(perceiver_table.table(net), params)
  posterior = jax.eval_shape(
    lambda p: net.apply({"params": p}, *INPUTS), params
  )
  assert posterior.mean.shape == (4, 6, 4)
  assert (posterior.logvar is None) == (net.projection != "kl")


def test_samples_are_the_mean_plus_noise():
  posterior = Posterior(np.ones((1, 2, 3)), np.full((1, 2, 3), 2 * np.log(3.0)))
  noise = networks.normals(0, 1, 2, 3)
  np.testing.assert_allclose(posterior.sample(noise), 1 + 3 * noise, rtol=1e-6)
  np.testing.assert_array_equal(posterior.sample(None), posterior.mean)


@pytest.mark.parametrize(
  ("tokens", "parameters"), [(512, 238_013_824), (1024, 238_407_040)]
)
def test_released_size(tokens, parameters):
  found = networks.count(
    Perceiver(num_tokens=tokens),
    networks.abstract(1, 12, 16, 16, 32),
    networks.abstract_cameras(1, 12),
  )
  assert found == parameters

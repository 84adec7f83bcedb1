"""Embeddings have the reference's order, and their tables its positions."""

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.nn.block_spec import BlockSpec
from scenetok_jax.nn.blocks import Mlp, Modulation, Norm, modulate
from scenetok_jax.nn.embed import sincos_crop, timestep_features
from scenetok_jax.ops.rope import sincos_table
from tests.networks import normals


def test_timestep_features_are_cosines_first():
  features = timestep_features(np.array([0.0, 2.0], np.float32), 8)
  assert features.shape == (2, 8)
  np.testing.assert_allclose(features[0], [1] * 4 + [0] * 4)
  np.testing.assert_allclose(features[1, [0, 4]], [np.cos(2), np.sin(2)], 1e-6)


def test_the_crop_is_the_centre_of_the_whole_table():
  # 12 positions spaced by 1/3; a grid of 4 uses rows and columns 4 to 7.
  positions = np.arange(12, dtype=np.float32) / 3
  whole = sincos_table(positions, positions, 16)
  whole = whole.reshape(12, 12, 16)  # rows, columns, width
  crop = sincos_crop((12, 12), 3, 16)
  np.testing.assert_array_equal(crop, whole[4:8, 4:8].reshape(16, 16))
  # The first half encodes the column: constant down a column.
  np.testing.assert_array_equal(whole[0, :, :8], whole[5, :, :8])


def test_norms_scale_to_unit_size():
  x = 3 * normals(0, 4, 64) + 1
  params = {"params": {"scale": np.ones(64, np.float32)}}
  y = Norm("rms").apply(params, x)
  np.testing.assert_allclose(np.mean(np.square(y), -1), 1, rtol=1e-5)
  y = Norm("layer").apply({}, x)
  np.testing.assert_allclose(np.mean(y, -1), 0, atol=1e-5)
  np.testing.assert_allclose(np.std(y, -1), 1, rtol=1e-4)


def test_hidden_sizes_are_the_releases():
  for width, hidden in ((768, 2048), (1024, 2730), (1536, 4096)):
    params = jax.eval_shape(
      Mlp(BlockSpec()).init,
      jax.random.key(0),
      np.zeros((1, 1, width), np.float32),
    )["params"]
    assert params["up"]["kernel"].shape == (width, 2 * hidden)


def test_modulations_start_as_the_identity():
  c, x = normals(0, 1, 2, 8), normals(1, 1, 2, 8)
  (shift, scale), _ = Modulation(2).init_with_output(jax.random.key(0), c)
  np.testing.assert_array_equal(modulate(x, shift, scale), x)


def test_fast_features_pass_no_slope():
  timestep = jnp.array([3.0, 700.0])
  plain = timestep_features(timestep, 16)

  def slopes(turns):
    return jax.jvp(
      lambda t: timestep_features(t, 16, turns), (timestep,), (timestep,)
    )

  values, found = slopes(0.02)
  np.testing.assert_array_equal(values, plain)
  _, all_of_it = slopes(1e6)
  # 1, 0.32, 0.1, 0.032 | 0.01, ... radians a timestep; cosines, then sines.
  slow = np.tile(np.arange(8) >= 4, 2)
  np.testing.assert_array_equal(found[:, slow], all_of_it[:, slow])
  assert not found[:, ~slow].any() and np.abs(all_of_it[:, ~slow]).min() > 0

"""The rectified-flow path and its Euler step."""

import einops
import jax
import numpy as np
import pytest

from scenetok_jax.flow import path
from tests.goldens import assert_close, load_case


def _data(seed: int = 0):
  keys = jax.random.split(jax.random.key(seed), 2)
  return [jax.random.normal(key, (2, 3, 4, 4, 5)) for key in keys]


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_ends_are_data_and_noise_for_every_rank_of_t(shape):
  x, noise = _data()
  np.testing.assert_array_equal(path.interpolate(x, noise, np.zeros(shape)), x)
  np.testing.assert_array_equal(
    path.interpolate(x, noise, np.ones(shape)), noise
  )


def test_times_belong_to_leading_axes():
  x, noise = _data()
  t = np.array([[0, 1, 0], [1, 0, 1]], np.float32)
  mixed = path.interpolate(x, noise, t)
  np.testing.assert_array_equal(mixed[0, 1], noise[0, 1])
  np.testing.assert_array_equal(mixed[1, 1], x[1, 1])


def test_velocity_is_the_derivative_of_the_path():
  x, noise = _data()
  _, slope = jax.jvp(lambda t: path.interpolate(x, noise, t), (0.3,), (1.0,))
  np.testing.assert_allclose(slope, path.velocity(x, noise), atol=1e-6)


def test_true_velocity_leads_back_to_data_from_any_level():
  x, noise = _data()
  t = np.array([[0.1, 0.5, 0.9], [1.0, 0.0, 0.3]], np.float32)
  x_t, flow = path.interpolate(x, noise, t), path.velocity(x, noise)
  np.testing.assert_allclose(path.clean_estimate(x_t, flow, t), x, atol=1e-6)
  half = path.euler_step(x_t, flow, t, t / 2)
  np.testing.assert_allclose(half, path.interpolate(x, noise, t / 2), atol=1e-6)


def test_equal_levels_leave_the_sample_bit_for_bit():
  x, flow = _data()
  t = np.full((2, 3), 0.7, np.float32)
  np.testing.assert_array_equal(path.euler_step(x, flow, t, t), x)


def test_matches_release_scheduler():
  case = load_case("rectified_flow")
  x, noise, flow = (
    einops.rearrange(case.inputs[name], "b v c h w -> b v h w c")
    for name in ("x0", "noise", "flow_pred")
  )
  expected = {
    name: einops.rearrange(value, "b v c h w -> b v h w c")
    for name, value in case.outputs.items()
    if value.ndim == 5
  }
  t, t_next = case.inputs["t"], case.inputs["t_next"]
  assert_close(
    path.interpolate(x, noise, t), expected["noisy_per_view_t"], 1e-6
  )
  assert_close(path.velocity(x, noise), expected["flow"], 1e-6)
  assert_close(
    path.euler_step(x, flow, t, t_next), expected["euler_prev_sample"], 1e-6
  )
  assert_close(
    path.clean_estimate(x, flow, t),
    expected["euler_pred_original_sample"],
    1e-6,
  )

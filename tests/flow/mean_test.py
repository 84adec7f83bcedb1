"""Average velocities: their targets, their intervals, one exact step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.flow import mean, path, timesteps
from tests import networks

DEVIATION = 0.3  # of the data: N(0, 0.3^2) in every component
X = networks.normals(0, 3, 2, 2, 2, 4)
T = np.array([[0.9, 0.9], [1.0, 0.6], [0.7, 0.2]], np.float32)
START = np.array([[0.4, 0.4], [0.0, 0.5], [0.7, 0.2]], np.float32)


def spread(t):
  """Deviation of x_t: the exact flow scales every component by it."""
  return jnp.sqrt(((1 - t) * DEVIATION) ** 2 + t**2)


def velocity(x, t):
  t = path.over_trailing_axes(t, x)
  return x * (t - (1 - t) * DEVIATION**2) / spread(t) ** 2


def average(x, t, start):
  """The exact average velocity, to start + 1e-6 where that is t."""
  t = path.over_trailing_axes(t, x)
  way = jnp.maximum(t - path.over_trailing_axes(start, x), 1e-6)
  return x * (1 - spread(t - way) / spread(t)) / way


def test_the_exact_average_is_its_own_target():
  apart = T - START > 0
  target = mean.mean_target(average, X, velocity(X, T), T, START)
  expected = average(X, T, START)
  np.testing.assert_allclose(target[apart], expected[apart], rtol=1e-4)
  at_level = velocity(X, T)[apart]
  assert np.abs(target[apart] - at_level).max() > 0.1
  # One step along it is the exact flow from t to start.
  end = path.euler_step(X, expected, T, START)
  factor = path.over_trailing_axes(spread(START) / spread(T), X)
  np.testing.assert_allclose(end, X * factor, atol=1e-6)


def test_a_wrong_average_is_corrected_by_its_slope():
  # Of u = a t x the target is v - (t - r) (a x + a t v), per latent.
  slope = 0.5
  v = velocity(X, T)
  way, level = (path.over_trailing_axes(a, X) for a in (T - START, T))
  target = mean.mean_target(
    lambda x, t, start: slope * path.over_trailing_axes(t, x) * x,
    *(X, v, T, START),
  )
  expected = v - way * slope * (X + level * v)
  np.testing.assert_allclose(target, expected, atol=1e-5)


def test_latents_at_rest_see_the_way_of_the_others():
  # u of a latent reads the clip's mean: others' motion is in its slope.
  t, start = T[1:2], np.array([[0.0, 0.6]], np.float32)
  x, v = X[1:2], velocity(X[1:2], t)
  target = mean.mean_target(
    lambda x, t, start: x + jnp.mean(x, axis=1, keepdims=True),
    *(x, v, t, start),
  )
  np.testing.assert_allclose(target[:, 1], v[:, 1] - v[:, 0] / 2, atol=1e-5)


def test_without_an_interval_the_target_is_the_velocity():
  v = networks.normals(1, *X.shape)
  np.testing.assert_array_equal(mean.mean_target(average, X, v, T, T), v)


def test_targets_and_weights_pass_no_gradient():
  def total(scale):
    def scaled(x, t, start):
      return scale * average(x, t, start)

    target = mean.mean_target(scaled, scale * X, scale * X, T, START)
    weights = mean.adaptive_weights(scale * jnp.arange(3.0), 1.0)
    return jnp.sum(target) + jnp.sum(weights)

  assert jax.grad(total)(2.0) == 0


def test_weights_are_the_papers():
  errors = jnp.array([0.0, 0.009, 0.999])
  weights = mean.adaptive_weights(errors, 1.0)
  np.testing.assert_allclose(weights, [1000.0, 100.0, 1.0], rtol=1e-5)
  np.testing.assert_array_equal(mean.adaptive_weights(errors, 0.0), 1.0)


@pytest.mark.parametrize("equal", [0.0, 0.75, 1.0])
def test_intervals_have_the_asked_share_without_a_way(equal):
  found = timesteps.sample_intervals(
    jax.random.key(0), 4000, 6, equal=equal, weighting="shifted", shift=20.0,
    sampling="random_chunked_uniform", chunks=2, uniform_probability=0.2,
  )  # fmt: skip
  t, start = (np.asarray(a) for a in found)
  assert t.shape == start.shape == (4000, 6) and t.dtype == np.float32
  assert (start >= 0).all() and (start <= t).all() and (t <= 1).all()
  runs = np.stack([t, start], -1).reshape(4000, 2, 3, 2)
  assert (runs == runs[:, :, :1]).all()
  rest = (t == start)[:, ::3]
  assert rest.mean() == pytest.approx(equal, abs=0.03)
  # A scene of one level has one interval.
  alike = (np.ptp(t, axis=1) == 0) & (np.ptp(start, axis=1) == 0)
  assert alike.mean() == pytest.approx(0.2, abs=0.03)
  if equal == 1:
    assert np.median(t) == pytest.approx(20 / 21, abs=0.01)
  if equal == 0:
    # A third of the ways reach the lower third of the levels.
    assert np.mean(start < 1 / 3) == pytest.approx(1 / 3, abs=0.05)

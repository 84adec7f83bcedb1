"""Losses per scene and the weight of the KL term."""

import jax
import numpy as np
import pytest

from scenetok_jax.flow import losses
from scenetok_jax.types import Posterior
from tests.goldens import assert_close, load_case


def test_flow_loss_is_the_mean_square_per_scene():
  prediction = np.zeros((2, 3, 4))
  target = np.stack([np.full((3, 4), 2.0), np.full((3, 4), 3.0)])
  np.testing.assert_allclose(losses.flow_loss(prediction, target), [4, 9])


def test_flow_loss_is_float32_for_bfloat16_predictions():
  prediction = jax.numpy.ones((1, 8), jax.numpy.bfloat16)
  loss = losses.flow_loss(prediction, np.full((1, 8), 1.001, np.float32))
  assert loss.dtype == np.float32
  np.testing.assert_allclose(loss, [1e-6], rtol=1e-3)


def test_kl_is_zero_only_for_the_standard_normal():
  zeros = np.zeros((2, 3, 4), np.float32)
  np.testing.assert_array_equal(
    losses.kl_divergence(Posterior(zeros, zeros)), 0
  )
  assert (losses.kl_divergence(Posterior(zeros + 0.1, zeros)) > 0).all()
  assert (losses.kl_divergence(Posterior(zeros, zeros - 0.1)) > 0).all()


def test_kl_sums_over_tokens_and_channels():
  mean = np.ones((1, 3, 4), np.float32)
  kl = losses.kl_divergence(Posterior(mean, np.zeros_like(mean)))
  np.testing.assert_allclose(kl, [6.0])


def test_kl_clamps_the_log_variance():
  shape = np.ones((1, 1, 1), np.float32)
  kl = losses.kl_divergence
  np.testing.assert_array_equal(
    kl(Posterior(0 * shape, 100 * shape)), kl(Posterior(0 * shape, 20 * shape))
  )
  np.testing.assert_array_equal(
    kl(Posterior(0 * shape, -99 * shape)), kl(Posterior(0 * shape, -30 * shape))
  )


def test_kl_weight_is_constant_then_linear_then_constant():
  weight = jax.jit(lambda step: losses.kl_weight(step, (1.0, 3.0), (100, 300)))
  steps = np.array([0, 100, 150, 200, 300, 5000])
  np.testing.assert_allclose(
    [weight(step) for step in steps], [1, 1, 1.5, 2, 3, 3], rtol=1e-6
  )


@pytest.mark.parametrize("step, expected", [(9, 0.5), (10, 0.5), (11, 2.0)])
def test_kl_weight_may_jump(step, expected):
  weight = losses.kl_weight(step, (0.5, 2.0), (10, 10))
  np.testing.assert_allclose(weight, expected)


def test_matches_release_kl():
  case = load_case("compressor_eps_and_clamp")
  for run in case.config["runs"]:
    outputs = case.run(run["prefix"], "outputs")
    raw = outputs["parameters"]
    channels = raw.shape[-1] // 2
    kl = losses.kl_divergence(
      Posterior(raw[..., :channels], raw[..., channels:])
    )
    assert_close(kl, outputs["kl"])


def test_matches_release_training_loss():
  case = load_case("train_stage1")
  for run in case.config["runs"]:
    outputs = case.run(run["prefix"], "outputs")
    loss = losses.flow_loss(outputs["pred"], outputs["flow_target"]).mean()
    if "kl_weights" in run:
      weight = losses.kl_weight(
        run["global_step"], run["kl_weights"], run["kl_schedule"]
      )
      loss += weight * outputs["kl_mean"]
      assert weight * outputs["kl_mean"] > 1e-3 * outputs["loss"]
    assert_close(loss, outputs["loss"], 1e-5)

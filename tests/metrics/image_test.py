"""PSNR and SSIM equal scikit-image and the reference arrays."""

import os
from pathlib import Path

import einops
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from scenetok_jax.metrics import image

_ROOT = Path(__file__).parents[2]
_SHARED = Path(os.environ.get("SCENETOK_SHARED", _ROOT.parent / "shared"))


def _pair(shape=(2, 3, 24, 17, 3), noise=0.1):
  rng = np.random.default_rng(1)
  truth = rng.uniform(size=shape).astype(np.float32)
  return truth + rng.normal(size=shape).astype(np.float32) * noise, truth


def test_ssim_equals_scikit_image_for_any_leading_axes():
  prediction, truth = _pair()
  ours = image.ssim(prediction, truth)
  assert ours.shape == (2, 3)
  for index in np.ndindex(2, 3):
    theirs = structural_similarity(
      prediction[index],
      truth[index],
      win_size=11,
      gaussian_weights=True,
      channel_axis=-1,
      data_range=1.0,
    )
    np.testing.assert_allclose(ours[index], theirs, atol=1e-5)


def test_psnr_is_ten_log_ten_of_the_clipped_squared_error():
  prediction, truth = _pair(noise=0.5)
  error = np.square(np.clip(prediction, 0, 1) - truth, dtype=np.float64)
  expected = -10 * np.log10(error.mean(axis=(-3, -2, -1)))
  np.testing.assert_allclose(image.psnr(prediction, truth), expected, rtol=1e-5)


def test_equal_images_score_infinity_and_one():
  _, truth = _pair()
  assert np.isinf(image.psnr(truth, truth)).all()
  np.testing.assert_allclose(image.ssim(truth, truth), 1.0, atol=1e-6)


def test_both_are_symmetric_and_worsen_with_noise():
  for metric in (image.psnr, image.ssim):
    scores = [metric(*_pair(noise=n)).mean() for n in (0.05, 0.1, 0.3)]
    assert scores == sorted(scores, reverse=True)
    prediction, truth = _pair()
    forth, back = metric(prediction, truth), metric(truth, prediction)
    np.testing.assert_allclose(forth, back, rtol=1e-6)


def test_traceable_and_differentiable():
  prediction, truth = _pair((16, 16, 3))
  for metric in (image.psnr, image.ssim):
    gradient = jax.jit(jax.grad(metric))(prediction, truth)
    assert jnp.isfinite(gradient).all() and jnp.abs(gradient).max() > 0
    np.testing.assert_allclose(
      jax.jit(metric)(prediction, truth), metric(prediction, truth), rtol=1e-5
    )


def test_wrong_shapes_are_refused():
  with pytest.raises(ValueError, match="differ"):
    image.psnr(np.zeros((2, 16, 16, 3)), np.zeros((1, 16, 16, 3)))
  with pytest.raises(ValueError, match="smaller than its window"):
    image.ssim(np.zeros((8, 16, 3)), np.zeros((8, 16, 3)))


def test_reference_arrays():
  folder = _SHARED / "goldens" / "psnr_ssim"
  if not folder.exists():
    pytest.skip(f"reference arrays not found in {folder}")
  inputs = np.load(folder / "inputs.npz")
  outputs = np.load(folder / "outputs.npz")

  def load(name):
    return einops.rearrange(inputs[name], "n c h w -> n h w c")

  for case in (0, 1):
    pair = load(f"pred_{case}"), load(f"gt_{case}")
    for name, ours in {
      f"psnr_per_image_{case}": image.psnr(*pair),
      f"psnr_{case}": image.psnr(*pair).mean(),
      f"ssim_per_image_{case}": image.ssim(*pair),
      f"ssim_{case}": image.ssim(*pair).mean(),
      f"ssim_per_channel_{case}": image.ssim_per_channel(*pair),
    }.items():
      np.testing.assert_allclose(ours, outputs[name], atol=1e-5, err_msg=name)
  full = image.ssim_map(load("pred_0"), load("gt_0"))[0, ..., 0]
  np.testing.assert_allclose(full, outputs["ssim_map_full_gt0_c0"], atol=1e-5)

"""The three bilinear grids: reference pixels, and what tells them apart."""

import numpy as np
import pytest
from einops import rearrange
from scipy.ndimage import map_coordinates

from scenetok_jax.metrics import i3d, inception
from scenetok_jax.metrics.resize import resize, weights
from tests.goldens import load_case


@pytest.mark.parametrize("kind", ["antialias", "half_pixel", "tf1"])
@pytest.mark.parametrize("source, target", [(7, 7), (5, 12), (12, 5), (1, 4)])
def test_weights_are_shares_of_the_pixels(kind, source, target):
  matrix = weights(source, target, kind)
  assert matrix.shape == (target, source) and (matrix >= 0).all()
  np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-6)
  if source == target:
    np.testing.assert_array_equal(matrix, np.eye(source))


def test_half_pixel_is_interpolation_at_pixel_centres():
  image = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)
  rows = (np.arange(4) + 0.5) * 9 / 4 - 0.5
  columns = (np.arange(11) + 0.5) * 6 / 11 - 0.5
  want = map_coordinates(
    image, np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest"
  )
  got = resize(image[..., None], (4, 11), "half_pixel")[..., 0]
  np.testing.assert_allclose(got, want, atol=1e-5)


def test_kinds_agree_on_enlarging_except_for_tensorflows_shift():
  image = np.random.default_rng(0).uniform(size=(1, 8, 8, 3))
  smooth, plain, old = (
    resize(image, (16, 16), kind) for kind in ("antialias", "half_pixel", "tf1")
  )
  np.testing.assert_allclose(smooth, plain, atol=1e-6)
  assert np.abs(old - plain).max() > 0.05
  np.testing.assert_allclose(old[:, ::2, ::2], image, atol=1e-6)


@pytest.mark.parametrize("kind", ["antialias", "tf1"])
def test_reference_images_for_fid(kind):
  case = load_case("fid_inception")
  names = [n for n in case.inputs if n.startswith("extra_")]
  assert names
  for name in names:
    images = rearrange(case.inputs[name], "b c h w -> b h w c")
    ours = resize(images, (inception.SIZE,) * 2, kind)[:, ::13, ::13]
    want = case.outputs[f"{name}_{kind}_resized_every13"]
    ours = rearrange(np.asarray(ours), "b h w c -> b c h w")
    np.testing.assert_allclose(ours, want, atol=1e-3)


def test_the_release_truncates_to_uint8():
  case = load_case("fid_inception")
  images = inception.truncate_uint8(case.inputs["real01"])
  total = images.astype(np.int64).sum(axis=(1, 2, 3))
  np.testing.assert_array_equal(total, case.outputs["uint8_real_sum_per_image"])


def test_reference_clips_for_fvd():
  case = load_case("fvd_i3d")
  for side in ("gt", "pred"):
    clips = rearrange(case.inputs[f"{side}01"][:1], "b t c h w -> b t h w c")
    ours = np.asarray(i3d.preprocess(clips))[:, ::3, ::13, ::13]
    want = case.outputs[f"preprocessed_{side}_every13"]
    np.testing.assert_allclose(
      rearrange(ours, "b t h w c -> b c t h w"), want, atol=1e-5
    )

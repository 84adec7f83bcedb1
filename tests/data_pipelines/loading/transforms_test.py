"""Rescale and crop: exact pixels, cameras that still point at them."""

import numpy as np
import pytest
from einops import rearrange
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipelines.loading import transforms
from scenetok_jax.types import Cameras, InputError
from tests.goldens import load_case

_K = np.array([[0.9, 0, 0.47], [0, 1.3, 0.55], [0, 0, 1]])


def test_pixels_and_cameras_equal_the_release():
  case = load_case("crop")
  for run in case.config["runs"]:
    prefix, shape = run["prefix"], tuple(run["shape"])
    inputs, outputs = case.run(prefix), case.run(prefix, "outputs")
    image = rearrange(inputs["image_u8"][0], "c h w -> h w c")
    image, intrinsics = transforms.rescale_and_crop(
      image, inputs["intrinsics"][0], shape
    )
    expected = rearrange(outputs["f32_image_u8"][0], "c h w -> h w c")
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(intrinsics, outputs["f32_intrinsics"][0])


def test_flip_equals_the_release():
  case = load_case("crop")
  inputs, outputs = case.run("c0_"), case.run("c0_", "outputs")
  image = rearrange(inputs["image_u8"], "v c h w -> v h w c")
  cameras = Cameras(inputs["extrinsics"], inputs["intrinsics"])
  images, mirrored = transforms.flip(image, cameras)
  np.testing.assert_array_equal(images, image[:, :, ::-1])
  np.testing.assert_array_equal(
    mirrored.extrinsics, outputs["reflected_extrinsics"]
  )


def test_flip_twice_is_the_identity():
  rng = np.random.default_rng(0)
  image = rng.integers(0, 255, (2, 4, 6, 3), np.uint8)
  cameras = Cameras(rng.normal(size=(2, 4, 4)), np.tile(_K, (2, 1, 1)))
  images, again = transforms.flip(*transforms.flip(image, cameras))
  np.testing.assert_array_equal(images, image)
  np.testing.assert_array_equal(again.extrinsics, cameras.extrinsics)


@settings(max_examples=30, deadline=None)
@given(
  height=st.integers(16, 60),
  width=st.integers(16, 60),
  target=st.tuples(st.integers(8, 16), st.integers(8, 16)),
)
def test_a_point_stays_on_its_pixel(height, width, target):
  """move_centre is exact: a direction projects onto the same content."""
  image = np.zeros((height, width, 3), np.uint8)
  _, cropped = transforms.rescale_and_crop(image, _K, target, move_centre=True)
  direction = np.array([0.1, -0.2, 1.0])
  before = (_K @ direction)[:2] * [width, height]
  after = (cropped @ direction)[:2] * [target[1], target[0]]
  factor = max(target[0] / height, target[1] / width)
  scaled = np.array([round(width * factor), round(height * factor)])
  offset = (scaled - [target[1], target[0]]) // 2
  expected = before * scaled / [width, height] - offset
  np.testing.assert_allclose(after, expected, atol=1e-9)


def test_the_release_keeps_the_principal_point():
  image = np.zeros((20, 40, 3), np.uint8)
  _, kept = transforms.rescale_and_crop(image, _K, (10, 10))
  np.testing.assert_array_equal(kept[:2, 2], _K[:2, 2])
  np.testing.assert_allclose([kept[0, 0], kept[1, 1]], [0.9 * 2, 1.3])


def test_an_image_of_the_asked_size_is_untouched():
  image = np.random.default_rng(0).integers(0, 255, (12, 12, 3), np.uint8)
  same, intrinsics = transforms.rescale_and_crop(image, _K, (12, 12))
  np.testing.assert_array_equal(same, image)
  np.testing.assert_array_equal(intrinsics, _K)


def test_enlarging_is_refused():
  image = np.zeros((20, 40, 3), np.uint8)
  with pytest.raises(InputError, match=r"is 40x20, .* 24x24 \(width"):
    transforms.rescale_and_crop(image, _K, (24, 24))

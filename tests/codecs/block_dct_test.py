"""The embedded codec: orthonormal, low frequencies first, known geometry."""

import jax.numpy as jnp
import numpy as np
import pytest

from data_pipelines.rooms import render_clip
from scenetok_jax.codecs.api import get_codec
from scenetok_jax.codecs.block_dct import BlockDct, tables
from scenetok_jax.types import InputError


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
  """Two rooms as float32 [2 17 64 64 3] in [0, 1]."""
  clips = [render_clip(0, scene, 17, 64).images for scene in (0, 1)]
  return np.stack(clips).astype(np.float32) / 255.0


def block_codec(**options):
  return get_codec("block_dct", **options)


@pytest.mark.parametrize("whiten", [0.0, 0.5, 1.0])
def test_all_coefficients_invert_exactly(frames, whiten):
  codec = block_codec(spatial=8, channels=192, whiten=whiten)
  np.testing.assert_allclose(codec.round_trip(frames), frames, atol=1e-5)


def test_all_video_coefficients_invert_exactly(frames):
  codec = block_codec(spatial=8, channels=768, frames_per_latent=4)
  clip = frames[:, :16]
  np.testing.assert_allclose(codec.round_trip(clip), clip, atol=1e-5)


def test_the_basis_is_orthonormal():
  basis = tables(BlockDct(16, 96))[0].astype(np.float64)
  np.testing.assert_allclose(basis.T @ basis, np.eye(96), atol=1e-6)


def test_more_channels_never_lower_the_ceiling(frames):
  errors = [
    float(jnp.mean((block_codec(spatial=16, channels=c).round_trip(frames)
                    - frames) ** 2))
    for c in (8, 32, 96, 384)
  ]  # fmt: skip
  assert errors == sorted(errors, reverse=True)


def test_the_first_channel_is_the_mean_brightness():
  codec = block_codec(spatial=16, channels=4)
  grey = np.linspace(0.1, 0.9, 5, dtype=np.float32)
  images = np.broadcast_to(grey[None, :, None, None, None], (1, 5, 16, 16, 3))
  latents = np.asarray(codec.encode({}, images, None))[0, :, 0, 0]  # [5 4]
  assert np.all(np.diff(latents[:, 0]) > 0)
  np.testing.assert_allclose(latents[:, 1:], 0.0, atol=1e-5)


@pytest.mark.parametrize(
  ("options", "frames_in", "size", "shape"),
  [
    ({"spatial": 16, "channels": 32}, 2, 256, (2, 16, 16, 32)),
    (
      {"spatial": 32, "channels": 128, "frames_per_latent": 4},
      8,
      256,
      (2, 8, 8, 128),
    ),
    (
      {"spatial": 16, "channels": 48, "frames_per_latent": 4, "chunked": True},
      34,
      256,
      (10, 16, 16, 48),
    ),
  ],
  ids=["va_vae", "video_dc_ae", "wan_vae"],
)
@pytest.mark.parametrize("name", ["block_dct", "lapped_dct"])
def test_latents_have_the_published_codecs_shapes(
  name, options, frames_in, size, shape
):
  codec = get_codec(name, **options)
  images = np.zeros((1, frames_in, size, size, 3), np.float32)
  latents = codec.encode({}, images, None)
  assert latents.shape == (1, *shape)
  assert codec.decode({}, latents).shape == images.shape


def test_chunked_latents_depend_on_their_own_frames_only(frames):
  codec = block_codec(
    spatial=16, channels=32, frames_per_latent=4, chunked=True
  )
  changed = frames.copy()
  changed[:, 5:9] = 0.0  # the frames of latent 2
  difference = np.asarray(
    codec.encode({}, frames, None) - codec.encode({}, changed, None)
  )
  touched = np.abs(difference).max(axis=(0, 2, 3, 4)) > 1e-3
  np.testing.assert_array_equal(touched, [False, False, True, False, False])


def test_latents_of_rooms_have_about_unit_scale(frames):
  codec = block_codec(spatial=16, channels=96)
  latents = np.asarray(codec.encode({}, frames, None))
  assert 0.5 < np.sqrt(np.mean(latents**2)) < 2.0


def test_decoded_images_stay_in_range():
  codec = block_codec(spatial=16, channels=32)
  latents = 10.0 * np.random.default_rng(0).normal(size=(1, 2, 2, 2, 32))
  images = np.asarray(codec.decode({}, latents.astype(np.float32)))
  assert images.min() >= 0.0
  assert images.max() <= 1.0


def test_too_many_channels_are_refused():
  with pytest.raises(InputError, match="channels=769 exceeds the 768"):
    block_codec(spatial=16, channels=769).round_trip(
      np.zeros((1, 1, 16, 16, 3))
    )


def test_a_size_that_the_blocks_do_not_divide_is_refused():
  with pytest.raises(InputError, match="100 is not a multiple"):
    block_codec(spatial=16, channels=32).grid(100)

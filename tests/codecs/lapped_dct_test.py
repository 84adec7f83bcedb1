"""The lapped codec: exactly invertible, and without seams."""

import jax.numpy as jnp
import numpy as np
import pytest

from data_pipelines.rooms import render_clip
from scenetok_jax.codecs.api import get_codec
from scenetok_jax.codecs.lapped_dct import filters
from scenetok_jax.metrics.image import psnr
from scenetok_jax.metrics.seams import seams
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
  """Two rooms as float32 [2 17 64 64 3] in [0, 1]."""
  clips = [render_clip(0, scene, 17, 64).images for scene in (0, 1)]
  return np.stack(clips).astype(np.float32) / 255.0


@pytest.mark.parametrize(
  "options",
  [
    {"spatial": 1, "channels": 3},
    {"spatial": 2, "channels": 12},
    {"spatial": 8, "channels": 192},
    {"spatial": 8, "channels": 768, "frames_per_latent": 4},
  ],
)
def test_all_coefficients_invert_exactly(frames, options):
  codec, clips = get_codec("lapped_dct", **options), frames[:, :16]
  np.testing.assert_allclose(codec.round_trip(clips), clips, atol=2e-5)


def test_a_lone_block_has_no_border(frames):
  codec = get_codec("lapped_dct", spatial=16, channels=768)
  clips = frames[:, :2, :16, :16]
  np.testing.assert_allclose(codec.round_trip(clips), clips, atol=2e-5)


@pytest.mark.parametrize("side", [2, 4, 16, 32])
def test_filters_are_inverse_and_keep_what_is_constant(side):
  pre, post = filters(side)
  np.testing.assert_allclose(post @ pre, np.eye(side), atol=1e-6)
  np.testing.assert_allclose(pre.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize(
  "options",
  [
    {"spatial": 16, "channels": 32},
    {"spatial": 32, "channels": 128, "frames_per_latent": 4},
    {"spatial": 8, "channels": 12},
  ],
  ids=["va_vae", "video_dc_ae", "fine"],
)
def test_equal_coefficients_give_more_than_the_block_dct(frames, options):
  clips, scores, borders = frames[:, :16], [], []
  for name in ("block_dct", "lapped_dct"):
    decoded = get_codec(name, **options).round_trip(clips)
    scores.append(float(psnr(decoded, jnp.asarray(clips)).mean()))
    borders.append(seams(list(np.asarray(decoded)), options["spatial"]))
  assert scores[1] > scores[0] + 0.1
  assert borders[0] > 2.0 and borders[1] < 1.3


@pytest.mark.parametrize(
  "options",
  [
    {"spatial": 16, "channels": 32},
    {"spatial": 32, "channels": 128, "frames_per_latent": 4},
  ],
)
def test_a_constant_has_only_a_mean_brightness(options):
  images = np.full((1, 8, 256, 256, 3), 0.7, np.float32)
  latents = get_codec("lapped_dct", **options).encode({}, images, None)
  assert np.ptp(latents[..., 0]) < 1e-4
  np.testing.assert_allclose(latents[..., 3:], 0.0, atol=1e-4)


def test_a_variant_of_the_quickstart_has_it_in_place_of_the_block_dct():
  found = load_config("configs/quickstart.py:lapped").codecs
  plain = load_config("configs/quickstart.py").codecs
  for part in ("context", "target"):
    assert found[part].name == "lapped_dct"
    assert {**found[part], "name": "block_dct"} == dict(plain[part])


def test_an_odd_block_is_refused():
  with pytest.raises(InputError, match="15 is odd; use a power of two"):
    get_codec("lapped_dct", spatial=15, channels=8)
  with pytest.raises(InputError, match="lapped_dct needs the fields"):
    get_codec("lapped_dct", spatial=16)

"""FID's Inception equals the reference under both resizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from einops import rearrange

from scenetok_jax.metrics import frechet, inception
from scenetok_jax.metrics.loading import in_batches
from scenetok_jax.metrics.weights import import_tensors
from scenetok_jax.types import InputError
from tests.goldens import assert_close, load_case
from tests.metrics.seeded import seeded_tensors


def _images(array):
  return rearrange(array, "b c h w -> b h w c")


def test_the_average_pool_counts_only_real_pixels():
  x = np.random.default_rng(0).normal(size=(1, 4, 5, 2)).astype(np.float32)
  got = inception.average_pool(jnp.asarray(x))
  for i in range(4):
    for j in range(5):
      patch = x[0, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
      want = patch.mean(axis=(0, 1))
      np.testing.assert_allclose(got[0, i, j], want, atol=1e-6)


def test_only_uint8_images_are_taken():
  with pytest.raises(InputError, match="give uint8"):
    inception.features({}, np.zeros((1, 64, 64, 3), np.float32))
  with pytest.raises(InputError, match="give uint8"):
    inception.features({}, np.zeros((64, 64, 3), np.uint8))


@pytest.mark.slow
def test_reference_taps_features_and_distances():
  case = load_case("fid_inception")
  tensors = seeded_tensors(case.path)
  params = import_tensors("fid_inception", tensors, str(case.path))
  # The network compiles once: resized images are all of one size.
  network = jax.jit(lambda p, x: inception.Inception().apply({"params": p}, x))
  for kind in ("antialias", "tf1"):
    for name in [n for n in case.inputs if n.startswith("extra_")]:
      images = inception.preprocess(_images(case.inputs[name]), kind)
      for tap, got in network(params, images).items():
        assert_close(got, case.outputs[f"{name}_{kind}_{tap}"], 1e-4)
    sides = []
    for side in ("real", "fake"):
      images = inception.truncate_uint8(_images(case.inputs[f"{side}01"]))
      images = np.asarray(inception.preprocess(images, kind))
      features = in_batches(
        lambda p, x: network(p, x)["2048"], params, [images], 1
      )
      assert_close(features, case.outputs[f"features_{side}_{kind}"], 1e-4)
      sides.append(frechet.statistics(features))
    got = frechet.distance(*sides)
    limit = case.config["suggested_rtol"]
    exact = case.outputs[f"fid_{kind}_exact_lowrank"]
    np.testing.assert_allclose(got, exact, rtol=1e-5)
    np.testing.assert_allclose(got, case.outputs[f"fid_{kind}"], rtol=limit)

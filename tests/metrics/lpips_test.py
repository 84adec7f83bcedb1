"""LPIPS equals the reference, and behaves as a distance on real weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from einops import rearrange, reduce
from safetensors.numpy import load_file

from scenetok_jax.metrics import lpips
from scenetok_jax.metrics.loading import load_metric, missing
from scenetok_jax.metrics.weights import import_tensors
from scenetok_jax.types import InputError
from tests.goldens import assert_close, load_case
from tests.metrics.seeded import seeded_tensors

_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
_distances = jax.jit(lpips.layer_distances)


def _images(array):
  return rearrange(array, "b c h w -> b h w c")


@pytest.fixture(scope="module")
def reference():
  case = load_case("lpips_vgg")
  heads = load_file(case.path / "weights.safetensors")
  tensors = {**seeded_tensors(case.path), **heads}
  return case, import_tensors("lpips_vgg", tensors, str(case.path))


def test_reference_distances(reference):
  case, params = reference
  for run in ("0", "1"):
    pair = [_images(case.inputs[f"{side}_{run}"]) for side in "ab"]
    terms = np.asarray(_distances(params, *pair))
    assert_close(terms, case.outputs[f"per_layer_{run}"], 1e-5)
    assert_close(terms.sum(1), case.outputs[f"lpips_{run}"], 1e-5)


def test_reference_features(reference):
  case, params = reference
  images = _images(case.inputs["a_0"][:1])
  taps = jax.jit(lpips.features)(params, images)
  for name, tap in zip(_LAYERS, taps, strict=True):
    mean = reduce(np.asarray(tap), "b h w c -> b c", "mean")
    assert_close(mean, case.outputs[f"feat_{name}_chan_mean"], 1e-5)
    corner = rearrange(np.asarray(tap)[:, :4, :4, :8], "b h w c -> b c h w")
    assert_close(corner, case.outputs[f"feat_{name}_corner"], 1e-5)


def test_images_of_wrong_shape_are_refused():
  image = jnp.zeros((1, 32, 32, 3))
  with pytest.raises(InputError, match="of one shape"):
    lpips.distance({}, image, jnp.zeros((1, 32, 30, 3)))
  with pytest.raises(InputError, match="of one shape"):
    lpips.distance({}, image[0], image[0])
  with pytest.raises(InputError, match="at least 16 x 16"):
    lpips.distance({}, image[:, :15], image[:, :15])


@pytest.fixture(scope="module")
def real():
  reason = missing("lpips")
  if reason:
    pytest.skip(f"needs the extra [metrics]: {reason}")
  loaded = load_metric("lpips")
  metric = dataclasses.replace(loaded.metric, batch=4)
  return dataclasses.replace(loaded, metric=metric)


def test_real_weights_rank_distortions(real):
  rng = np.random.default_rng(0)
  y, x = np.mgrid[:32, :32] / 32
  image = np.stack([y, x, (np.sin(20 * x) + 1) / 2], -1).astype(np.float32)
  noise = rng.normal(size=image.shape).astype(np.float32)
  noisy = [np.clip(image + s * noise, 0, 1) for s in (0.0, 0.03, 0.1, 0.3)]
  truth = np.stack([image] * 4)
  scores = real(np.stack(noisy), truth)
  assert scores.shape == (4,) and scores[0] == 0.0
  assert (np.diff(scores) > 0).all() and 0.1 < scores[3] < 1.5
  # Symmetric; five images also run in batches of four.
  back = real(np.concatenate([truth, truth[:1]]), np.stack([*noisy, noisy[3]]))
  np.testing.assert_allclose(back, [*scores, scores[3]], rtol=1e-4, atol=1e-6)


def test_real_heads_are_those_of_the_lpips_package(real):
  case = load_case("lpips_vgg")
  heads = load_file(case.path / "weights.safetensors")
  for i in range(5):
    want = heads[f"lin{i}.model.1.weight"]
    np.testing.assert_array_equal(
      real.params[f"head{i}"], rearrange(want, "1 c 1 1 -> c")
    )

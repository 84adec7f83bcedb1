"""VA-VAE: the reference's numbers, published counts, batches and precision."""

import csv
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from einops import rearrange

from scenetok_jax.codecs.api import get_codec
from scenetok_jax.codecs.published import published
from scenetok_jax.codecs.va_vae import Sizes, VaVae, encoded, posterior
from scenetok_jax.convert.codecs import (
  codec_fields,
  codec_network,
  codec_table,
  convert_codec,
  load_codec,
)
from scenetok_jax.convert.engine import export_tensors, manifest
from scenetok_jax.flow.losses import kl_divergence
from tests.goldens import assert_close, load_case, shared_dir
from tests.networks import assert_exact_round_trip, quick_jit


@pytest.fixture(scope="module")
def case():
  return load_case("vavae_small")


@pytest.fixture(scope="module")
def fields(case):
  return codec_fields("va_vae", case.config["reduced"])


@pytest.fixture(scope="module")
def params(case, fields):
  return load_codec("va_vae", case.path / "weights.safetensors", fields)


@pytest.fixture(scope="module")
def model(fields):
  fields = dict(fields)
  return VaVae(Sizes(**fields))


def last(x):
  return rearrange(x, "... c h w -> ... h w c")


def test_encoding_equals_the_reference(case, params, model):
  moments = quick_jit(model.moments)(params, last(case.inputs["images"]))
  assert_close(moments, last(case.outputs["moments"]))
  latents = posterior(last(case.outputs["moments"]))
  gaussian = encoded(latents)
  sample = gaussian.mean + gaussian.std * last(case.inputs["eps"])
  for name, value in {
    "mean": latents.mean,
    "logvar": latents.logvar,
    "std": gaussian.std,
    "sample_with_eps": sample,
  }.items():
    assert_close(value, last(case.outputs[name]))
  assert_close(kl_divergence(latents), case.outputs["kl"])


def test_decoding_equals_the_reference(case, params, model):
  decode = quick_jit(model.decode)
  for given, expected in (
    (case.inputs["latents"], "decoded"),
    (case.outputs["mean"], "decoded_from_mean"),
  ):
    images = decode(params, last(given))
    assert_close(images, last(case.outputs[expected]))


@pytest.fixture(scope="module")
def folder(case, tmp_path_factory):
  """The reference's file, converted as a user would."""
  out = tmp_path_factory.mktemp("va_vae") / "weights"
  convert_codec(
    "va_vae",
    case.path / "weights.safetensors",
    out,
    reduced=case.config["reduced"],
  )
  return out


@pytest.fixture(scope="module")
def codec(folder):
  return get_codec("va_vae", weights=str(folder), frames_at_once=1)


def test_the_codec_equals_the_release_s_pipeline(case, codec):
  """Scaling and clipping included; two frames, one at a time."""
  images = last(case.inputs["pipe_images01"])
  mean = quick_jit(lambda p, x: codec.encode(p, x, None))(codec.params, images)
  drawn = quick_jit(codec.encode)(codec.params, images, jax.random.key(0))
  noise = last(case.inputs["pipe_eps"])
  # The noise of our key is known; the reference's replaces it.
  ours = jax.random.normal(
    jax.random.key(0), rearrange(noise, "b v ... -> (b v) 1 ...").shape
  )
  ours = rearrange(ours, "(b v) 1 ... -> b v ...", b=len(noise))
  spread = (np.asarray(drawn) - mean) / ours
  assert_close(
    np.asarray(mean) + spread * noise,
    last(case.outputs["pipe_first_stage_encode"]),
  )
  decoded = quick_jit(codec.decode)(
    codec.params, last(case.inputs["pipe_scaled_latents"])
  )
  assert_close(decoded, last(case.outputs["pipe_last_stage_decode"]))


def test_the_constants_are_the_reference_s(case):
  scaling = published("va_vae").scaling
  np.testing.assert_allclose(scaling.mean, case.config["latent_mean"], 1e-6)
  np.testing.assert_allclose(scaling.std, case.config["latent_std"], 1e-6)


def test_the_published_size_is_exact():
  path = shared_dir() / "spec" / "spec_tables" / "vavae.tsv"
  with path.open() as file:
    rows = list(csv.DictReader(file, delimiter="\t"))
  expected = {
    row["name"]: tuple(map(int, row["shape"].split(","))) for row in rows
  }
  found = manifest(codec_table("va_vae"), codec_network("va_vae").shapes())
  assert {name: entry.shape for name, entry in found.items()} == expected


def test_the_published_counts():
  entry, shapes = published("va_vae"), codec_network("va_vae").shapes()
  sizes = {
    side: sum(leaf.size for leaf in jax.tree.leaves(shapes[side]))
    for side in shapes
  }
  assert len(jax.tree.leaves(shapes)) == entry.tensors == 342
  assert sum(sizes.values()) == entry.parameters == 69_836_067
  assert sizes["encoder"] == 28_413_248 + 4_160
  assert sizes["decoder"] == 41_417_603 + 1_056


def test_the_converter_s_inverse_is_exact(case, fields, params):
  tensors = assert_exact_round_trip(codec_table("va_vae", fields), params)
  assert len(tensors) == case.config["num_model_tensors"]


def test_the_torch_container_holds_the_same(case, fields, params):
  pytest.importorskip("torch", reason="reading torch files needs torch")
  again = load_codec("va_vae", case.path / "checkpoint.pt", fields)
  jax.tree.map(np.testing.assert_array_equal, again, params)


def test_bfloat16_stays_close(case, params, fields):
  network = codec_network("va_vae", {**fields, "dtype": jnp.bfloat16})
  images = last(case.inputs["images"])
  mean = quick_jit(lambda p, x: network.encode(p, x).mean)(params, images)
  assert mean.dtype == jnp.float32
  expected = last(case.outputs["mean"])
  assert np.abs(mean - expected).max() < 0.05 * np.abs(expected).max()


def test_gradients_reach_every_parameter(params, model):
  """Fine-tuning is not ours to forbid; a dead layer would show here."""
  images = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3))
  images = jnp.asarray(images, jnp.float32)

  def loss(params):
    moments = model.moments(params, images)
    image = model.decode(params, posterior(moments).mean)
    return jnp.mean(jnp.square(image)) + jnp.mean(jnp.square(moments))

  grads = quick_jit(jax.grad(loss))(params)
  for path, grad in jax.tree_util.tree_leaves_with_path(grads):
    name = jax.tree_util.keystr(path)
    assert np.isfinite(grad).all(), name
    # A shift of all keys does not change a softmax.
    if "['key']['bias']" not in name:
      assert np.abs(grad).max() > 0, name

"""VA-VAE: the reference's numbers, published counts, batches and precision."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from einops import rearrange

from scenetok_jax.codecs.api import get_codec
from scenetok_jax.codecs.convert import (
  codec_network,
  codec_table,
  convert_codec,
  load_codec,
)
from scenetok_jax.codecs.registry import published
from scenetok_jax.codecs.va_vae import Encoder, Sizes
from scenetok_jax.convert.engine import manifest
from scenetok_jax.flow.losses import kl_divergence
from scenetok_jax.parity.codec_fields import codec_fields
from tests.codecs.video_nets import largest_activation
from tests.goldens import assert_close, load_case, shared_dir
from tests.networks import (
  abstract,
  assert_exact_round_trip,
  assert_gradients,
  normals,
  quick_jit,
)


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
  return codec_network("va_vae", fields)


def last(x):
  return rearrange(x, "... c h w -> ... h w c")


def test_encoding_equals_the_reference(case, params, fields, model):
  images = last(case.inputs["images"])
  latents, encoder = (
    quick_jit(model.encode)(params, images),
    Encoder(Sizes(**fields)),
  )
  for name, value in {
    "moments": quick_jit(encoder.apply)({"params": params["encoder"]}, images),
    "mean": latents.mean,
    "logvar": latents.logvar,
    "std": np.exp(latents.logvar / 2),
    "sample_with_eps": latents.sample(last(case.inputs["eps"])),
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


def test_the_codec_equals_the_release_s_pipeline(case, tmp_path):
  """Scaling and clipping included, from a folder converted as a user would."""
  convert_codec(
    "va_vae",
    case.path / "weights.safetensors",
    tmp_path / "weights",
    fields=codec_fields("va_vae", case.config["reduced"]),
  )
  codec = get_codec("va_vae", weights=str(tmp_path / "weights"))
  key = jax.random.key(0)

  @quick_jit
  def run(params, images, latents):
    return (
      codec.encode(params, images, None),
      codec.encode(params, images, key),
      codec.decode(params, latents),
    )

  mean, drawn, decoded = run(
    codec.params,
    last(case.inputs["pipe_images01"]),
    last(case.inputs["pipe_scaled_latents"]),
  )
  assert_close(decoded, last(case.outputs["pipe_last_stage_decode"]))
  # Our key's noise is known; the reference's takes its place.
  noise = last(case.inputs["pipe_eps"])
  batch, views, *latent = noise.shape
  ours = jax.random.normal(key, (batch * views, 1, *latent))
  ours = rearrange(ours, "(b v) 1 ... -> b v ...", b=batch)
  found = mean + (drawn - mean) / ours * noise
  assert_close(found, last(case.outputs["pipe_first_stage_encode"]))


def test_the_constants_are_the_reference_s(case):
  scaling = published("va_vae").scaling
  np.testing.assert_allclose(scaling.mean, case.config["latent_mean"], 1e-6)
  np.testing.assert_allclose(scaling.std, case.config["latent_std"], 1e-6)


@pytest.fixture(scope="module")
def published_shapes():
  return codec_network("va_vae").shapes()


def test_the_published_size_is_exact(published_shapes):
  path = shared_dir() / "spec" / "spec_tables" / "vavae.tsv"
  with path.open() as file:
    rows = list(csv.DictReader(file, delimiter="\t"))
  expected = {
    row["name"]: tuple(map(int, row["shape"].split(","))) for row in rows
  }
  found = manifest(codec_table("va_vae"), published_shapes)
  assert {name: entry.shape for name, entry in found.items()} == expected


def test_the_published_counts(published_shapes):
  entry, shapes = published("va_vae"), published_shapes
  sizes = {
    side: sum(leaf.size for leaf in jax.tree.leaves(shapes[side]))
    for side in shapes
  }
  assert len(jax.tree.leaves(shapes)) == entry.tensors == 342
  assert sum(sizes.values()) == entry.parameters == 69_836_067
  assert sizes["encoder"] == 28_413_248 + 4_160
  assert sizes["decoder"] == 41_417_603 + 1_056


def test_192_frames_hold_no_more_than_8_at_once(published_shapes):
  """At full size and 256 pixels, both ways."""
  codec = get_codec("va_vae")
  assert codec.frames_at_once == 8
  for function, x in (
    (codec.decode, abstract(1, 192, 16, 16, 32)),
    (
      lambda params, x: codec.encode(params, x, None),
      abstract(2, 96, 256, 256, 3),
    ),
  ):
    found = largest_activation(function, published_shapes, x)
    assert found <= 8 * 256 * 256 * 256  # frames, pixels, channels


def test_the_converter_s_inverse_is_exact(case, fields, params):
  tensors = assert_exact_round_trip(codec_table("va_vae", fields), params)
  assert len(tensors) == case.config["num_model_tensors"]


def test_the_torch_container_holds_the_same(case, fields, params):
  pytest.importorskip("torch", reason="reading torch files needs torch")
  again = load_codec("va_vae", case.path / "checkpoint.pt", fields)
  jax.tree.map(np.testing.assert_array_equal, again, params)


TINY = {
  "width": 8,
  "multipliers": (1, 2),
  "blocks": 1,
  "attention": (1,),
  "groups": 4,
  "latent_channels": 4,
}


def tiny_params():
  shapes = codec_network("va_vae", TINY).shapes()
  leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
  return tree.unflatten(
    [
      0.2 * normals(i, *leaf.shape) + (path[-1].key == "scale")
      for i, (path, leaf) in enumerate(leaves)
    ]
  )


def round_trip(params, images, dtype=jnp.float32):
  model = codec_network("va_vae", {**TINY, "dtype": dtype})
  latents = model.encode(params, images)
  return latents, model.decode(params, latents.mean)


def test_gradients_reach_every_parameter():
  """A dead or misplaced layer would show here."""
  images = normals(1, 1, 8, 8, 3)

  def loss(params):
    latents, decoded = round_trip(params, images)
    outputs = (latents.mean, latents.logvar, decoded)
    return sum(jnp.sum(x * normals(i, *x.shape)) for i, x in enumerate(outputs))

  grads = quick_jit(jax.grad(loss))(tiny_params())
  # A shift of all keys does not change a softmax.
  assert_gradients(grads, zero="key/bias")


@pytest.mark.slow
def test_bfloat16_stays_close_and_returns_float32():
  params, images = tiny_params(), normals(1, 2, 16, 16, 3)
  expected = quick_jit(round_trip)(params, images)
  found = quick_jit(lambda p, x: round_trip(p, x, jnp.bfloat16))(params, images)
  for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
    assert a.dtype == jnp.float32
    difference = np.abs(a - b).max() / np.abs(b).max()
    assert 1e-6 < difference < 0.05

"""Video DC-AE: the reference's numbers, tiles, counts, memory, precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.codecs.api import get_codec
from scenetok_jax.codecs.convert import (
  codec_network,
  codec_table,
  convert_codec,
  load_codec,
)
from scenetok_jax.codecs.layers_3d import DepthwiseConv, shuffle, unshuffle
from scenetok_jax.codecs.video_dc_ae import network
from scenetok_jax.parity.codec_fields import codec_fields
from scenetok_jax.types import InputError
from tests.codecs.video_nets import (
  assert_published,
  drawn,
  largest_activation,
  last,
)
from tests.goldens import assert_close, load_case
from tests.networks import (
  abstract,
  assert_exact_round_trip,
  assert_gradients,
  normals,
  quick_jit,
)

NAME = "video_dc_ae"
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def case():
  return load_case("videodc_small")


@pytest.fixture(scope="module")
def fields(case):
  return codec_fields(NAME, case.config["reduced"])


@pytest.fixture(scope="module")
def params(case, fields):
  return load_codec(NAME, case.path / "weights.safetensors", fields)


@pytest.fixture(scope="module")
def encode(fields):
  return quick_jit(lambda p, x: network(**fields).encode(p, x).mean)


@pytest.fixture(scope="module")
def decode(fields):
  return quick_jit(network(**fields).decode)


@pytest.mark.parametrize(
  "frames", [*(pytest.param(n, marks=slow) for n in (1, 2, 4, 16)), 8]
)
def test_a_round_trip_equals_the_reference(
  case, params, encode, decode, frames
):
  clip = f"video_{frames}f"
  latents = encode(params, last(case.inputs[clip]))
  assert_close(latents, last(case.outputs[f"enc_{clip}"]))
  images = decode(params, last(case.outputs[f"enc_{clip}"]))
  assert_close(images, last(case.outputs[f"rec_{clip}"]))


@pytest.mark.parametrize(
  "latents", [pytest.param(1, marks=slow), 2, pytest.param(4, marks=slow)]
)
def test_decoding_equals_the_reference(case, params, decode, latents):
  """One latent alone is one frame, as published."""
  images = decode(params, last(case.inputs[f"latent_{latents}"]))
  assert_close(images, last(case.outputs[f"dec_latent_{latents}"]))
  assert images.shape[1] == (1 if latents == 1 else 4 * latents)


def tiled(case, fields, name):
  tiles = case.config["tilings"][name]
  return network(
    tile_size=tiles["spatial"],
    tile_frames=tiles["temporal"],
    overlap=tiles["overlap"],
    **fields,
  )


@slow
@pytest.mark.parametrize(
  "name", ["spatial", "temporal", "both", "precompute", "temporal_odd_tail"]
)
def test_tiles_equal_the_reference_s(case, fields, params, name):
  net = tiled(case, fields, name)
  if f"tv_{name}" in case.inputs:
    run = quick_jit(lambda p, x: net.encode(p, x).mean)
    latents = run(params, last(case.inputs[f"tv_{name}"]))
    assert_close(latents, last(case.outputs[f"tenc_{name}"]))
  images = quick_jit(net.decode)(params, last(case.inputs[f"tz_{name}"]))
  assert_close(images, last(case.outputs[f"tdec_{name}"]))


def test_a_video_decodes_in_parts(case, fields, params):
  """Parts are short, and together equal the reference's tiled video."""
  name = "temporal_odd_tail"
  net = tiled(case, fields, name)
  parts = list(net.parts(params, last(case.inputs[f"tz_{name}"])))
  assert [part.shape[1] for part in parts] == [12, 12, 1]
  expected = last(case.outputs[f"tdec_{name}"])
  assert_close(jnp.concatenate(parts, axis=1), expected)


def test_the_codec_equals_the_release_s_pipeline(case, tmp_path):
  """Scaling and clipping included, from a folder converted as a user would."""
  convert_codec(
    NAME,
    case.path / "weights.safetensors",
    tmp_path / "weights",
    fields=codec_fields(NAME, case.config["reduced"]),
  )
  codec = get_codec(NAME, weights=str(tmp_path / "weights"))
  latents = quick_jit(lambda p, x: codec.encode(p, x, None))(
    codec.params, last(case.inputs["pipe_images01"])
  )
  assert_close(latents, last(case.outputs["pipe_first_stage_encode"]))
  scaled = last(case.inputs["pipe_scaled_latents"])
  images = quick_jit(codec.decode)(codec.params, scaled)
  assert_close(images, last(case.outputs["pipe_last_stage_decode"]))


@pytest.fixture(scope="module")
def shapes():
  """Of the published size."""
  return codec_network(NAME).shapes()


def test_the_published_size_is_exact(shapes):
  assert_published(NAME, shapes, "videodc.tsv")


def test_the_published_counts(shapes):
  sizes = {
    side: sum(leaf.size for leaf in jax.tree.leaves(shapes[side]))
    for side in shapes
  }
  assert len(jax.tree.leaves(shapes)) == 339
  assert sizes == {"encoder": 220_439_936, "decoder": 239_022_211}


def test_the_converter_s_inverse_is_exact(case, fields, params):
  tensors = assert_exact_round_trip(codec_table(NAME, fields), params)
  assert len(tensors) == case.config["num_model_tensors"]


def test_192_frames_hold_no_more_than_32_at_once(shapes):
  """At full size and 256 pixels: a tile's activations, whatever the length."""
  codec = get_codec(NAME)
  decoding = largest_activation(
    codec.decode, shapes, abstract(1, 48, 8, 8, 128)
  )
  assert decoding <= 32 * 256 * 256 * 256  # frames, pixels, channels
  encoding = largest_activation(
    lambda params, x: codec.encode(params, x, None),
    shapes,
    abstract(1, 192, 256, 256, 3),
  )
  assert encoding <= 32 * 256 * 256 * 128


TINY = {
  "latent_channels": 2,
  "head_dim": 2,
  "encoder_widths": (2, 2, 2, 2, 4, 4),
  "decoder_widths": (2, 2, 2, 2, 4, 4),
  "encoder_depths": (1, 1, 1, 1, 1, 1),
  "decoder_depths": (1, 1, 1, 1, 1, 1),
}


def round_trip(params, images):
  net = network(**TINY)
  latents = net.encode(params, images).mean
  return latents, net.decode(params, latents)


@slow
def test_gradients_reach_every_parameter():
  """A dead or misplaced layer would show here."""
  images = normals(1, 1, 8, 32, 32, 3)

  def loss(params):
    outputs = round_trip(params, images)
    return sum(jnp.sum(x * normals(i, *x.shape)) for i, x in enumerate(outputs))

  grads = quick_jit(jax.grad(loss))(drawn(network(**TINY).shapes()))
  assert_gradients(grads)


@slow
def test_bfloat16_stays_close_and_returns_float32(case, fields, params):
  half = network(dtype=jnp.bfloat16, **fields)
  latents = quick_jit(lambda p, x: half.encode(p, x).mean)(
    params, last(case.inputs["video_8f"])
  )
  given = last(case.outputs["enc_video_8f"])
  images = quick_jit(half.decode)(params, given)
  expected = last(case.outputs["rec_video_8f"])
  for found, exact in ((latents, given), (images, expected)):
    assert found.dtype == jnp.float32
    difference = np.abs(found - exact).max() / np.abs(exact).max()
    assert 1e-4 < difference < 0.05


def test_depthwise_filters_equal_a_grouped_convolution():
  x, kernel = normals(0, 2, 5, 6, 7, 4), normals(1, 5, 5, 5, 4)
  layer = DepthwiseConv(5, use_bias=False)
  found = layer.apply({"params": {"kernel": kernel}}, x)
  expected = jax.lax.conv_general_dilated(
    x,
    kernel[..., None, :],
    (1, 1, 1),
    "SAME",
    dimension_numbers=("NTHWC", "THWIO", "NTHWC"),
    feature_group_count=4,
  )
  np.testing.assert_allclose(found, expected, atol=2e-5)


def test_shuffles_are_inverses_with_the_channel_slowest():
  x = normals(0, 1, 4, 4, 6, 3)
  folded = unshuffle(x, 2, 2)
  assert folded.shape == (1, 2, 2, 3, 24)
  np.testing.assert_array_equal(shuffle(folded, 2, 2), x)
  # (channel 2, time 1, row 0, column 1)
  np.testing.assert_array_equal(
    folded[..., 2 * 8 + 4 + 1], x[:, 1::2, ::2, 1::2, 2]
  )


@pytest.mark.parametrize(
  ("shape", "message"),
  [
    ((1, 6, 32, 32, 3), "6 frames do not fill latents of 4; give 4"),
    ((1, 33, 32, 32, 3), "33 frames do not fill latents of 4; give 32"),
  ],
)
def test_clips_that_do_not_fit_are_refused(shape, message):
  with pytest.raises(InputError, match=message):
    network(**TINY).encode({}, np.zeros(shape, np.float32))


def test_another_network_s_file_is_refused():
  other = load_case("wan_small").path / "weights.safetensors"
  with pytest.raises(InputError, match="not the video_dc_ae codec") as error:
    load_codec(NAME, other)
  assert "\n" not in str(error.value)


def test_a_file_of_another_size_is_refused(case, fields):
  path, wider = case.path / "weights.safetensors", fields | {"head_dim": 4}
  with pytest.raises(InputError, match=r"aggreg\.0\.1\.weight is \[48, 8,"):
    load_codec(NAME, path, wider)

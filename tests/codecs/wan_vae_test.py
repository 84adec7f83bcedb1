"""Wan 2.2 VAE: the reference's numbers, counts, memory."""

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
from scenetok_jax.codecs.wan_vae import network, patchify, unpatchify
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

NAME = "wan_vae"
slow = pytest.mark.slow
SCALING = published(NAME).scaling


@pytest.fixture(scope="module")
def case():
  return load_case("wan_small")


@pytest.fixture(scope="module")
def fields(case):
  return codec_fields(NAME, case.config["reduced"])


@pytest.fixture(scope="module")
def params(case, fields):
  return load_codec(NAME, case.path / "weights.safetensors", fields)


@pytest.mark.parametrize(
  "frames", [pytest.param(1, marks=slow), pytest.param(5, marks=slow), 17]
)
def test_a_round_trip_equals_the_reference(case, fields, params, frames):
  clip, net = f"video_{frames}f", network(**fields)
  encode = quick_jit(lambda p, x: net.encode(p, x).mean)
  latents = encode(params, last(case.inputs[clip]))
  assert_close(latents, last(case.outputs[f"mu_unscaled_{clip}"]))
  scaled = SCALING.normalize(latents)
  assert_close(scaled, last(case.outputs[f"enc_{clip}"]))
  decode = quick_jit(net.decode)
  images = decode(params, SCALING.restore(last(case.outputs[f"enc_{clip}"])))
  assert_close(images, last(case.outputs[f"rec_{clip}"]))
  given = last(case.inputs[f"latent_{latents.shape[1]}"])
  if given.shape[0] == latents.shape[0]:  # else another program
    images = decode(params, SCALING.restore(given))
    expected = case.outputs[f"dec_latent_{latents.shape[1]}"]
    assert_close(images, last(expected))


@pytest.fixture(scope="module")
def codec(case, tmp_path_factory):
  """From a folder converted as a user would."""
  folder = tmp_path_factory.mktemp("codec") / "weights"
  convert_codec(
    NAME,
    case.path / "weights.safetensors",
    folder,
    fields=codec_fields(NAME, case.config["reduced"]),
  )
  return get_codec(NAME, weights=str(folder))


def test_the_codec_equals_the_release_s_pipeline(case, codec):
  """Scaling, chunks of 17 frames and clipping included."""
  encode = quick_jit(lambda p, x: codec.encode(p, x, None))
  images = last(case.inputs["pipe_images01"])
  latents = encode(codec.params, images)
  assert_close(latents, last(case.outputs["pipe_first_stage_encode"]))
  scaled = last(case.inputs["pipe_scaled_latents"])
  video = quick_jit(codec.decode)(codec.params, scaled)
  assert_close(video, last(case.outputs["pipe_last_stage_decode"]))


@slow
def test_a_video_decodes_in_chunks(case, codec):
  latents = last(case.inputs["pipe_scaled_latents"])
  parts = list(codec.decode_parts(codec.params, latents))
  assert [part.shape[1] for part in parts] == [17, 17]
  expected = last(case.outputs["pipe_last_stage_decode"])
  assert_close(jnp.concatenate(parts, axis=1), expected)


@slow
def test_single_images_equal_the_reference_s(case, fields, params):
  """As clips of one frame: what the release's wan_single is meant to do."""
  expected = last(case.outputs["single_image_latents"])
  images = last(case.inputs["pipe_images01"])[:, : expected.shape[1]]
  alone = rearrange(images, "b t h w c -> (b t) 1 h w c")
  net = network(**fields)
  found = quick_jit(lambda p, x: net.encode(p, x).mean)(params, 2 * alone - 1)
  found = SCALING.normalize(rearrange(found, "t 1 h w c -> 1 t h w c"))
  assert_close(found, expected)
  expected = last(case.outputs["pipe_last_stage_decode_single"])
  latents = last(case.inputs["pipe_scaled_latents"])[:, : expected.shape[1]]
  alone = rearrange(SCALING.restore(latents), "b t h w c -> (b t) 1 h w c")
  found = quick_jit(net.decode)(params, alone)
  found = jnp.clip(rearrange(found, "t 1 h w c -> 1 t h w c") / 2 + 0.5, 0, 1)
  assert_close(found, expected)


def test_patches_are_ordered_channel_column_row(case):
  video = last(case.inputs["video_5f"])
  folded = patchify(video, 2)
  expected = rearrange(
    case.outputs["patchify_video_5f"], "b c t h w -> b t h w c"
  )
  np.testing.assert_array_equal(folded, expected)
  np.testing.assert_array_equal(unpatchify(folded, 2), video)


def test_the_constants_are_the_reference_s(case):
  np.testing.assert_allclose(SCALING.mean, case.config["latent_mean"], 1e-6)
  np.testing.assert_allclose(SCALING.std, case.config["latent_std"], 1e-6)


@pytest.fixture(scope="module")
def shapes():
  """Of the published size."""
  return codec_network(NAME).shapes()


def test_the_published_size_is_exact(shapes):
  assert_published(NAME, shapes, "wan.tsv")


def test_the_published_counts(shapes):
  sizes = {
    side: sum(leaf.size for leaf in jax.tree.leaves(shapes[side]))
    for side in shapes
  }
  assert len(jax.tree.leaves(shapes)) == 196
  assert sizes["encoder"] == 149_627_776 + 9_312
  assert sizes["decoder"] == 555_049_228 + 2_352


def test_the_converter_s_inverse_is_exact(case, fields, params):
  tensors = assert_exact_round_trip(codec_table(NAME, fields), params)
  assert len(tensors) == case.config["num_model_tensors"]


def test_the_torch_container_holds_the_same(case, fields, params):
  pytest.importorskip("torch", reason="reading torch files needs torch")
  again = load_codec(NAME, case.path / "checkpoint.pth", fields)
  jax.tree.map(np.testing.assert_array_equal, again, params)


def test_204_frames_hold_no_more_than_a_chunk(shapes):
  """At full size and 256 pixels: 17 frames' activations."""
  codec, frames = get_codec(NAME), 17
  found = largest_activation(codec.decode, shapes, abstract(1, 60, 16, 16, 48))
  # The widest: 512 channels at half resolution, and two frames of history.
  assert found <= (frames + 2) * 128 * 128 * 512
  found = largest_activation(
    lambda params, x: codec.encode(params, x, None),
    shapes,
    abstract(1, 204, 256, 256, 3),
  )
  assert found <= (frames + 2) * 128 * 128 * 160


TINY = {
  "encoder_width": 2,
  "decoder_width": 2,
  "blocks": 1,
  "latent_channels": 3,
  "multipliers": (1, 2, 2, 2),
}


def round_trip(params, images):
  net = network(**TINY)
  latents = net.encode(params, images).mean
  return latents, net.decode(params, latents)


@slow
def test_gradients_reach_every_parameter():
  """A dead or misplaced layer would show here."""
  images = normals(1, 1, 9, 16, 32, 3)

  def loss(params):
    outputs = round_trip(params, images)
    return sum(jnp.sum(x * normals(i, *x.shape)) for i, x in enumerate(outputs))

  grads = quick_jit(jax.grad(loss))(drawn(network(**TINY).shapes()))
  assert_gradients(grads)


@slow
def test_bfloat16_stays_close_and_returns_float32(case, fields, params):
  half = network(dtype=jnp.bfloat16, **fields)
  latents = quick_jit(lambda p, x: half.encode(p, x).mean)(
    params, last(case.inputs["video_5f"])
  )
  given = last(case.outputs["mu_unscaled_video_5f"])
  images = quick_jit(half.decode)(params, given)
  expected = last(case.outputs["rec_video_5f"])
  for found, exact in ((latents, given), (images, expected)):
    assert found.dtype == jnp.float32
    difference = np.abs(found - exact).max() / np.abs(exact).max()
    assert 1e-4 < difference < 0.05


def test_clips_of_any_length_drop_what_fills_no_latent():
  """The values are the reference's: wan_clip_lengths (scenetok parity)."""
  case = load_case("wan_clip_lengths")
  net = network(**codec_fields(NAME, case.config["reduced"]))
  for name in case.inputs:
    if name.startswith("video_"):
      clip = abstract(*last(case.inputs[name]).shape)
      found = jax.eval_shape(net.encode, net.shapes(), clip).mean
      assert found.shape == last(case.outputs[f"enc_{name}"]).shape


def test_the_codec_refuses_frames_that_fill_no_chunk():
  codec, params = get_codec(NAME), {"encoder": {}}
  with pytest.raises(InputError, match="33 frames does not fill groups of 17"):
    codec.encode(params, np.zeros((1, 33, 32, 32, 3), np.float32), None)
  with pytest.raises(InputError, match="7 latents do not fill chunks of 5"):
    codec.decode(params, np.zeros((1, 7, 2, 2, 48), np.float32))


def test_another_network_s_file_is_refused():
  other = load_case("videodc_small").path / "weights.safetensors"
  with pytest.raises(InputError, match="not the wan_vae codec") as error:
    load_codec(NAME, other)
  assert "\n" not in str(error.value)

"""Published codecs: geometry without weights, folders, grouping, bad input."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.codecs import api, va_vae
from scenetok_jax.codecs.api import get_codec
from scenetok_jax.codecs.convert import convert_codec, export_codec, load_codec
from scenetok_jax.codecs.network import Network, map_clips
from scenetok_jax.codecs.registry import published, published_names
from scenetok_jax.codecs.weights import (
  FORMATS,
  PARAMS_FILE,
  Manifest,
  load_weights,
  read_manifest,
  save_weights,
)
from scenetok_jax.configs import scenetok_dl3dv_wan, scenetok_re10k
from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.model import build, init_stage1
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parity.codec_fields import codec_fields
from scenetok_jax.types import InputError, Posterior
from tests.networks import normals, quick_jit

# The authors' names of a two-level VA-VAE of a few thousand parameters.
REDUCED = {
  "ch": 8,
  "ch_mult": [1, 2],
  "num_res_blocks": 1,
  "attn_resolutions": [128],
  "norm_num_groups": 4,
  "z_channels": 32,
}
FIELDS = {
  "width": 8,
  "multipliers": (1, 2),
  "blocks": 1,
  "attention": (1,),
  "groups": 4,
  "latent_channels": 32,
}


@pytest.fixture(scope="module")
def params():
  shapes = va_vae.network(**FIELDS).shapes()
  leaves, tree = jax.tree.flatten(shapes)
  return tree.unflatten(
    [0.1 * normals(i, *leaf.shape) for i, leaf in enumerate(leaves)]
  )


@pytest.fixture
def folder(params, tmp_path):
  save_weights(tmp_path / "codec", Manifest("va_vae", FIELDS), params)
  return tmp_path / "codec"


@pytest.mark.parametrize(
  ("name", "grid", "channels", "frames", "latents"),
  [
    ("va_vae", (16, 16), 32, 7, 7),
    ("video_dc_ae", (8, 8), 128, 34, 8),
    ("wan_vae", (16, 16), 48, 40, 10),
  ],
)
def test_geometry_needs_no_weights(name, grid, channels, frames, latents):
  codec = get_codec(name)
  assert codec.grid(256) == grid
  assert codec.channels == channels == len(published(name).scaling.std) or (
    name == "video_dc_ae"
  )
  assert codec.latents(frames) == latents
  assert codec.latents(codec.frames(latents)) == latents
  assert codec.params == {}


@pytest.mark.parametrize("config", [scenetok_re10k, scenetok_dl3dv_wan])
def test_published_configurations_build_without_weights(config):
  model = build(config.get_config(""))
  key = jax.random.key(0)
  shapes = jax.eval_shape(lambda key: init_stage1(model, key), key)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) > 7e8


@pytest.mark.parametrize("name", published_names())
def test_running_without_weights_says_where_they_come_from(name):
  codec = get_codec(name)
  file = published(name).file
  with pytest.raises(InputError, match=f"convert --codec {name} .*{file}"):
    codec.encode(codec.params, np.zeros((1, 17, 64, 64, 3)), None)
  with pytest.raises(InputError, match=r"codecs\.context\.weights"):
    codec.decode(codec.params, np.zeros((1, 5, 2, 2, codec.channels)))


def test_scaling_inverts():
  for entry in map(published, published_names()):
    latents = normals(0, 2, 3, entry.channels)
    scaled = entry.scaling.normalize(latents)
    np.testing.assert_allclose(
      entry.scaling.restore(scaled), latents, atol=1e-5
    )


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"name": "vavae"}, "is not one of block_dct, lapped_dct, va_vae"),
    ({"name": "va_vae", "channels": 16}, "channels: 16 is not the va_vae"),
    ({"name": "wan_vae", "chunked": False}, "chunked: False is not the wan"),
    ({"name": "va_vae", "dtype": "float16"}, "dtype: 'float16' is not"),
    ({"name": "block_dct"}, "needs the fields spatial and channels"),
    (
      {"name": "va_vae", "weights": "nowhere"},
      "nowhere/config.json: .*No such",
    ),
  ],
)
def test_bad_fields_are_refused(options, message):
  with pytest.raises(InputError, match=message):
    get_codec(**options)


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_returns_what_was_saved(params, tmp_path, form):
  given = Manifest("va_vae", FIELDS, "x.pt", "abc")
  save_weights(tmp_path / "codec", given, params, form=form)
  found = read_manifest(tmp_path / "codec")
  assert found.sha256 == "abc"
  shapes = va_vae.network(**FIELDS).shapes()
  jax.tree.map(
    np.testing.assert_array_equal,
    load_weights(tmp_path / "codec", shapes),
    params,
  )
  with pytest.raises(InputError, match="exists; delete it"):
    save_weights(tmp_path / "codec", given, params)


@pytest.mark.parametrize("form", FORMATS)
def test_weights_that_are_not_finite_are_refused(tmp_path, form):
  spoilt = {"a": {"kernel": np.array([1.0, np.nan], np.float32)}}
  save_weights(tmp_path / "codec", Manifest("va_vae"), spoilt, form=form)
  told = r"1 of 1 parameters are not finite \(a/kernel"
  with pytest.raises(InputError, match=told):
    load_weights(tmp_path / "codec", spoilt)


def test_the_folder_s_fields_make_the_network(folder):
  codec = get_codec("va_vae", weights=str(folder))
  assert codec.params["encoder"]["embed"]["kernel"].shape == (3, 3, 3, 8)


def test_another_codec_s_folder_is_refused(folder):
  with pytest.raises(InputError, match=r"holds va_vae, .* names wan_vae"):
    get_codec("wan_vae", weights=str(folder))


def test_other_sizes_than_the_file_s_are_refused(folder):
  path = folder / "config.json"
  config = json.loads(path.read_text())
  config["fields"]["width"] = 16
  path.write_text(json.dumps(config))
  codec = get_codec("va_vae", weights=str(folder))
  with pytest.raises(InputError, match=r"148 of another shape .*decoder/embed"):
    codec.params  # noqa: B018


def test_a_cut_off_folder_is_refused(folder):
  path = folder / PARAMS_FILE
  path.write_bytes(path.read_bytes()[:1000])
  codec = get_codec("va_vae", weights=str(folder))
  with pytest.raises(InputError, match="not a whole safetensors file"):
    codec.params  # noqa: B018
  path.unlink()
  with pytest.raises(InputError, match=f"neither {PARAMS_FILE} nor params"):
    load_weights(folder, {})


def test_a_folder_without_a_codec_is_refused(tmp_path):
  (tmp_path / "config.json").write_text('{"seed": 0}')
  with pytest.raises(InputError, match="does not describe a codec"):
    read_manifest(tmp_path)


@pytest.fixture
def published_file(folder, tmp_path):
  """A file under the authors' names."""
  export_codec(folder, tmp_path / "authors.safetensors")
  return tmp_path / "authors.safetensors"


def test_the_authors_file_converts_and_exports(
  params, published_file, tmp_path
):
  found = convert_codec(
    "va_vae", published_file, tmp_path / "out", fields=FIELDS
  )
  assert found.fields == FIELDS == codec_fields("va_vae", REDUCED)
  assert len(found.sha256) == 64
  again = load_codec("va_vae", published_file, FIELDS)
  jax.tree.map(np.testing.assert_array_equal, again, params)
  export_codec(tmp_path / "out", tmp_path / "again.safetensors")
  one, two = (
    read_tensors(path)
    for path in (published_file, tmp_path / "again.safetensors")
  )
  assert set(one) == set(two)
  for name in one:
    np.testing.assert_array_equal(one[name], two[name])


def _rewrite(path, edit):
  from safetensors.numpy import save_file

  tensors = edit({**read_tensors(path)})
  save_file(tensors, path)


def _drop(tensors):
  del tensors["encoder.conv_in.bias"]
  return tensors


def _add_training(tensors):
  return tensors | {"loss.logvar": np.zeros(1, np.float32)}


def _add_unknown(tensors):
  return tensors | {"encoder.extra.weight": np.zeros(1, np.float32)}


def _break(tensors):
  tensors["quant_conv.bias"][0] = np.nan
  return tensors


def test_training_tensors_of_the_file_are_ignored(published_file, params):
  _rewrite(published_file, _add_training)
  found = load_codec("va_vae", published_file, FIELDS)
  jax.tree.map(np.testing.assert_array_equal, found, params)


@pytest.mark.parametrize(
  ("edit", "message"),
  [
    (_drop, r"1 missing \(encoder.conv_in.bias\)"),
    (_add_unknown, r"1 of unknown name \(encoder.extra.weight\)"),
    (_break, r"1 not finite \(quant_conv.bias\)"),
  ],
)
def test_a_damaged_file_names_its_tensors(published_file, edit, message):
  _rewrite(published_file, edit)
  with pytest.raises(InputError, match=message):
    load_codec("va_vae", published_file, FIELDS)


def test_the_wrong_file_says_which_to_give(published_file):
  """One line, not a list of hundreds of names."""
  with pytest.raises(InputError, match="not the video_dc_ae codec: 0 of"):
    load_codec("video_dc_ae", published_file)
  with pytest.raises(InputError, match="120 of its 342 tensors are there"):
    load_codec("va_vae", published_file)


def shift_network() -> Network:
  """Latents are the mean colour of 16 x 16 pixels, in 32 channels."""

  def encode(params, images):
    small = images[:, :, ::16, ::16, :1] * params["gain"]
    mean = jnp.repeat(small, 32, axis=-1)
    return Posterior(mean, jnp.zeros_like(mean))

  def decode(params, latents):
    image = latents[..., :3] / params["gain"]
    return jnp.repeat(jnp.repeat(image, 16, axis=2), 16, axis=3)

  return Network(lambda key: {"gain": jnp.ones(())}, encode, decode)


@pytest.fixture
def toy(monkeypatch):
  """The VA-VAE's grouping, scaling and clipping around a toy network."""
  monkeypatch.setattr(va_vae, "network", lambda **_: shift_network())
  params = {"gain": jnp.full((), 2.0)}

  def make(**options):
    return dataclasses.replace(
      get_codec("va_vae", **options), load=lambda: params
    )

  return make


def test_results_do_not_depend_on_the_frames_at_once(toy):
  images = np.random.default_rng(0).uniform(size=(2, 5, 32, 16, 3))
  key = jax.random.key(1)

  @quick_jit
  def run(params):
    found = []
    for codec in (toy(frames_at_once=100), toy(frames_at_once=3)):
      latents = codec.encode(params, images, key)
      found.append((latents, codec.decode(params, latents)))
    return found

  whole, parts = run(toy().params)
  assert whole[0].shape == (2, 5, 2, 1, 32)
  for expected, found in zip(whole, parts, strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_only_a_key_draws_and_images_stay_in_range(toy):
  codec = toy()
  images = np.full((1, 1, 16, 16, 3), 0.75, np.float32)

  @quick_jit
  def run(params):
    return (
      codec.encode(params, images, None),
      codec.encode(params, images, jax.random.key(0)),
      codec.round_trip(images, params),
      codec.round_trip(4 * images, params),
    )

  latents, drawn, again, clipped = run(codec.params)
  expected = codec.scaling.normalize(np.ones((1, 1, 1, 1, 32)))  # 2 * 0.5
  np.testing.assert_allclose(latents, expected, rtol=1e-5)
  spread = np.asarray(drawn - latents) * codec.scaling.std
  assert 0.5 < np.std(spread) < 1.5
  np.testing.assert_allclose(again, images, atol=1e-5)
  np.testing.assert_array_equal(clipped, np.ones_like(images))


def test_clips_are_spread_over_the_mesh():
  """A device never holds more than it was told to, and nothing changes."""
  clips = normals(0, 23, 4)
  sizes = []

  def function(part):
    sizes.append(part.shape[0])
    return {"double": 2 * part, "sum": part.sum(-1)}

  with jax.set_mesh(make_mesh({"data": 4, "fsdp": 2})):
    found = jax.jit(lambda x: map_clips(function, x, 1))(clips)
  assert sizes == [8]  # one on each of 8 devices
  np.testing.assert_allclose(found["double"], 2 * clips, rtol=1e-6)
  np.testing.assert_allclose(found["sum"], clips.sum(-1), atol=1e-5)


@pytest.mark.parametrize(
  ("name", "shape", "message"),
  [
    ("va_vae", (1, 2, 40, 32, 3), "40 x 32 pixels .* factor 16"),
    ("video_dc_ae", (1, 8, 48, 64, 3), "48 x 64 pixels .* factor 32"),
    ("video_dc_ae", (1, 10, 64, 64, 3), "10 frames .* groups of 4, .* give 8"),
    ("wan_vae", (1, 16, 32, 32, 3), "16 frames .* groups of 17, .* give 17"),
  ],
)
def test_images_that_do_not_fit_are_refused(name, shape, message):
  codec = get_codec(name)
  with pytest.raises(InputError, match=message):
    codec.encode({"any": np.zeros(1)}, np.zeros(shape, np.float32), None)


def test_latents_that_fill_no_chunks_are_refused():
  codec = get_codec("wan_vae")
  with pytest.raises(InputError, match="7 latents do not fill chunks of 5"):
    codec.decode({"any": np.zeros(1)}, np.zeros((1, 7, 2, 2, 48)))


def test_wan_clips_of_17_frames_do_not_see_each_other(monkeypatch):
  """Grouping is the codec's: the network gets one clip a row."""
  seen = []

  def encode(params, images):
    seen.append(images.shape)
    latents = jnp.zeros((len(images), 5, 1, 1, 48)) + images[:, :1, :1, :1, :1]
    return Posterior(latents)

  entry = published("wan_vae")
  codec = api.network_codec(
    "wan_vae",
    entry,
    lambda: Network(lambda key: {}, encode, lambda params, x: x),
    None,
    17,
  )
  images = np.zeros((1, 34, 16, 16, 3), np.float32)
  images[:, 17:] = 1.0
  run = quick_jit(lambda x: codec.encode({"any": x}, images, None))
  latents = codec.scaling.restore(np.asarray(run(np.zeros(1))))
  assert seen == [(1, 17, 16, 16, 3)]
  np.testing.assert_allclose(latents[0, :5], -1.0, atol=1e-6)
  np.testing.assert_allclose(latents[0, 5:], 1.0, atol=1e-6)

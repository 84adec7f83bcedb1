"""A codec added as a module and a line codes, converts, exports."""

import jax
import numpy as np
import pytest

from scenetok_jax.codecs.api import get_codec
from scenetok_jax.codecs.convert import (
  codec_network,
  convert_codec,
  export_codec,
)
from scenetok_jax.codecs.registry import CODECS, published_names
from scenetok_jax.codecs.weights import Manifest, save_weights
from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.types import InputError
from tests.codecs import tiny_codec
from tests.networks import normals


@pytest.fixture(autouse=True)
def entry(monkeypatch):
  monkeypatch.setitem(CODECS, "tiny", tiny_codec)


@pytest.fixture
def authors(tmp_path):
  """The published file, under the authors' names."""
  params = codec_network("tiny").init(jax.random.key(0))
  save_weights(tmp_path / "made", Manifest("tiny"), params)
  export_codec(tmp_path / "made", tmp_path / tiny_codec.PUBLISHED.file)
  return tmp_path / tiny_codec.PUBLISHED.file


def test_it_is_listed():
  assert published_names() == ["tiny", "va_vae", "video_dc_ae", "wan_vae"]


def test_it_codes_videos(authors, tmp_path):
  convert_codec("tiny", authors, tmp_path / "codec")
  codec = get_codec("tiny", weights=str(tmp_path / "codec"))
  images = np.clip(0.5 + 0.2 * normals(1, 1, 6, 8, 12, 3), 0, 1)
  latents = codec.encode(codec.params, images, None)
  assert latents.shape == (1, codec.latents(6), 2, 3, codec.channels)
  # Orthonormal in [-1, 1], then the published mean and deviation.
  energy = np.sum((2.0 * np.asarray(latents) + 0.5) ** 2)
  np.testing.assert_allclose(energy, np.sum((2 * images - 1) ** 2), rtol=1e-4)
  np.testing.assert_allclose(codec.round_trip(images), images, atol=1e-5)
  with pytest.raises(InputError, match="5 frames does not fill groups of 2"):
    codec.encode(codec.params, images[:, :5], None)


def test_its_file_converts_and_exports(authors, tmp_path):
  convert_codec("tiny", authors, tmp_path / "codec")
  export_codec(tmp_path / "codec", tmp_path / "again.safetensors")
  one, two = (
    read_tensors(path) for path in (authors, tmp_path / "again.safetensors")
  )
  assert sorted(one) == sorted(two) == ["decode.weight", "encode.weight"]
  for name in one:
    np.testing.assert_array_equal(one[name], two[name])


def test_smaller_sizes_are_stored_with_the_weights(tmp_path):
  params = codec_network("tiny", {"channels": 8}).init(jax.random.key(0))
  save_weights(tmp_path / "made", Manifest("tiny", {"channels": 8}), params)
  export_codec(tmp_path / "made", tmp_path / "small.safetensors")
  found = convert_codec(
    "tiny",
    tmp_path / "small.safetensors",
    tmp_path / "out",
    fields={"channels": 8},
  )
  assert found.fields == {"channels": 8}
  codec = get_codec("tiny", weights=str(tmp_path / "out"))
  assert codec.params["decoder"]["kernel"].shape == (8, 96)


def test_without_weights_it_says_where_they_come_from():
  codec = get_codec("tiny")
  with pytest.raises(InputError, match=r"--codec tiny .*nowhere.org.tiny"):
    codec.encode(codec.params, np.zeros((1, 2, 8, 8, 3)), None)

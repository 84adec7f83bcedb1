"""Index maps between frames and latents."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from scenetok_jax.geometry import latent_frames as maps
from scenetok_jax.types import InputError
from tests.goldens import load_case


@hypothesis.given(latent=st.integers(0, 500), chunked=st.booleans())
def test_every_frame_of_a_latent_maps_back_to_it(latent, chunked):
  first, end = maps.frame_span(latent, latent + 1, 4, chunked)
  assert end - first == (1 if chunked and latent % 5 == 0 else 4)
  frames = np.arange(first, end)
  assert (maps.frame_to_latent(frames, 4, chunked) == latent).all()


@hypothesis.given(groups=st.integers(1, 30), chunked=st.booleans())
def test_counts_of_frames_and_latents_are_inverse(groups, chunked):
  latents = groups * (5 if chunked else 1)
  frames = maps.num_frames(latents, 4, chunked)
  assert maps.num_latents(frames, 4, chunked) == latents
  assert maps.num_latents(frames + 3, 4, chunked) == latents
  assert maps.frame_span(0, latents, 4, chunked) == (0, frames)


def test_one_frame_per_latent_is_the_identity():
  index = np.arange(40)
  for chunked in (False, True):
    np.testing.assert_array_equal(
      maps.latent_to_frame(index, 1, chunked), index
    )
    np.testing.assert_array_equal(
      maps.frame_to_latent(index, 1, chunked), index
    )


def test_partial_chunks_are_refused():
  with pytest.raises(InputError, match="multiple"):
    maps.num_frames(7, 4, chunked=True)


def test_matches_release_index_maps():
  case = load_case("geometry")
  for i, (t, gap, offset) in enumerate(case.config["index_maps"]):
    latents = maps.latent_to_frame(
      np.arange(case.config["max_latent"]),
      t,
      True,
      chunk_latents=gap,
      offset=offset,
    )
    np.testing.assert_array_equal(
      latents, case.outputs[f"latent_to_original_{i}"]
    )
    frames = maps.frame_to_latent(
      np.arange(case.config["max_frame"]), t, True, chunk_latents=gap
    )
    np.testing.assert_array_equal(
      frames, case.outputs[f"original_to_latent_{i}"]
    )


def test_matches_release_frames_of_a_window():
  case = load_case("geometry")
  for i, run in enumerate(case.config["denoise_masks"]):
    expected = case.outputs[f"denoise_mask_{i}"]
    first, end = maps.frame_span(
      run["start"],
      run["end"],
      run["temporal_downsample"],
      run["autoencoder"] == "wan",
    )
    frames = np.arange(len(expected))
    np.testing.assert_array_equal((frames >= first) & (frames < end), expected)

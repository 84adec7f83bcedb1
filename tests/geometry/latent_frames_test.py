"""Index maps between frames and latents, and rays grouped by them."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import InputError
from tests.goldens import load_case


@hypothesis.given(latent=st.integers(0, 500), chunked=st.booleans())
def test_every_frame_of_a_latent_maps_back_to_it(latent, chunked):
  maps = Grouping(4, chunked)
  first, end = maps.span(latent, latent + 1)
  assert end - first == (1 if chunked and latent % 5 == 0 else 4)
  frames = np.arange(first, end)
  assert (maps.frame_to_latent(frames) == latent).all()


@hypothesis.given(groups=st.integers(1, 30), chunked=st.booleans())
def test_counts_of_frames_and_latents_are_inverse(groups, chunked):
  maps = Grouping(4, chunked)
  latents = groups * maps.unit_latents
  frames = maps.frames(latents)
  assert maps.latents(frames) == latents
  assert maps.latents(frames + 3) == latents
  assert maps.span(0, latents) == (0, frames)


def test_one_frame_per_latent_is_the_identity():
  index = np.arange(40)
  for chunked in (False, True):
    maps = Grouping(1, chunked)
    np.testing.assert_array_equal(maps.latent_to_frame(index), index)
    np.testing.assert_array_equal(maps.frame_to_latent(index), index)


def test_frames_of_a_latent_are_shared_out_in_order():
  np.testing.assert_array_equal(
    Grouping(4).shares(2, 8),
    [[0, 0, 1, 1, 2, 2, 3, 3], [4, 4, 5, 5, 6, 6, 7, 7]],
  )
  np.testing.assert_array_equal(
    Grouping(4, True).shares(6, 2),
    [[0, 0], [1, 3], [5, 7], [9, 11], [13, 15], [17, 17]],
  )


def test_partial_chunks_are_refused():
  with pytest.raises(InputError, match="multiple"):
    Grouping(4, chunked=True).frames(7)


def test_matches_release_index_maps():
  """Those of Wan's own grouping; others that no caller gives: parity."""
  case = load_case("geometry")
  for i, (t, gap, _) in enumerate(case.config["index_maps"]):
    maps = Grouping(t, chunked=True)
    if t > 1 and gap != maps.unit_latents:
      continue
    np.testing.assert_array_equal(
      maps.latent_to_frame(np.arange(case.config["max_latent"])),
      case.outputs[f"latent_to_original_{i}"],
    )
    np.testing.assert_array_equal(
      maps.frame_to_latent(np.arange(case.config["max_frame"])),
      case.outputs[f"original_to_latent_{i}"],
    )


def test_matches_release_frames_of_a_window():
  case = load_case("geometry")
  for i, run in enumerate(case.config["denoise_masks"]):
    expected = case.outputs[f"denoise_mask_{i}"]
    chunked = run["autoencoder"] == "wan"
    grouping = Grouping(run["temporal_downsample"], chunked)
    first, end = grouping.span(run["start"], run["end"])
    frames = np.arange(len(expected))
    np.testing.assert_array_equal((frames >= first) & (frames < end), expected)


def _numbered(frames: int) -> np.ndarray:
  """A map [1 T 1 1 2] that holds (frame + 1, -(frame + 1))."""
  number = np.arange(1, frames + 1, dtype=np.float32)
  return np.stack([number, -number], -1)[None, :, None, None]


def test_plain_groups_keep_frame_major_channels():
  grouped = np.asarray(Grouping(4).group(_numbered(8)))
  assert grouped.shape == (1, 2, 1, 1, 8)
  np.testing.assert_array_equal(
    grouped[0, 1, 0, 0], [5, -5, 6, -6, 7, -7, 8, -8]
  )


def test_chunked_groups_pad_after_the_first_frame_of_each_chunk():
  grouped = np.asarray(Grouping(4, chunked=True).group(_numbered(34)))
  assert grouped.shape == (1, 10, 1, 1, 8)
  frames = grouped[0, :, 0, 0, ::2]
  np.testing.assert_array_equal(frames[0], [1, 0, 0, 0])
  np.testing.assert_array_equal(frames[1], [2, 3, 4, 5])
  np.testing.assert_array_equal(frames[4], [14, 15, 16, 17])
  np.testing.assert_array_equal(frames[5], [18, 0, 0, 0])
  np.testing.assert_array_equal(frames[9], [31, 32, 33, 34])


@pytest.mark.parametrize("t", [1, 2, 3, 4, 5, 6, 8, 12, 16, 17, 20, 32])
@pytest.mark.parametrize("chunked", [False, True])
def test_groups_agree_with_the_index_map(chunked, t):
  """Whatever t is a chunk is 17 frames, and latents may span two."""
  maps = Grouping(t, chunked)
  frames = 2 * maps.unit_frames
  assert not chunked or frames % 17 == 0
  grouped = np.asarray(maps.group(_numbered(frames)))[0, :, 0, 0, ::2]
  latents = 2 * maps.unit_latents
  assert len(grouped) == latents == maps.latents(frames)
  assert maps.frames(latents) == frames
  # An empty frame holds 0: a latent's first frame is the first other number.
  first = [row[row > 0][0] - 1 for row in grouped]
  np.testing.assert_array_equal(maps.latent_to_frame(np.arange(latents)), first)
  owner = np.nonzero(grouped)[0]
  np.testing.assert_array_equal(maps.frame_to_latent(np.arange(frames)), owner)


def test_matches_the_release_s_groups_of_other_factors():
  case = load_case("rays_wan_other_t")
  for run in case.config["runs"]:
    given = case.run(run["prefix"])
    maps = Grouping(run["temporal_downsample"], run["using_wan"])
    frames = given["extrinsics"].shape[1]
    expected = case.outputs[f"{run['prefix']}encoding"]
    assert maps.latents(frames) == expected.shape[1]
    # Rays of one direction, so that only empty frames hold zeros.
    ones = np.ones((1, frames, 1, 1, 6), np.float32)
    empty = np.asarray(maps.group(ones))[0, :, 0, 0] == 0
    np.testing.assert_array_equal(empty, (expected[0] == 0).all((-1, -2)))


@pytest.mark.parametrize(
  "frames, chunked", [(6, False), (16, True), (20, True), (0, False)]
)
def test_frames_that_fill_no_group_are_refused(frames, chunked):
  with pytest.raises(InputError, match="multiple"):
    Grouping(4, chunked).group(_numbered(frames))

"""Windows that keep no finished latents never mix noise levels."""

import numpy as np
import pytest

from scenetok_jax.model import identity_cameras
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.render import (
  fill_windows,
  render_schedule,
  whole_windows,
)
from tests.sampling.models import tiny

OPTIONS = RenderOptions(steps=3, window=6, overlap=0)


@pytest.mark.parametrize("latents", [6, 7, 11, 12, 43])
def test_a_window_has_one_level_at_every_step(latents):
  plan = render_schedule(OPTIONS, whole_windows(OPTIONS, latents))
  for start, levels in zip(plan.starts, plan.levels, strict=True):
    assert len(np.unique(levels[start : start + plan.size])) == 1


def test_windows_that_overlap_are_left_as_they_are():
  assert whole_windows(RenderOptions(window=8, overlap=4), 43) == 43


def test_the_last_camera_fills_the_last_window():
  model = tiny()[0]
  frames = model.target_codec.frames(7)
  cameras = identity_cameras(1, frames)
  place = cameras.extrinsics.at[0, :, 0, 3].set(np.arange(frames))
  cameras = cameras.replace(extrinsics=place)
  filled = fill_windows(model, OPTIONS, cameras)
  assert filled.extrinsics.shape[1] == model.target_codec.frames(12)
  np.testing.assert_array_equal(
    filled.extrinsics[0, frames:, 0, 3], np.float32(frames - 1)
  )

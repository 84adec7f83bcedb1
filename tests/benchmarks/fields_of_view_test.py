"""benchmarks/fields_of_view.py: what cameras of longer focal lengths see."""

import numpy as np
import pytest

from benchmarks import fields_of_view
from data_pipelines.rooms import render_clip


@pytest.mark.parametrize("zoom", [1.0, 1.55, 2.0])
def test_a_camera_still_sees_what_its_picture_shows(zoom):
  seen = fields_of_view.views(0, zoom, side=32, count=5)
  fine = round(32 * zoom)
  whole = render_clip(90_001, 0, 24, fine)
  first = (fine - 32) // 2
  # The same corner of the picture by the cut's camera and by the whole one's.
  corner = np.array([0.0, 0.0, 1.0])
  ray = np.linalg.solve(seen.target.cameras.intrinsics[0], corner)
  place = whole.cameras.intrinsics[0] @ ray
  np.testing.assert_allclose(place[:2], first / fine, atol=1e-5)
  frame = [
    k
    for k, pose in enumerate(whole.cameras.extrinsics)
    if np.array_equal(pose, seen.target.cameras.extrinsics[0])
  ]
  cut = whole.images[frame[0], first : first + 32, first : first + 32]
  np.testing.assert_array_equal(seen.target.images[0], cut)


def test_what_is_rendered_was_not_given():
  seen = fields_of_view.views(1, 2.0, side=32, count=5)
  given, asked = (v.cameras.extrinsics for v in seen)
  assert len(given) == 5 and len(asked) == 19
  assert not any(np.array_equal(a, b) for a in given for b in asked)

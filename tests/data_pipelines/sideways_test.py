"""Paths moved sideways keep their views and keep clear."""

import numpy as np
import pytest

from data_pipelines.sideways import shift_sideways


def path(frames=5):
  """Along +y, looking along +y: right is +x."""
  c2w = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
  c2w[:, :3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
  c2w[:, 1, 3] = np.linspace(0, 2, frames)
  return c2w


def corridor(left, right):
  """Walls at x = -left and x = right."""
  return lambda at: np.minimum(at[..., 0] + left, right - at[..., 0])


@pytest.mark.parametrize(
  "walls, x",
  [
    ((9.0, 9.0), 0.4),  # as far as asked for
    ((9.0, 0.3), -0.4),  # the other side has more room
    ((0.1, 0.42), 0.3),  # as far as there is room
    ((0.12, 0.12), 0.0),  # nowhere
  ],
)
def test_the_side_with_more_room_is_taken(walls, x):
  moved = shift_sideways(path(), 0.4, corridor(*walls), least=0.1)
  np.testing.assert_allclose(moved[:, 0, 3], x, atol=1e-6)
  np.testing.assert_array_equal(moved[:, 1:3, 3], path()[:, 1:3, 3])
  np.testing.assert_array_equal(moved[:, :3, :3], path()[:, :3, :3])


def test_no_distance_leaves_the_path_as_it_is():
  np.testing.assert_array_equal(
    shift_sideways(path(), 0.0, corridor(0, 0), least=0.1), path()
  )

"""Epipolar lines are drawn inside their picture."""

import numpy as np

from data_pipelines.inspection.pictures import clip_line


def test_lines_are_cut_at_the_edges_of_the_image():
  assert clip_line(np.array([0, 1, -30.0]), (90, 160)) == ((0, 30), (160, 30))
  assert clip_line(np.array([1, 0, -20.0]), (90, 160)) == ((20, 0), (20, 90))
  assert clip_line(np.array([1, -1, 0.0]), (90, 160)) == ((0, 0), (90, 90))
  assert clip_line(np.array([1, 1, 5.0]), (90, 160)) is None
  assert clip_line(np.zeros(3), (90, 160)) is None

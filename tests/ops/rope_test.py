"""Rotations keep lengths and make attention depend on distance alone."""

import numpy as np
import pytest

from scenetok_jax.ops.rope import angles_2d, angles_3d, pairs_3d, rotate
from tests.networks import normals


@pytest.mark.parametrize(
  ("head_dim", "pairs"), [(64, (10, 11, 11)), (24, (4, 4, 4)), (16, (2, 3, 3))]
)
def test_channel_pairs_fill_the_head(head_dim, pairs):
  assert pairs_3d(head_dim) == pairs
  assert sum(pairs) == head_dim // 2


def test_tables_number_tokens_row_by_row():
  table = angles_2d(3, 8)
  assert table.shape == (9, 4)
  np.testing.assert_allclose(table[5, 0], 1)  # row of token 5
  np.testing.assert_allclose(table[5, 2], 2)  # its column
  table = angles_3d(2, 3, 4, 12)
  assert table.shape == (24, 6)
  np.testing.assert_allclose(table[23, [0, 2, 4]], [1, 2, 3])


def test_rotation_keeps_lengths():
  x = normals(0, 2, 9, 2, 8)
  rotated = rotate(x, angles_2d(3, 8))
  np.testing.assert_allclose(
    np.linalg.norm(rotated, axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-5
  )


def test_products_depend_on_the_distance_alone():
  query = np.broadcast_to(normals(0, 1, 1, 1, 8), (1, 9, 1, 8))
  key = np.broadcast_to(normals(1, 1, 1, 1, 8), (1, 9, 1, 8))
  angles = angles_2d(3, 8)
  query, key = rotate(query, angles), rotate(key, angles)
  products = np.einsum("blhd,bmhd->lm", query, key)
  # Tokens 0 -> 4 and 4 -> 8 are both one row down and one column right.
  np.testing.assert_allclose(products[0, 4], products[4, 8], rtol=1e-4)

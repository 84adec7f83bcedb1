"""Tiles: they cover everything, fade linearly, and blend in order."""

import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.codecs.tiling import (
  Axis,
  blend,
  join_time,
  map_tiles,
  tile_space,
  tile_time,
)
from scenetok_jax.types import InputError
from tests.networks import normals, quick_jit


@pytest.mark.parametrize(("length", "overlap"), [(32, 0.25), (13, 0.5), (9, 0)])
def test_tiles_of_an_identity_restore_the_video(length, overlap):
  axis = Axis.of(8, 8, overlap)
  x = normals(0, 2, length, 4, 4, 3)
  found = quick_jit(lambda x: tile_time(lambda t: t, x, axis))(x)
  np.testing.assert_allclose(found, x, atol=1e-6)


@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_tiles_of_an_identity_restore_the_image(overlap):
  axis = Axis.of(8, 8, overlap)
  x = normals(0, 1, 2, 20, 28, 3)
  found = quick_jit(lambda x: tile_space(lambda t: t, x, axis))(x)
  np.testing.assert_allclose(found, x, atol=1e-6)


def test_blending_fades_linearly_from_the_one_to_the_other():
  before, after = jnp.zeros((1, 6, 1, 1, 1)), jnp.ones((1, 5, 1, 1, 1))
  found = np.asarray(blend(before, after, 4, 1))[0, :, 0, 0, 0]
  np.testing.assert_allclose(found, [0, 0.25, 0.5, 0.75, 1])


def test_a_tile_blends_with_its_blended_neighbour():
  """In-place order: with an overlap over half, a third tile sees the first."""
  axis = Axis.of(4, 4, 0.75)
  tiles = [jnp.full((1, 4, 1, 1, 1), v) for v in (1.0, 0.0, 0.0)]
  joined = jnp.concatenate(list(join_time(tiles, axis)), axis=1)[0, :, 0, 0, 0]
  second = [1.0, 2 / 3, 1 / 3, 0.0]  # faded from the first tile
  third = [second[1], second[2] * 2 / 3, 0.0, 0.0]
  np.testing.assert_allclose(joined, [1.0, second[0], third[0]], atol=1e-6)


def test_tiles_of_one_shape_are_computed_by_one_program():
  seen = []

  def double(x):
    seen.append(x.shape)
    return 2 * x

  tiles = [normals(i, 1, n, 1, 1, 3) for i, n in enumerate((4, 4, 4, 2))]
  found = map_tiles(double, tiles)
  assert seen == [(1, 4, 1, 1, 3), (1, 2, 1, 1, 3)]
  for tile, out in zip(tiles, found, strict=True):
    np.testing.assert_array_equal(out, 2 * tile)


def test_an_overlap_without_step_is_refused():
  for tile, overlap in ((8, 1), (8, -0.5), (2, 0.75)):
    with pytest.raises(InputError, match=f"no step between tiles of {tile}"):
      Axis.of(tile, tile, overlap)

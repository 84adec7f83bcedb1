"""OBJ models out of an archive: places, materials and textures survive."""

import numpy as np
import pytest

from data_pipelines.furnished import models
from data_pipelines.furnished.assets import (
  Assets,
  Piece,
  read_patterns,
  read_pieces,
)
from scenetok_jax.types import InputError
from tests.data_pipelines.furnished.libraries import (
  CATALOGUE,
  OBJ,
  TEXTURES,
  write_model,
  write_textures,
)

pytest.importorskip("trimesh", reason="extra `rooms`")


def test_a_model_stands_upright_in_metres_with_its_materials(tmp_path):
  piece = write_model(tmp_path / "one.sh3f")
  model = models.load(piece, tmp_path / "cache")
  np.testing.assert_allclose(model.points.min(0), [-0.2, 0, 0], atol=1e-6)
  np.testing.assert_allclose(model.points.max(0), [0.2, 0.2, 0.1], atol=1e-6)
  # Three quads as two triangles each: glass is left out.
  assert model.faces.shape == (6, 3)
  corner = model.faces[:, 0]
  top = np.isclose(model.points[model.faces][..., 2], 0.1).all(1)
  np.testing.assert_array_equal(model.layers[corner], np.where(top, 0, -1))
  assert model.textures.shape == (1, 128, 128, 4)
  np.testing.assert_array_equal(model.textures[0, 5, 5], [10, 200, 30, 255])
  found = {tuple(np.round(c.tolist(), 3)) for c in model.colors[corner]}
  assert found == {(0.8, 0.1, 0.1), (1.0, 1.0, 1.0), (0.8, 0.8, 0.8)}
  assert {(0, 0), (1, 1)} <= {tuple(uv) for uv in model.uv[model.layers == 0]}
  again = models.load(piece, tmp_path / "cache")
  np.testing.assert_array_equal(again.points, model.points)


def test_long_edges_are_halved_for_the_light_between(tmp_path):
  piece = write_model(tmp_path / "one.sh3f")
  large = Piece(**{**vars(piece), "size": (2.0, 1.0, 0.4)})
  model = models.load(large, tmp_path / "cache")
  corners = model.points[model.faces]
  edges = np.linalg.norm(np.roll(corners, -1, 1) - corners, axis=2)
  assert edges.max() <= 0.45 and len(model.faces) > 6


def test_a_damaged_model_is_named(tmp_path):
  piece = write_model(tmp_path / "one.sh3f", "v 0 0 0\n")
  with pytest.raises(InputError, match=r"one.sh3f: a/box.obj: unreadable"):
    models.load(piece, tmp_path / "cache")


def test_a_damaged_cached_model_is_made_again(tmp_path):
  piece, cache = write_model(tmp_path / "one.sh3f"), tmp_path / "cache"
  model = models.load(piece, cache)
  (file,) = cache.rglob("*.npz")
  good = file.read_bytes()
  for damage in (good[:100], b"", good[:-30] + b"\0" * 30):
    file.write_bytes(damage)
    again = models.load(piece, cache)
    np.testing.assert_array_equal(again.points, model.points)
    assert len(file.read_bytes()) == len(good)


@pytest.mark.parametrize("number", ["nan", "1e39", "inf"])
def test_numbers_that_are_none_are_told(tmp_path, number):
  text = OBJ.replace("v 2 0 4", f"v 2 {number} 4")
  piece = write_model(tmp_path / "one.sh3f", text)
  with pytest.raises(InputError, match=r"box.obj: unreadable \(a number in it"):
    models.load(piece, tmp_path / "cache")


def test_a_texture_repeated_out_of_any_use_is_its_corner(tmp_path):
  text = OBJ.replace("vt 1 1", "vt 3443870976 1")
  model = models.load(write_model(tmp_path / "one.sh3f", text), tmp_path)
  assert {(0, 1)} <= {tuple(uv) for uv in model.uv[model.layers == 0]}
  assert np.abs(model.uv).max() == 1


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_coordinates_of_a_texture_are_numbers(tmp_path, number):
  text = OBJ.replace("vt 1 1", f"vt {number} 1")
  with pytest.raises(InputError, match=r"box.obj: unreadable \(a number in it"):
    models.load(write_model(tmp_path / "one.sh3f", text), tmp_path)


def test_a_catalogue_has_sizes(tmp_path):
  library, jar = tmp_path / "one.sh3f", tmp_path / "sweethome3d.jar"
  write_model(library)
  write_textures(jar)
  assets = Assets((library,), jar, None, tmp_path)
  (piece,), (pattern,) = read_pieces(assets), read_patterns(assets)
  assert piece.size == (0.4, 0.2, 0.1) and pattern.size == (0.5, 0.5)
  write_model(library, catalogue=CATALOGUE.replace("=20", "=1e9"))
  write_textures(jar, TEXTURES.replace("=50", "=0"))
  for read in (read_pieces, read_patterns):
    with pytest.raises(InputError, match="--source: unreadable"):
      read(assets)

"""OBJ models out of an archive: places, materials and textures survive."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from data_pipelines.furnished import models
from data_pipelines.furnished.assets import Piece
from scenetok_jax.types import InputError

pytest.importorskip("trimesh", reason="extra `rooms`")

# A box that lacks sides: a textured top, a red bottom, a pane of glass.
_OBJ = """mtllib Box.MTL
v 0 0 0
v 2 0 0
v 2 0 4
v 0 0 4
usemtl red
f 1 2 3 4
v 0 1 0
v 2 1 0
v 2 1 4
v 0 1 4
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl wood
f -4/1 -3/2 -2/3 -1/4
usemtl glass
f 1 2 6 5
usemtl nowhere
f 1 4 8 5
"""
_MTL = """newmtl red
Kd 0.8 0.1 0.1
newmtl wood
Kd 0.2 0.2 0.2
map_Kd Oak.PNG
newmtl glass
Kd 1 1 1
d 0.1
"""


def _piece(path, text=_OBJ) -> Piece:
  picture = io.BytesIO()
  Image.new("RGB", (8, 8), (10, 200, 30)).save(picture, "PNG")
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("a/box.obj", text)
    archive.writestr("a/box.mtl", _MTL)
    archive.writestr("a/oak.png", picture.getvalue())
  return Piece(
    "made-up/box", "box", "none", path, "a/box.obj", "nobody",
    (0.4, 0.2, 0.1), None, 0.0, None, 1000,
  )  # fmt: skip


def test_a_model_stands_upright_in_metres_with_its_materials(tmp_path):
  piece = _piece(tmp_path / "one.sh3f")
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
  piece = _piece(tmp_path / "one.sh3f")
  large = Piece(**{**vars(piece), "size": (2.0, 1.0, 0.4)})
  model = models.load(large, tmp_path / "cache")
  corners = model.points[model.faces]
  edges = np.linalg.norm(np.roll(corners, -1, 1) - corners, axis=2)
  assert edges.max() <= 0.45 and len(model.faces) > 6


def test_a_damaged_model_is_named(tmp_path):
  piece = _piece(tmp_path / "one.sh3f", "v 0 0 0\n")
  with pytest.raises(InputError, match=r"one.sh3f: a/box.obj: unreadable"):
    models.load(piece, tmp_path / "cache")

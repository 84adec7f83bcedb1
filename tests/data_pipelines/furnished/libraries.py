"""Small packages of furniture and textures, as Sweet Home 3D has them."""

import io
import zipfile

from PIL import Image

from data_pipelines.furnished import assets, finish, models
from data_pipelines.furnished.assets import Piece

# A box that lacks sides: a textured top, a red bottom, a pane of glass.
OBJ = """mtllib Box.MTL
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
MTL = """newmtl red
Kd 0.8 0.1 0.1
newmtl wood
Kd 0.2 0.2 0.2
map_Kd Oak.PNG
newmtl glass
Kd 1 1 1
d 0.1
"""
CATALOGUE = """id#1=box
name#1=box
category#1=none
model#1=/a/box.obj
width#1=40
depth#1=20
height#1=10
modelRotation#1=1 0 0 0 1 0 0 0 1
"""
TEXTURES = """name#1=Oak
category#1=Wood
image#1=/t/oak.png
width#1=50
height#1=50
"""


def read_all(folder) -> None:
  """What furnished rooms read of one.sh3f and sweethome3d.jar."""
  libraries, jar = (folder / "one.sh3f",), folder / "sweethome3d.jar"
  found = assets.Assets(libraries, jar, None, folder / "cache")
  finish.read_images(found)
  for piece in assets.read_pieces(found):
    models.load(piece, folder / "cache")


def _png() -> bytes:
  picture = io.BytesIO()
  Image.new("RGB", (8, 8), (10, 200, 30)).save(picture, "PNG")
  return picture.getvalue()


def write_model(path, text=OBJ, catalogue=CATALOGUE) -> Piece:
  """A library of one model, and its piece."""
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("PluginFurnitureCatalog.properties", catalogue)
    archive.writestr("a/box.obj", text)
    archive.writestr("a/box.mtl", MTL)
    archive.writestr("a/oak.png", _png())
  return Piece(
    "made-up/box", "box", "none", path, "a/box.obj", "nobody",
    (0.4, 0.2, 0.1), None, 0.0, None, 1000,
  )  # fmt: skip


def write_textures(path, catalogue=TEXTURES) -> None:
  """The program's jar with one texture."""
  with zipfile.ZipFile(path, "w") as archive:
    name = "com/eteks/sweethome3d/io/DefaultTexturesCatalog.properties"
    archive.writestr(name, catalogue)
    archive.writestr("t/oak.png", _png())

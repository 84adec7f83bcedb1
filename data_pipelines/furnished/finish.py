"""Colours and textures of floors, walls, pictures, rugs and skies."""

import io

import numpy as np
from PIL import Image

from data_pipelines.furnished import archives
from data_pipelines.furnished.archives import TEXELS
from data_pipelines.furnished.assets import Assets, read_patterns
from data_pipelines.furnished.floor_plan import Panel
from data_pipelines.furnished.mesh import Finish, Surface
from data_pipelines.furnished.placing import PICTURES
from data_pipelines.textures.paint import (
  Paint,
  Palette,
  hsv,
  random_palette,
  shade,
)
from data_pipelines.textures.patterns import albedo

Rng = np.random.Generator
Images = dict[str, tuple[np.ndarray, tuple[float, float]]]
_FLOORS = ("woodenFloor", "oldWoodenFloor", "greyTile", "redTiles",
           "stoneTiles", "blackAndWhiteTiles", "beigeTile")  # fmt: skip
_WALLS = ("stoneWall", "stone2Wall", "stone3Wall", "marbleWall", "roughcast",
          "smallBricks", "smallRedBricks", "smallWhiteBricks")  # fmt: skip
_TILES = ("blueTiles", "lightBlueTile", "wallBeigeTile", "darkBlueTile",
          "beigeTile")  # fmt: skip
_SKIES = ("blueSky", "cloudy", "veryCloudy")
_PHOTOS = ("boxTree", "grass", "pebbles", "pavingStone", "blueSky", "cloudy")


def read_images(assets: Assets) -> Images:
  """Every pattern of the jar: uint8 [t t 4] and what it covers, metres."""
  found: Images = {}
  patterns = read_patterns(assets)
  with archives.opened(assets.jar) as jar:
    for pattern in patterns:
      data = io.BytesIO(archives.member(jar, pattern.image))
      with Image.open(data) as picture:
        image = archives.texels(picture)
      found[pattern.name] = image, pattern.size
  return found


def random_finish(rng: Rng, theme: str, images: Images) -> Finish:
  """What covers a room of a theme."""
  palette = random_palette(rng)
  # Painted walls of homes are pale: half way to white.
  pale = tuple(1 - 0.6 * (1 - c) for c in palette.walls[0])
  floor = _floor(rng, theme, palette, images)
  plain = Surface(pale)
  accent = Surface(tuple(1 - 0.75 * (1 - c) for c in palette.walls[1]))
  wet = theme in ("bath", "kitchen")
  if rng.random() < (0.6 if wet else 0.25):
    accent = _from(rng, images, _TILES if wet else _WALLS, 1.5)
  elif rng.random() < 0.4:
    paint = Paint("stripes", (pale, shade(pale, 0.86)), 0.3, 1)
    accent = Surface(image=_paint(paint, (1.2, 1.2)), size=(1.2, 1.2))
  styles = rng.random()
  if theme == "bath" or styles < 0.08:
    walls = [accent] * 4
  elif styles < 0.5:
    walls = [plain] * 4
  else:
    walls = [plain] * 4
    walls[int(rng.integers(4))] = accent
  panels = {
    ("picture", i): _picture(rng, palette, images) for i in range(PICTURES)
  }
  panels |= {("rug", i): _rug(rng, palette) for i in range(PICTURES)}
  names = [name for name in _SKIES if name in images]
  sky = Surface(image=_sky(images[str(rng.choice(names))][0]), glow=1.0,
                size=None)  # fmt: skip

  def panel(which: Panel) -> Surface:
    if which.kind == "lamp":
      return Surface((1.0, 0.97, 0.9), glow=1.0)
    return sky if which.kind == "sky" else panels[which.kind, which.number]

  return Finish(
    floor, Surface(palette.ceiling), walls, Surface(palette.trim), panel
  )


def _from(rng: Rng, images: Images, names, scale: float) -> Surface:
  """One of the jar's patterns, a little tinted."""
  name = str(rng.choice([n for n in names if n in images]))
  image, size = images[name]
  tint = hsv(rng.random(), rng.uniform(0, 0.12), rng.uniform(0.85, 1.0))
  grow = scale * rng.uniform(0.9, 1.3)
  return Surface(tint, image, (size[0] * grow, size[1] * grow))


def _floor(rng: Rng, theme: str, palette: Palette, images: Images) -> Surface:
  if rng.random() < 0.55:
    return _from(rng, images, _FLOORS, 1.6)
  kinds = {"planks": 0.2, "tiles": 0.5, "checker": 0.5, "carpet": 0.8}
  chances = [0.5, 0.15, 0.05, 0.3]
  if theme in ("kitchen", "bath"):
    chances = [0.3, 0.45, 0.25, 0.0]
  kind = str(rng.choice(list(kinds), p=chances))
  seed = int(rng.integers(1 << 31))
  side = 4 * kinds[kind]
  paint = Paint(kind, palette.floor, kinds[kind], seed)
  return Surface(image=_paint(paint, (side, side)), size=(side, side))


def _paint(paint: Paint, size: tuple[float, float]) -> np.ndarray:
  """A procedural pattern as a texture, uint8 [t t 4]."""
  linear = albedo(paint, *size, TEXELS, TEXELS)
  rgb = np.round(255 * np.clip(linear, 0, 1) ** (1 / 2.2)).astype(np.uint8)
  return np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], -1)


def _picture(rng: Rng, palette: Palette, images: Images) -> Surface:
  frame = palette.wood[1] if rng.random() < 0.6 else (0.1, 0.1, 0.1)
  order = rng.permutation(len(palette.accents))
  colors = (frame, palette.trim, *(palette.accents[i] for i in order[:2]))
  paint = Paint("picture", colors, 1.0, int(rng.integers(1 << 31)))
  image = _paint(paint, (0.9, 0.7))
  names = [name for name in _PHOTOS if name in images]
  if names and rng.random() < 0.45:
    photo = images[str(rng.choice(names))][0]
    border, mat = 6, int(rng.integers(0, 14))
    edge = border + mat
    image[border:-border, border:-border, :3] = 240
    part = photo[:: -1 if rng.random() < 0.5 else 1]
    image[edge:-edge, edge:-edge] = part[edge:-edge, edge:-edge]
  return Surface(image=image, size=None)


def _rug(rng: Rng, palette: Palette) -> Surface:
  accents = tuple(palette.accents[i] for i in rng.permutation(4)[:3])
  kind = str(rng.choice(["rug", "rug", "stripes", "checker", "carpet"]))
  colors = accents if kind == "rug" else (accents[0], palette.trim)
  paint = Paint(kind, colors, rng.uniform(0.1, 0.3), int(rng.integers(1 << 31)))
  return Surface(image=_paint(paint, (2.0, 1.6)), size=None)


def _sky(image: np.ndarray) -> np.ndarray:
  """A bright sky over a green horizon, as seen through a window."""
  image = image.astype(np.float32)
  high = np.linspace(0, 1, len(image))[:, None, None]
  bright = 255 - 0.55 * (255 - image[..., :3])
  ground = np.array([112.0, 138.0, 92.0]) * (0.7 + 0.8 * high)
  mix = np.clip((high - 0.27) / 0.05, 0, 1)
  rgb = mix * bright + (1 - mix) * ground
  alpha = np.full_like(rgb[..., :1], 255)
  return np.concatenate([rgb, alpha], -1).astype(np.uint8)

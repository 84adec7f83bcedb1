"""Furnished rooms as scenes to prepare."""

import dataclasses
import functools
import importlib.util
import os

from data_pipelines.furnished import assets as furnished_assets
from data_pipelines.furnished import catalog
from data_pipelines.furnished.assets import Assets
from data_pipelines.furnished.clips import PATHS, Studio
from data_pipelines.storage.recipes import (
  Holdout,
  Job,
  Plan,
  RawScene,
  Recipe,
  described,
)
from scenetok_jax.types import InputError

ATTRIBUTION = "ATTRIBUTION.md"
_PACKAGES = ("mitsuba", "moderngl")


@dataclasses.dataclass(frozen=True)
class Options:
  """Which clips: numbers first_scene .. first_scene + scenes - 1 of a seed.

  Clip n is path n % 2 of room n // 2. frames: of each. size: pixels a side.
  aside: metres by which its path is moved sideways.
  """

  scenes: int
  frames: int = 64
  size: int = 128
  seed: int = 0
  first_scene: int = 0
  aside: float = 0.0


def plan(
  split: str,
  source: str | os.PathLike | None,
  options: Options,
  holdout: Holdout = Holdout(),
  image_format: str = "jpeg",
) -> Plan:
  """Recipe and jobs of a split of furnished rooms.

  Raises:
    InputError: bad options, or packages or assets are missing.
  """
  for name, value, least in (
    ("scenes", options.scenes, 1), ("frames", options.frames, 2),
    ("seed", options.seed, 0), ("first-scene", options.first_scene, 0),
    ("size", options.size, 32),
  ):  # fmt: skip
    if value < least:
      raise InputError(f"--{name}={value}: at least {least} is needed")
  missing = [p for p in _PACKAGES if importlib.util.find_spec(p) is None]
  if missing:
    raise InputError(
      f"--dataset=furnished: {' and '.join(missing)} not installed; run `pip"
      " install 'scenetok_jax[rooms]'`"
    )
  assets = furnished_assets.find(source)
  first = options.first_scene
  jobs = [
    Job(
      scene_key(options.seed, n), functools.partial(_load, assets, options, n)
    )
    for n in range(first, first + options.scenes)
  ]
  fields = described(options, extras=("aside",))
  fields["assets"] = assets.fingerprint()
  recipe = Recipe("furnished", split, fields, holdout, image_format)
  files = ((ATTRIBUTION, attribution(assets)),)
  return Plan(recipe, jobs, group=PATHS, files=files)


def scene_key(seed: int, number: int) -> str:
  """The name of a clip: seed, room and path."""
  return f"furnished-{seed}-{number // PATHS:06d}-{number % PATHS}"


def attribution(assets: Assets) -> str:
  """Who made what these pictures may show, as Markdown."""
  found = catalog.catalogue(furnished_assets.read_pieces(assets))
  pieces = {piece.key: piece for part in found.values() for piece in part}
  lines = [
    "# Attribution",
    "",
    "Renderings of these models of Debian's `sweethome3d-furniture`, with"
    " textures of Debian's `sweethome3d` (GPL-2+). Licences in full:"
    " /usr/share/doc/sweethome3d-furniture/copyright. CC-BY asks to name the"
    " creators where the pictures are shown.",
    "",
    "| model | name | creator | licence |",
    "|---|---|---|---|",
  ]
  for key in sorted(pieces):
    piece = pieces[key]
    lines.append(
      f"| {key} | {piece.name} | {piece.creator} | {piece.licence} |"
    )
  return "\n".join(lines) + "\n"


# A process makes many clips: OpenGL, the catalogue and the room are kept.
@functools.lru_cache(1)
def _studio(assets: Assets, size: int) -> Studio:
  return Studio(assets, size)


def _load(assets: Assets, options: Options, number: int) -> RawScene:
  room, path = divmod(number, PATHS)
  studio = _studio(assets, options.size)
  clip = studio.clip(
    options.seed, room, path, options.frames, aside=options.aside
  )
  source = f"furnished {clip.theme} seed={options.seed} room={room} path={path}"
  if options.aside:
    source += f" aside={options.aside:g}"
  return RawScene(clip.images, clip.cameras, source, depth=clip.depth)

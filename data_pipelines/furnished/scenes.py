"""Furnished rooms as scenes to prepare."""

import dataclasses
import functools
import importlib.util
import os
from typing import Any

from data_pipelines.furnished import assets as furnished_assets
from data_pipelines.furnished import catalog
from data_pipelines.furnished.assets import Assets
from data_pipelines.furnished.clips import PATHS, Studio
from data_pipelines.sources.generated import GeneratedOptions
from data_pipelines.storage.recipes import (
  RawScene,
  Recipe,
  SceneLoader,
  SplitPlan,
  size_option,
)
from scenetok_jax.reading.schema import Few
from scenetok_jax.types import InputError, option

ATTRIBUTION = "ATTRIBUTION.md"
_PACKAGES = ("mitsuba", "moderngl", "trimesh")
_LEAST_SIDE = 32  # pixels


@dataclasses.dataclass(frozen=True)
class FurnishedOptions(GeneratedOptions):
  """Which clips: clip n is path n % 2 of room n // 2."""

  size: Any = size_option(128)
  frames: Few = option(64, "frames a clip")


def plan(
  source: str | os.PathLike | None, split: str, options: FurnishedOptions
) -> SplitPlan:
  """The plan of a split of furnished rooms.

  source: folder of Debian's packages, as .deb files or unpacked; None where
  they are installed.

  Raises:
    InputError: bad options, or packages or assets are missing.
  """
  fields = options.describe(split)
  if options.side < _LEAST_SIDE:
    raise InputError(f"--size={options.side}: at least {_LEAST_SIDE} is needed")
  missing = [p for p in _PACKAGES if importlib.util.find_spec(p) is None]
  if missing:
    raise InputError(
      f"--dataset=furnished: {' and '.join(missing)} not installed; run `pip"
      " install 'scenetok_jax[rooms]'`"
    )
  assets = furnished_assets.find(source)
  fields["assets"] = assets.fingerprint()
  first = options.first(split)
  scenes = [
    SceneLoader(
      scene_key(options.seed, n), functools.partial(_load, assets, options, n)
    )
    for n in range(first, first + options.scenes)
  ]
  recipe = Recipe(
    "furnished", split, fields, options.holdout, options.image_format
  )
  files = ((ATTRIBUTION, attribution(assets)),)
  return SplitPlan(recipe, scenes, group=PATHS, files=files)


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


def _load(assets: Assets, options: FurnishedOptions, number: int) -> RawScene:
  room, path = divmod(number, PATHS)
  offset = options.lateral_offset
  studio = _studio(assets, options.side)
  clip = studio.clip(
    options.seed, room, path, options.frames, lateral_offset=offset
  )
  source = f"furnished {clip.theme} seed={options.seed} room={room} path={path}"
  if offset:
    source += f" aside={offset:g}"
  return RawScene(clip.images, clip.cameras, source, depth=clip.depth)

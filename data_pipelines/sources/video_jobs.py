"""RealEstate10K, ACID and DL3DV as scenes to prepare."""

import dataclasses
import functools
import io
import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from data_pipelines.sources import dl3dv, re10k, re10k_raw
from data_pipelines.sources.posed_clips import PosedClip
from data_pipelines.storage.recipes import (
  Job,
  Plan,
  RawScene,
  Recipe,
  Shape,
  fingerprint,
  shape_option,
  unique,
)
from scenetok_jax.types import InputError

MAX_JUMP = 30.0  # ours: handheld walks stay below 10, lost tracks exceed 50


@dataclasses.dataclass(frozen=True)
class Options:
  """What the jobs need beside the recipe.

  shape: (h, w) of the frames, None as they are. images: DL3DV's image folder.
  """

  shape: Shape = (256, 256)
  images: str | None = None
  image_format: str = "jpeg"


def plan(source: str | os.PathLike, recipe: Recipe, options: Options) -> Plan:
  """The scenes of recipe.split in SOURCE.

  RealEstate10K and ACID: SOURCE/<split> (or SOURCE itself) holds *.torch
  chunks with index.json, or camera texts. DL3DV: it holds scene folders.

  Raises:
    InputError: there is no such data.
  """
  source = Path(source)
  if not source.is_dir():
    raise InputError(f"{source}: --source: no such folder; check the path")
  folder = source / recipe.split
  folder = folder if folder.is_dir() else source
  if recipe.dataset == "dl3dv":
    jobs, files = _scene_jobs(folder, options)
  elif any(folder.glob("*.torch")) or (folder / re10k.INDEX).exists():
    jobs, files = _chunk_jobs(folder, options)
  else:
    jobs, files = _text_jobs(source, recipe.split, options)
  described = {
    "shape": shape_option(options.shape),
    "images": options.images,
    "source": source.resolve().name,
    "source_sha256": fingerprint(files, source),
    **recipe.options,
  }
  jobs, repeated = unique(jobs)
  return Plan(dataclasses.replace(recipe, options=described), jobs, repeated)


def raw_scene(clip: PosedClip, options: Options) -> RawScene:
  """Frames of the asked shape; files kept as they are where nothing changes."""
  images, cameras = clip.render(options.shape)
  encoded = None
  if options.shape is None:
    files = tuple(clip.encoded(i) for i in range(len(clip)))
    if all(_is_plain(file, options.image_format) for file in files):
      encoded = files
  return RawScene(images, cameras, clip.source, clip.warnings, encoded)


def _is_plain(file: bytes, image_format: str) -> bool:
  """A file of this format that decodes to RGB without conversion."""
  with Image.open(io.BytesIO(file)) as picture:
    same = (picture.format or "").lower() == image_format
    return same and picture.mode == "RGB"


def _chunk_jobs(folder: Path, options: Options) -> tuple[list[Job], list[Path]]:
  jobs = []
  index = re10k.read_index(folder)
  listed: dict[str, list[str]] = {}
  for key, name in index:
    listed.setdefault(name, []).append(key)
  for key, name in index:
    # The first scene of a chunk tells of those that the index forgot.
    keys = frozenset(listed.pop(name, ()))
    load = functools.partial(_load_chunk, folder / name, key, keys)
    jobs.append(Job(key, functools.partial(_render, load, options)))
  return jobs, [*folder.glob("*.torch"), folder / re10k.INDEX]


def _load_chunk(path: Path, key: str, listed: frozenset[str]) -> PosedClip:
  clip = re10k.load_scene(path, key)
  forgotten = sorted(re10k.unlisted(path, set(listed))) if listed else []
  if not forgotten:
    return clip
  note = (
    f"{path.name} holds {len(forgotten)} scenes that {re10k.INDEX} does not"
    f" list, left out ({forgotten[0]!r}{', ...' if forgotten[1:] else ''})"
  )
  return dataclasses.replace(clip, warnings=(*clip.warnings, note))


def _text_jobs(
  source: Path, split: str, options: Options
) -> tuple[list[Job], list[Path]]:
  texts = re10k_raw.texts(source, split)
  if not texts:
    raise InputError(
      f"{source}: --source: neither {split}/*.torch with {re10k.INDEX} nor"
      f" {split}/*.txt in it; check the path and --split"
    )
  jobs = [
    Job(
      path.stem,
      functools.partial(
        _render, functools.partial(re10k_raw.load_scene, path, split), options
      ),
    )
    for path in texts
  ]
  return jobs, texts


def _scene_jobs(folder: Path, options: Options) -> tuple[list[Job], list[Path]]:
  roots = dl3dv.scene_folders(folder)
  jobs = [
    Job(
      root.name,
      functools.partial(
        _render,
        functools.partial(
          dl3dv.read_scene, root, options.images, options.shape
        ),
        options,
      ),
    )
    for root in roots
  ]
  poses = (root / sub / dl3dv.TRANSFORMS for root in roots for sub in _PLACES)
  return jobs, [path for path in poses if path.is_file()]


_PLACES = ("", "nerfstudio")


def _render(load: Callable[[], PosedClip], options: Options) -> RawScene:
  return raw_scene(load(), options)

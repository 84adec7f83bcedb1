"""From pictures without poses to a capture with them: a COLMAP model.

A folder holds the work: pictures, features and matches, the mapper's models
as it left them, and what is read in the end: images/ and sparse/0, upright
and of the asked size. Each step goes on where a killed run left it.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_pipelines.photos import measures, pictures, placing, plot, sfm
from data_pipelines.photos.options import PoseOptions
from data_pipelines.photos.source import Source, find_source
from data_pipelines.storage.builders import PICTURE
from data_pipelines.storage.recipes import Shape
from scenetok_jax.console import Progress
from scenetok_jax.io import write_json
from scenetok_jax.outputs import lock
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.types import InputError, explained

_STATE = "estimate.json"  # what the folder's work is of
_EXHAUSTIVE = 100  # photos of which all pairs are matched


class Estimate(NamedTuple):
  """key: of the scene. folder: a capture. poses: camera-to-world float64 [4 4]
  by the names of the pictures in the source. report: JSON values, see
  docs/data_photos.md.
  """

  key: str
  folder: Path
  poses: dict[str, np.ndarray]
  report: dict[str, Any]

  @property
  def line(self) -> str:
    """The numbers for a screen."""
    return measures.line(self.report)


def digest(source: Source, options: PoseOptions, shape: Shape) -> str:
  """Names the work: equal ones go on with each other's."""
  decides = [source.fingerprint(), options.decides(), _longest(options, shape)]
  return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]


def estimate(
  source: str | os.PathLike,
  folder: str | os.PathLike,
  options: PoseOptions | None = None,
  shape: Shape = (64, 64),
) -> Estimate:
  """Estimates the poses of photos, or of frames of a video.

  folder: of the work and of its result, which is a capture; made where needed.
  The same work in it goes on, or is kept. shape: (h, w) to which pictures will
  be cropped, which larger ones are reduced for; None keeps them as they are.
  Raises InputError: pycolmap is not installed, no photos, an estimate beyond
  the limits of the options, or a folder of other work.
  """
  sfm.check_available()
  find_source(source)
  folder = Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  with lock(folder):
    return estimate_in(source, folder, options or PoseOptions(), shape)


def estimate_in(
  source: str | os.PathLike, folder: Path, options: PoseOptions, shape: Shape
) -> Estimate:
  """estimate in a folder that is there and that this process has locked."""
  found = find_source(source)
  _claim(folder, digest(found, options, shape))
  longest = _longest(options, shape)
  names = pictures.write_pictures(found, options, folder, longest)
  # Of pycolmap, which says so of a database that a crash damaged, too.
  with explained(f"{folder}: poses", "remove it, and try again", RuntimeError):
    models = _models(folder, found, options, names)
  if not models:
    raise measures.nothing(os.fspath(source), len(names))
  report, poses = _finish(folder, os.fspath(source), options, names, models)
  told = {names[name]: pose for name, pose in poses.items()}
  return Estimate(found.key, folder, told, report)


def _longest(options: PoseOptions, shape: Shape) -> int | None:
  """Pixels of the longer side to which larger pictures are reduced."""
  # Twice, so that the shorter side of pictures of up to 2:1 will do.
  return max(options.side, 2 * max(shape)) if shape else None


def _claim(folder: Path, key: str) -> None:
  """InputError where a folder holds anything but this work."""
  state = folder / _STATE
  if not state.exists() and any(folder.iterdir()):
    raise InputError(f"{folder}: exists; choose another folder, or remove it")
  if state.exists() and read_json(state, "remove it").get("digest") != key:
    raise InputError(
      f"{folder}: holds poses of other photos or options; choose another"
      " folder, or remove it"
    )
  write_json(state, {"digest": key})


def _models(
  folder: Path, source: Source, options: PoseOptions, names: dict[str, str]
) -> list[Any]:
  """The models of the pictures, the largest first."""
  done, aside = folder / "models", folder / "models.tmp"
  if not done.exists():
    listed = sorted(names)
    with _progress("features", len(listed), "picture") as step:
      limits = {n: getattr(options, n) for n in ("side", "features", "threads")}
      groups = _groups(folder, source, listed)
      sfm.find_features(folder, groups, options.lens, limits, step)
    pairs = [(listed[i], listed[j]) for i, j in _pairs(source, options, listed)]
    with _progress("matches", len(pairs), "pair") as step:
      sfm.match(folder, pairs, options.seed, options.threads, step)
    shutil.rmtree(aside, ignore_errors=True)
    with _progress("mapper", len(listed), "picture") as step:
      sfm.place(folder, aside, options.mapper, options.seed, step)
    aside.rename(done)
  return sfm.models(done)


@contextlib.contextmanager
def _progress(label: str, total: int, unit: str) -> Iterator[sfm.Step]:
  with Progress(label, total, unit) as shown:
    # A mapper that starts anew counts pictures twice.
    yield lambda count: shown.update(min(count, total - shown.done))


def _groups(folder: Path, source: Source, names: list[str]) -> list[list[str]]:
  """Pictures that share a camera: all of a video; else by size and lens."""
  if source.is_video:
    return [names]
  found: dict[tuple, list[str]] = {}
  for name in names:
    key = pictures.lens_key(folder / "images" / name)
    found.setdefault(key, []).append(name)
  return list(found.values())


def _pairs(
  source: Source, options: PoseOptions, names: list[str]
) -> list[tuple[int, int]]:
  few = not source.is_video and len(names) <= _EXHAUSTIVE
  every = {"auto": few, "exhaustive": True, "sequential": False}
  make = sfm.all_pairs if every[options.matching] else sfm.neighbours
  return make(len(names))


def _finish(
  folder: Path,
  where: str,
  options: PoseOptions,
  names: dict[str, str],
  models: list[Any],
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
  """Checks the largest model and writes it upright and to scale."""
  model, *others = models
  sizes = [other.num_reg_images() for other in others]
  images = folder / "images"
  report = measures.measured(model, names, sizes, options.side, images)
  measures.check(report, options, where)
  before = np.array(list(sfm.poses(model).values()))
  depth = measures.median_depth(model)
  move = placing.similarity(before, depth, options.asked_scale)
  sfm.move(model, move)
  report |= {"scale": move.scale, "median_depth": depth * move.scale}
  final = folder / "sparse" / "0"
  final.mkdir(parents=True, exist_ok=True)
  model.write(final)
  shares = f"{report['registered']} of {report['pictures']} pictures"
  poses = sfm.poses(model)
  shown = np.array(list(poses.values()))
  plot.draw(folder / PICTURE, shown, model, f"{Path(where).name}: {shares}")
  write_json(folder / "report.json", report)
  for path in folder.glob("database.db*"):
    path.unlink()  # the models stay, and with them another scale is fast
  return report, poses

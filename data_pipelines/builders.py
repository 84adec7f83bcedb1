"""Scenes in, one prepared split out: parallel, in order, all or nothing."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from data_pipelines import records
from data_pipelines.images import encode_image
from data_pipelines.writer import EncodedScene, SplitWriter, write_json
from scenetok_jax.cli.common import Progress
from scenetok_jax.geometry.cameras import check_rigid
from scenetok_jax.types import Cameras, InputError

REPORT = "report.json"


@dataclasses.dataclass(frozen=True)
class RawScene:
  """Decoded scene: images uint8 [T, H, W, 3], cameras [T].

  key: the scene's name, the job's when empty.
  """

  images: np.ndarray
  cameras: Cameras
  source: str
  warnings: tuple[str, ...] = ()
  key: str = ""


@dataclasses.dataclass(frozen=True)
class Job:
  """One scene to write; `load` is picklable and raises InputError."""

  key: str
  load: Callable[[], RawScene]


@dataclasses.dataclass(frozen=True)
class Holdout:
  """Frames that training must not see: every n-th, and listed ones."""

  every: int = 0
  frames: tuple[int, ...] = ()

  def __post_init__(self):
    if self.every < 0 or self.every == 1:
      raise InputError(
        f"--holdout-every={self.every}: must be 0 (none) or at least 2"
      )

  def indices(self, frames: int) -> tuple[int, ...]:
    """Held-out frame numbers of a clip of `frames` frames, sorted."""
    # Starting in the middle of a period leaves the first frame to training.
    periodic = range(self.every // 2, frames, self.every) if self.every else ()
    listed = (i for i in self.frames if 0 <= i < frames)
    return tuple(sorted({*periodic, *listed}))


@dataclasses.dataclass(frozen=True)
class Recipe:
  """What makes a split; two equal recipes make the same split.

  dataset: "rooms" or "capture". options: JSON values that decide the result.
  strict: stop at the first bad scene (a single capture) instead of dropping.
  min_frames: shorter scenes are dropped.
  """

  dataset: str
  split: str
  options: dict
  holdout: Holdout = Holdout()
  image_format: str = "jpeg"
  strict: bool = False
  min_frames: int = 2

  def describe(self) -> dict:
    """The fields that are compared when a split exists already."""
    fields = dataclasses.asdict(self)
    del fields["strict"]
    return json.loads(json.dumps(fields))


@dataclasses.dataclass(frozen=True)
class Plan:
  """A recipe and its scenes, in the order of the records."""

  recipe: Recipe
  jobs: Sequence[Job]


def build(out: str | os.PathLike, plan: Plan, workers: int = 0) -> dict:
  """Writes OUT/<split> and OUT/report.json, returns the split's report.

  The split appears in one rename when it is complete; a killed or failed run
  leaves none. An equal split that exists is kept ("already prepared"); a
  different one is never overwritten.

  Args:
    out: folder of all splits of this data.
    plan: what to write.
    workers: processes that decode and encode; 0 works in this one.

  Returns:
    {seen, kept, dropped: [{scene, reason}], warnings, frames, already}.
  """
  out = Path(out)
  recipe, jobs = plan.recipe, plan.jobs
  final = out / recipe.split
  if final.exists():
    return {**_existing(final, recipe), "already": True}
  if not jobs:
    raise InputError(f"{out}: nothing to prepare: the source holds no scene")
  made = [path for path in (out, *out.parents) if not path.exists()]
  partial = (
    out / f".{recipe.split}.partial-{socket.gethostname()}-{os.getpid()}"
  )
  _remove_stale(out, recipe.split)
  try:
    report = _write(partial, recipe, jobs, workers)
    partial.rename(final)
  finally:
    shutil.rmtree(partial, ignore_errors=True)
    for path in made:  # leave no trace of a refused source
      with contextlib.suppress(OSError):
        path.rmdir()
  write_json(out / REPORT, _merged_report(out))
  return {**report, "already": False}


def _write(
  directory: Path, recipe: Recipe, jobs: Sequence[Job], workers: int
) -> dict:
  """Writes a whole split into `directory`; returns the report."""
  writer = SplitWriter(directory, recipe.split)
  try:
    report = _write_scenes(writer, recipe, jobs, workers)
  except BaseException:
    writer.abandon()
    raise
  writer.close({"recipe": recipe.describe(), "report": report})
  return report


def _write_scenes(
  writer: SplitWriter, recipe: Recipe, jobs: Sequence[Job], workers: int
) -> dict:
  """Writes the good scenes and reports the others."""
  frames, kept = 0, 0
  dropped, warnings = [], []
  results = _encode_all(recipe, jobs, workers)
  with _progress(recipe, len(jobs)) as progress:
    for job, result in zip(jobs, results, strict=True):
      try:
        if isinstance(result, InputError):
          raise result
        frames += writer.add(result).frames
        kept += 1
        warnings += [f"{job.key}: {text}" for text in result.warnings]
      except InputError as error:
        if recipe.strict:
          raise
        dropped.append({"scene": job.key, "reason": str(error)})
      if progress:
        progress.update(note=f"{kept} kept, {len(dropped)} dropped")
  if not kept:
    raise InputError(
      f"all {len(jobs)} scenes were dropped; the first,"
      f" {dropped[0]['scene']}: {dropped[0]['reason']}"
    )
  return {
    "seen": len(jobs),
    "kept": kept,
    "dropped": dropped,
    "warnings": warnings,
    "frames": frames,
  }


def _progress(
  recipe: Recipe, scenes: int
) -> contextlib.AbstractContextManager[Progress | None]:
  """Progress over scenes; none for a single one, whose error stands alone."""
  if recipe.strict:
    return contextlib.nullcontext()
  return Progress(f"{recipe.dataset}/{recipe.split}", scenes, "scene")


def _encode_all(
  recipe: Recipe, jobs: Sequence[Job], workers: int
) -> Iterator[EncodedScene | InputError]:
  """Encoded scenes in job order, a few ahead of the writer."""
  if workers <= 0 or len(jobs) == 1:
    yield from (_encode(job, recipe) for job in jobs)
    return
  workers = min(workers, len(jobs))
  # spawn: forking a process that runs JAX threads can deadlock.
  context = multiprocessing.get_context("spawn")
  with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
    waiting: collections.deque = collections.deque()
    try:
      for job in jobs:
        waiting.append(pool.submit(_encode, job, recipe))
        if len(waiting) > 4 * workers:  # bounds memory
          yield waiting.popleft().result()
      while waiting:
        yield waiting.popleft().result()
    finally:
      for future in waiting:
        future.cancel()


def _encode(job: Job, recipe: Recipe) -> EncodedScene | InputError:
  """Loads, checks and encodes one scene; bad input is returned, not raised."""
  try:
    scene = job.load()
    key = scene.key or job.key
    check_scene(key, scene, recipe.min_frames)
    frames, height, width = scene.images.shape[:3]
    held_out = recipe.holdout.indices(frames)
    if frames - len(held_out) < recipe.min_frames:
      raise InputError(
        f"{scene.source}: {frames} frames, {len(held_out)} of them held out,"
        " leave too few for training; hold out fewer (--holdout-every,"
        " --frames-left-out)"
      )
    return EncodedScene(
      key=key,
      images=[encode_image(i, recipe.image_format) for i in scene.images],
      cameras=scene.cameras,
      height=height,
      width=width,
      source=scene.source,
      held_out=held_out,
      warnings=scene.warnings,
    )
  except InputError as error:
    return error


def check_scene(key: str, scene: RawScene, min_frames: int) -> None:
  """InputError unless a scene can be trained on."""
  if not key or key != Path(key).name or not key.isprintable():
    raise InputError(f"scene {key!r}: key: not a plain name; rename the scene")
  frames = len(scene.images)
  if frames < min_frames:
    raise InputError(
      f"{scene.source}: {frames} usable frames, at least {min_frames} are"
      " needed; add frames or leave this scene out"
    )
  check_rigid(scene.cameras.extrinsics, f"{scene.source}: pose")
  if not np.isfinite(scene.cameras.intrinsics).all():
    raise InputError(f"{scene.source}: intrinsics: NaN or Inf; correct them")


def _existing(final: Path, recipe: Recipe) -> dict:
  """Report of an equal split that exists; InputError when it differs."""
  file = final / records.PREPARED
  try:
    info = json.loads(file.read_text())
    before, report = info["recipe"], info["report"]
  except (OSError, ValueError, KeyError):
    raise InputError(
      f"{final}: exists but is not a prepared split; choose another --out or"
      " remove it"
    ) from None
  for field, value in recipe.describe().items():
    if before.get(field) != value:
      raise InputError(
        f"{file}: {_difference(field, before.get(field), value)}; nothing was"
        " overwritten: choose another --out or remove this split"
      )
  return report


def _difference(field: str, before, now) -> str:
  if isinstance(before, dict) and isinstance(now, dict):
    for name in [*now, *before]:
      if before.get(name) != now.get(name):
        return _difference(f"{field}.{name}", before.get(name), now.get(name))
  return f"{field}: prepared with {before!r}, now asked for {now!r}"


def _merged_report(out: Path) -> dict:
  """Report over all finished splits, and each by name under `splits`."""
  each = {}
  for split in records.splits(out):
    info = json.loads((out / split / records.PREPARED).read_text())
    each[split] = info["report"]
  return {
    "seen": sum(report["seen"] for report in each.values()),
    "kept": sum(report["kept"] for report in each.values()),
    "dropped": [item for report in each.values() for item in report["dropped"]],
    "splits": each,
  }


def _remove_stale(out: Path, split: str) -> None:
  """Removes what killed runs on this machine left behind."""
  prefix = f".{split}.partial-{socket.gethostname()}-"
  for path in out.glob(f"{prefix}*"):
    pid = path.name.removeprefix(prefix)
    if pid.isdigit() and not Path(f"/proc/{pid}").exists():
      shutil.rmtree(path, ignore_errors=True)


def fingerprint(files: Sequence[Path], root: Path) -> str:
  """Hash of the names and sizes of files, and the content of pose files."""
  digest = hashlib.sha256()
  for path in sorted(files):
    digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
    if path.suffix == ".json" or path.stem in ("cameras", "images"):
      digest.update(path.read_bytes())
  return digest.hexdigest()


def summary(out: str | os.PathLike, split: str, report: dict) -> str:
  """The report as a few readable lines."""
  state = "already prepared" if report["already"] else "prepared"
  lines = [
    f"{out}/{split}: {state}: {report['kept']} of {report['seen']} scenes,"
    f" {report['frames']} frames"
  ]
  lines += [f"  dropped {d['scene']}: {d['reason']}" for d in report["dropped"]]
  lines += [f"  note: {text}" for text in report["warnings"]]
  return "\n".join(lines)

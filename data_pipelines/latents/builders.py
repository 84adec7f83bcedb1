"""Frozen codecs over prepared data: frames in, latent records out.

Scenes are cut into parts like in `prepare`; process p of P makes every P-th
part on its own devices, and whoever finishes last joins them. Latents are
stored as the codec gives them, before scaling, in 16 bits.
"""

import concurrent.futures
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_pipelines.latents import writer as latent_writer
from data_pipelines.latents.encoder import Encoder, EncodingJob
from data_pipelines.latents.records import CHUNKS, KIND
from data_pipelines.storage import builders, parts
from data_pipelines.storage.records import Dataset, SceneRow
from scenetok_jax.console import Progress
from scenetok_jax.io import kept, storage_reason
from scenetok_jax.types import InputError


def build(
  out: str | os.PathLike,
  job: EncodingJob,
  process_index: int = 0,
  process_count: int = 1,
) -> dict | None:
  """Writes this process's share of OUT/<split>; the last one joins all.

  A killed run goes on at the part that it was writing. Equal latents that
  exist are kept, others never overwritten.

  Args:
    out: folder of all splits of these latents.
    job: what to encode.
    process_index, process_count: which share of the work this process does.

  Returns:
    The report {seen, kept, dropped, frames, already}, or None when parts of
    other processes are still missing.
  """
  if not 0 <= process_index < process_count:
    raise InputError(
      f"--process-index={process_index}: must be 0 to {process_count - 1},"
      " below --process-count"
    )
  out = Path(out)
  builders.stored_report(out)
  final = out / job.dataset.split
  recipe = job.describe()
  if final.exists():
    report = builders.existing(final, recipe)
    builders.tidy(out, job.dataset.split)
    return {**report, "already": True}
  _check(job)
  written = json.dumps([recipe, CHUNKS]).encode()
  digest = hashlib.sha256(written).hexdigest()[:12]
  root = out / f".{job.dataset.split}.partial-{digest}"
  own = root / f"process-{process_index:04d}"
  cuts = parts.ranges(len(job.dataset))
  encode = Encoder(job)
  with (
    parts.storing(out, own),
    Progress("latents", len(job.dataset), "scene") as progress,
  ):
    parts.run(
      root,
      range(process_index, len(cuts), process_count),
      lambda number: functools.partial(_write_part, encode, cuts[number]),
      done=lambda number: progress.update(len(cuts[number])),
    )
  with kept(out):
    return _join(root, final, job, len(cuts))


def _check(job: EncodingJob) -> None:
  context = job.codecs["context"]
  if context.grouping.frames_per_latent != 1:
    raise InputError(
      "config.codecs.context.frames_per_latent: context views are single"
      f" images, {context.name} takes"
      f" {context.grouping.frames_per_latent}; use an"
      " image codec"
    )
  for row in job.dataset.scenes:
    for codec in job.codecs.values():
      if row.height % codec.spatial or row.width % codec.spatial:
        raise InputError(
          f"{job.dataset.directory}: scene {row.key}:"
          f" {row.width}x{row.height}"
          f" frames, {codec.name} needs multiples of {codec.spatial}; prepare"
          " with another --size"
        )
  sizes = {(row.height, row.width) for row in job.dataset.scenes}
  if len(sizes) > 1:
    raise InputError(
      f"{job.dataset.directory}: frames of {len(sizes)} sizes; prepare with"
      " one --size"
    )


def _join(root: Path, final: Path, job: EncodingJob, count: int) -> dict | None:
  """Joins the parts when all are there; None otherwise."""
  folders = [parts.folder(root, number) for number in range(count)]
  if not all(folder.exists() for folder in folders):
    return None
  recipe = job.describe()
  try:
    with parts.lock(root):
      reports = [latent_writer.read_part(folder) for folder in folders]
      try:
        where = f"{job.dataset.directory}: "
        report = builders.merge_reports(reports, where=where)
      except InputError as error:
        if not storage_reason(error):  # another attempt would end the same way
          shutil.rmtree(root)
        raise
      info = {
        "kind": KIND,
        "codecs": stored_codecs(job),
        "flipped": job.options.flipped,
        "recipe": recipe,
        "report": report,
      }
      directory = root / "split"
      latent_writer.merge(folders, directory, job.dataset.split, info)
      builders.publish(directory, final)
  except FileNotFoundError:
    return None  # another process joins them
  builders.tidy(final.parent, job.dataset.split)
  return {**report, "already": False}


def stored_codecs(job: EncodingJob) -> dict:
  """Identities of the codecs, with dtype and shape of a stored latent."""
  row = job.dataset.scenes[0]
  return {
    part: {
      **job.identities[part],
      "dtype": job.options.dtype,
      "chunk": CHUNKS[part],
      "shape": [
        row.height // codec.spatial,
        row.width // codec.spatial,
        codec.channels,
      ],
    }
    for part, codec in job.codecs.items()
  }


def _write_part(
  encoder: Encoder, numbers: Sequence[int], directory: Path
) -> None:
  """Writes the good scenes of a part and reports the others."""
  dropped = []
  part = latent_writer.PartWriter(directory)
  rows = [encoder.job.dataset.scenes[i] for i in numbers]
  try:
    for row, clip in _read_ahead(encoder.job.dataset, rows):
      try:
        if isinstance(clip, InputError):
          raise clip
        part.add(encoder.scene(row, *clip))
      except InputError as error:
        dropped.append({"scene": row.key, "reason": str(error)})
  except BaseException:
    part.abandon()
    raise
  part.close({"dropped": dropped})


def _read_ahead(
  dataset: Dataset, rows: Sequence[SceneRow]
) -> Iterator[tuple[SceneRow, Any]]:
  """Clips of scenes without held-out frames; the next one is being read."""

  def read(row: SceneRow) -> Any:
    try:
      return dataset.read_frames(row, row.kept)
    except InputError as error:
      return error

  with concurrent.futures.ThreadPoolExecutor(1) as pool:
    waiting = [pool.submit(read, row) for row in rows[:1]]
    for number, row in enumerate(rows):
      waiting += [pool.submit(read, r) for r in rows[number + 1 : number + 2]]
      yield row, waiting.pop(0).result()

"""Frozen codecs over prepared data: frames in, latent records out.

Scenes are cut into parts like in `prepare`; process p of P makes every P-th
part on its own devices, and whoever finishes last joins them. Latents are
stored as the codec gives them, before scaling, in 16 bits.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax.traverse_util import flatten_dict

from data_pipelines.latents import writer as latent_writer
from data_pipelines.latents.records import DTYPES, KIND
from data_pipelines.latents.writer import EncodedLatents
from data_pipelines.loading import transforms
from data_pipelines.storage import builders, parts, writer
from data_pipelines.storage.records import Dataset, SceneRow
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax.codecs.api import Codec
from scenetok_jax.console import Progress
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.types import Array, Cameras, InputError

TILE_FRAMES = 16  # release: latents depend on their own tile of 16 frames
# Tiles encoded together: a constant, so that the draws of a codec's posterior
# do not depend on the number of devices.
_TILES = 8


@dataclasses.dataclass(frozen=True)
class Options:
  """How latents are made.

  dtype: "float16" or "bfloat16" on disk. flipped: also of mirrored frames.
  seed: of the posterior's samples, as in the release. sample: False stores
  the posterior's mean.
  """

  dtype: str = "float16"
  flipped: bool = True
  seed: int = 0
  sample: bool = True


@dataclasses.dataclass(frozen=True)
class Work:
  """Source frames, codecs {"context", "target"} and what to do with them.

  identities: see `identity`; sampler: scenes it cannot use are dropped.
  """

  dataset: Dataset
  codecs: Mapping[str, Codec]
  identities: Mapping[str, dict]
  sampler: ViewSampler
  options: Options

  def describe(self) -> dict:
    """What decides the result; compared when latents exist already."""
    source = self.dataset
    digest = hashlib.sha256()
    for row in source.scenes:
      digest.update(json.dumps(dataclasses.asdict(row)).encode())
    return {
      "source": source.path.resolve().name,
      "split": source.split,
      "source_sha256": digest.hexdigest(),
      "options": dataclasses.asdict(self.options),
      "codecs": dict(self.identities),
      "needs": {
        "num_context": self.sampler.num_context,
        "num_targets": self.sampler.num_targets,
      },
    }


def identity(codec: Codec, fields: Mapping[str, Any]) -> dict:
  """What must be equal for latents to be exchangeable, as JSON.

  Args:
    codec: the codec.
    fields: its section of the configuration; options of the block DCT and of
      network modules are taken from it.
  """
  grouping = ("frames_per_latent", "chunked")
  own = ("name", "spatial", "channels")
  other = {*own, *grouping, "weights", "dtype", "frames_at_once"}
  options = {k: v for k, v in dict(fields).items() if k not in other}
  value = {
    **{field: getattr(codec, field) for field in own},
    **{field: getattr(codec.grouping, field) for field in grouping},
    "options": options,
    "scaling": dataclasses.asdict(codec.scaling),
    "weights_sha256": weights_hash(codec.load()),
  }
  return json.loads(json.dumps(value))


def weights_hash(params: Any) -> str:
  """Hash of a codec's float32 arrays and their names, whatever the file."""
  digest = hashlib.sha256()
  for name, leaf in sorted(flatten_dict(dict(params), sep="/").items()):
    array = np.ascontiguousarray(leaf, np.float32)
    digest.update(f"{name} {array.shape}\0".encode())
    digest.update(array.tobytes())
  return digest.hexdigest() if params else ""


def build(
  out: str | os.PathLike,
  work: Work,
  process_index: int = 0,
  process_count: int = 1,
) -> dict | None:
  """Writes this process's share of OUT/<split>; the last one joins all.

  A killed run goes on at the part that it was writing. Equal latents that
  exist are kept, others never overwritten.

  Returns:
    The report {seen, kept, dropped, frames, already}, or None when parts of
    other processes are still missing.
  """
  out = Path(out)
  final = out / work.dataset.split
  recipe = work.describe()
  if final.exists():
    return {**builders.existing(final, recipe), "already": True}
  _check(work)
  digest = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]
  root = out / f".{work.dataset.split}.partial-{digest}"
  own = root / f"process-{process_index:04d}"
  own.mkdir(parents=True, exist_ok=True)
  cuts = parts.ranges(len(work.dataset))
  encode = Encoder(work)
  with (
    parts.lock(own),
    Progress("latents", len(work.dataset), "scene") as progress,
  ):
    parts.run(
      root,
      range(process_index, len(cuts), process_count),
      lambda number: functools.partial(_write_part, encode, cuts[number]),
      done=lambda number: progress.update(len(cuts[number])),
    )
  return _join(root, final, work, len(cuts))


def _check(work: Work) -> None:
  context = work.codecs["context"]
  if context.grouping.frames_per_latent != 1:
    raise InputError(
      "config.codecs.context.frames_per_latent: context views are single"
      f" images, {context.name} takes"
      f" {context.grouping.frames_per_latent}; use an"
      " image codec"
    )
  for row in work.dataset.scenes:
    for codec in work.codecs.values():
      if row.height % codec.spatial or row.width % codec.spatial:
        raise InputError(
          f"{work.dataset.directory}: scene {row.key}: {row.height}x{row.width}"
          f" frames, {codec.name} needs multiples of {codec.spatial}; prepare"
          " with another --size"
        )
  sizes = {(row.height, row.width) for row in work.dataset.scenes}
  if len(sizes) > 1:
    raise InputError(
      f"{work.dataset.directory}: frames of {len(sizes)} sizes; prepare with"
      " one --size"
    )


def _join(root: Path, final: Path, work: Work, count: int) -> dict | None:
  """Joins the parts when all are there; None otherwise."""
  folders = [parts.folder(root, number) for number in range(count)]
  if not all(folder.exists() for folder in folders):
    return None
  recipe = work.describe()
  try:
    with parts.lock(root):
      reports = [writer.read_part(folder) for folder in folders]
      dropped = [item for report in reports for item in report["dropped"]]
      kept = sum(report["scenes"] for report in reports)
      report = {
        "seen": kept + len(dropped),
        "kept": kept,
        "dropped": dropped,
        "warnings": [],
        "frames": sum(report["frames"] for report in reports),
      }
      if not kept:
        shutil.rmtree(root)
        raise InputError(
          f"{work.dataset.directory}: all {len(dropped)} scenes were dropped;"
          f" the first, {dropped[0]['scene']}: {dropped[0]['reason']}"
        )
      info = {
        "kind": KIND,
        "codecs": stored_codecs(work),
        "flipped": work.options.flipped,
        "recipe": recipe,
        "report": report,
      }
      directory = root / "split"
      latent_writer.merge(folders, directory, work.dataset.split, info)
      builders.publish(directory, final)
  except FileNotFoundError:
    return None  # another process joins them
  builders.tidy(final.parent, work.dataset.split)
  return {**report, "already": False}


def stored_codecs(work: Work) -> dict:
  """Identities of the codecs, with dtype and shape of a stored latent."""
  row = work.dataset.scenes[0]
  return {
    part: {
      **work.identities[part],
      "dtype": work.options.dtype,
      "shape": [
        row.height // codec.spatial,
        row.width // codec.spatial,
        codec.channels,
      ],
    }
    for part, codec in work.codecs.items()
  }


class Encoder:
  """Encodes whole scenes; compiled once per shape of a tile."""

  def __init__(self, work: Work):
    self.work = work
    self._mesh = make_mesh(devices=jax.local_devices())
    self._functions = {
      part: _encode_function(codec, work.options)
      for part, codec in work.codecs.items()
    }

  def scene(
    self, row: SceneRow, images: np.ndarray, cameras: Cameras
  ) -> EncodedLatents:
    """Latents of a clip, images uint8 [T, H, W, 3] and cameras [T].

    Raises:
      InputError: too few frames, or latents that overflow 16 bits.
    """
    where = f"{self.work.dataset.directory}: scene {row.key}"
    try:
      self.work.sampler.check_frames(len(images))
    except InputError as error:
      raise InputError(f"{where}: {error}") from None
    found: dict[str, list[np.ndarray]] = {part: [] for part in self._functions}
    for flipped in (False, True) if self.work.options.flipped else (False,):
      frames = transforms.flip(images, cameras)[0] if flipped else images
      for number, part in enumerate(sorted(found)):
        key = _key(self.work.options.seed, row.key, 2 * number + flipped)
        latents = self._encode(part, np.ascontiguousarray(frames), key)
        if not np.isfinite(latents.astype(np.float32)).all():
          raise InputError(
            f"{where}: {part} latents overflow {self.work.options.dtype}; use"
            " --dtype=bfloat16"
          )
        found[part].append(latents)
    return EncodedLatents(
      key=row.key,
      context=found["context"],
      target=found["target"],
      cameras=cameras,
      size=(row.height, row.width),
      source=row.source,
    )

  def _encode(self, part: str, images: np.ndarray, key: Array) -> np.ndarray:
    """uint8 [T, H, W, 3] -> latents [L, h, w, C] in the stored dtype."""
    codec, function = self.work.codecs[part], self._functions[part]
    pieces = []
    with jax.set_mesh(self._mesh):
      params = codec.params
      for number, (tiles, count) in enumerate(_tiles(codec, images)):
        piece = function(params, tiles, jax.random.fold_in(key, number))
        piece = rearrange(np.asarray(piece), "n l h w c -> (n l) h w c")
        pieces.append(piece[:count])
    return np.concatenate(pieces)


def _encode_function(
  codec: Codec, options: Options
) -> Callable[[Any, Array, Array], Array]:
  """(params, images uint8 [N T H W 3], key) -> raw latents [N L h w C]."""

  @jax.jit
  def function(params: Any, images: Array, key: Array) -> Array:
    images = images.astype(jnp.float32) / 255.0
    latents = codec.encode(params, images, key if options.sample else None)
    return codec.scaling.restore(latents).astype(DTYPES[options.dtype])

  return function


def _tiles(
  codec: Codec, images: np.ndarray
) -> Iterator[tuple[np.ndarray, int]]:
  """Groups of tiles [N, T, H, W, 3], and how many latents of them count.

  Frames that fill no latent are left out. Full groups are padded with
  repeated tiles; a last tile of fewer frames is a group of its own, because
  a codec may look at a whole tile.
  """
  unit, tile = codec.grouping.unit_frames, codec.grouping.unit_frames
  if not codec.grouping.chunked:
    tile = TILE_FRAMES // unit * unit or unit
  per_tile = codec.grouping.latents(tile)
  usable = codec.frames(codec.latents(len(images)))
  images = images[:usable]
  if unit == 1 and len(images) % tile:  # single images: padding is harmless
    padding = np.repeat(images[-1:], -len(images) % tile, axis=0)
    padded = np.concatenate([images, padding])
  else:
    padded = images[: len(images) // tile * tile]
  whole = rearrange(padded, "(n t) h w c -> n t h w c", t=tile)
  left = codec.latents(usable)
  for start in range(0, len(whole), _TILES):
    group = whole[start : start + _TILES]
    count = min(len(group) * per_tile, left)
    left -= count
    missing = _TILES - len(group)
    if missing:
      group = np.concatenate([group, np.repeat(group[-1:], missing, axis=0)])
    yield group, count
  if left:
    yield images[None, len(padded) :], left


def _key(seed: int, name: str, number: int) -> Array:
  """A key of a scene: its name decides, not its place or its process."""
  digest = hashlib.sha256(name.encode()).digest()
  key = jax.random.fold_in(
    jax.random.key(seed), int.from_bytes(digest[:4], "little")
  )
  return jax.random.fold_in(key, number)


def _write_part(
  encoder: Encoder, numbers: Sequence[int], directory: Path
) -> None:
  """Writes the good scenes of a part and reports the others."""
  dropped = []
  part = latent_writer.PartWriter(directory)
  rows = [encoder.work.dataset.scenes[i] for i in numbers]
  try:
    for row, clip in _read_ahead(encoder.work.dataset, rows):
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

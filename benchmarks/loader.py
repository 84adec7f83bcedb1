"""Latent records against whole .npz scene files, on the same latents.

  python -m benchmarks.loader [--scenes 64] [--json FILE]

Smooth random latents (16x16x32 of every frame, 8x8x128 of every four) are
written to a temporary folder twice: as `scenetok latents` stores them, and as
the authors do, two compressed .npz files a scene. Both readers then make the
same examples of 12 context and 8 target latents, in turns, one at a time in
this process; then in batches from the same Grain pipeline. Files are in the
page cache: reading from a disk adds what the bytes say.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
from einops import rearrange

from data_pipelines.latents import records
from data_pipelines.latents import writer as latent_writer
from data_pipelines.latents.records import LatentDataset
from data_pipelines.latents.writer import EncodedLatents
from data_pipelines.loading import loader, usage
from data_pipelines.loading.benchmark import megabytes_per_sample
from data_pipelines.loading.examples import Examples
from data_pipelines.loading.view_readers import LatentReader
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax import console
from scenetok_jax.io import write_json
from scenetok_jax.types import Cameras, InputError
from scenetok_jax.workdir.config import load_config

CONFIG = "configs/scenetok_re10k.py"  # 12 context views, 8 target latents
SHAPES = {"context": (16, 16, 32), "target": (8, 8, 128)}
_UNIT = 4  # frames per target latent
_PER_PART = 16  # scenes a shard
_ROUNDS = 5
_FORMS = ("compressed", "stored")


def main(argv: Sequence[str] | None = None) -> int:
  """Prints both; writes samples_per_second_ratio and bytes_per_sample_ratio."""
  args = _parser().parse_args(argv)
  if args.scenes < 1 or not 32 <= args.frames[0] <= args.frames[1]:
    raise InputError("--scenes, --frames: at least 1 and 32, in order")
  config = load_config(CONFIG)
  with tempfile.TemporaryDirectory(dir=args.folder) as folder:
    root = Path(folder)
    make(root, args.scenes, tuple(args.frames), args.seed)
    data = LatentDataset(root / "records")
    sampler = ViewSampler.from_config(config.data)
    ours = Examples(LatentReader(data), sampler, 1, flip=False)
    theirs = {form: WholeFiles(data, root / form, sampler) for form in _FORMS}
    check_equal(data, theirs)
    result = {
      "scenes": args.scenes,
      "frames": sum(row.frames for row in data.scenes),
      **disk(root),
      **read_bytes(ours, theirs, args.samples),
      **one_by_one(ours, theirs, args.samples),
      **in_batches(ours, theirs["compressed"], args.seconds),
    }
  print(table(result))
  if args.json:
    write_json(args.json, result)
  return 0


@dataclasses.dataclass(frozen=True)
class WholeFiles:
  """Examples as the authors read them: both files of a scene, all of them."""

  data: LatentDataset
  root: Path
  sampler: ViewSampler

  def __call__(
    self, item: tuple[int, int], rng: np.random.Generator
  ) -> dict[str, dict[str, np.ndarray]]:
    """(index, scene number), rng -> context and target views, float32."""
    _, number = item
    key = self.data.scenes[number].key
    context, target = (
      _load(self.root / part / f"{key}.npz") for part in SHAPES
    )
    choice = self.sampler.sample(rng, context["extrinsics"].astype("f4"))
    return {
      "context": _views(context, choice.context, choice.context),
      "target": _views(target, choice.target, choice.latents),
    }


def _load(path: Path) -> dict[str, np.ndarray]:
  with np.load(path, allow_pickle=False) as file:
    return {name: file[name] for name in file.files}


def _views(file: dict, frames: np.ndarray, latents: np.ndarray) -> dict:
  return {
    "latents": file["latent"][latents].astype("f4"),
    "extrinsics": file["extrinsics"][frames].astype("f4"),
    "intrinsics": file["intrinsics"][frames].astype("f4"),
  }


def make(
  root: Path,
  scenes: int,
  frames: tuple[int, int],
  seed: int,
  chunks: Mapping[str, int] = records.CHUNKS,
) -> None:
  """ROOT/records, ROOT/compressed and ROOT/stored of the same latents.

  chunks: latents of a scene that share a record, by part.
  """
  rng = np.random.default_rng(seed)
  parts = []
  for part in SHAPES:
    for form in _FORMS:
      (root / form / part).mkdir(parents=True)
  with console.Progress("scenes", scenes, "scene") as progress:
    for start in range(0, scenes, _PER_PART):
      parts.append(root / f"part-{start}")
      writer = latent_writer.PartWriter(parts[-1], chunks)
      for number in range(start, min(start + _PER_PART, scenes)):
        scene = random_scene(f"scene{number}", rng, frames)
        writer.add(scene)
        write_npz(root, scene)
        progress.update()
      writer.close({"dropped": []})
  info = {
    "kind": records.KIND,
    "codecs": {
      part: {"dtype": "float16", "shape": list(shape), "chunk": chunks[part]}
      for part, shape in SHAPES.items()
    },
    "flipped": False,
  }
  latent_writer.merge(parts, root / "records" / "train", "train", info)


def random_scene(
  key: str, rng: np.random.Generator, frames: tuple[int, int]
) -> EncodedLatents:
  """Latents that change smoothly, as of a slow camera; a path that turns."""
  count = int(rng.integers(frames[0], frames[1] + 1)) // _UNIT * _UNIT
  angle = np.cumsum(rng.normal(0.01, 0.005, count))
  poses = np.tile(np.eye(4), (count, 1, 1))
  poses[:, 0, 0] = poses[:, 2, 2] = np.cos(angle)
  poses[:, 0, 2], poses[:, 2, 0] = np.sin(angle), -np.sin(angle)
  poses[:, :3, 3] = np.cumsum(rng.normal(0, 0.03, (count, 3)), axis=0)
  intrinsics = np.array([[0.9, 0, 0.5], [0, 1.6, 0.5], [0, 0, 1]])
  return EncodedLatents(
    key=key,
    context=[smooth(rng, count, SHAPES["context"])],
    target=[smooth(rng, count // _UNIT, SHAPES["target"])],
    cameras=Cameras(
      poses.astype(np.float32),
      np.tile(intrinsics, (count, 1, 1)).astype(np.float32),
    ),
    size=(256, 256),
    source="random",
  )


def smooth(
  rng: np.random.Generator, count: int, shape: tuple[int, int, int]
) -> np.ndarray:
  """float16 [count, h, w, C]: linear between knots in time and space."""
  height, width, channels = shape
  times, rows, columns = (
    _ramps(n, max(n // every, 2))
    for n, every in ((count, 8), (height, 4), (width, 4))
  )
  sizes = times.shape[1], rows.shape[1], columns.shape[1], channels
  knots = rng.standard_normal(sizes, dtype=np.float32)
  knots *= rng.uniform(0.5, 3.0, channels).astype(np.float32)  # as VA-VAE's
  found = np.einsum("tk,kabc->tabc", times, knots)
  found = np.einsum("ha,tabc->thbc", rows, found)
  return np.einsum("wb,thbc->thwc", columns, found).astype(np.float16)


def _ramps(count: int, knots: int) -> np.ndarray:
  """float32 [count, knots]: weights of linear interpolation."""
  place = np.linspace(0, knots - 1, count)[:, None]
  weights = np.maximum(0, 1 - np.abs(place - np.arange(knots)))
  return weights.astype(np.float32)


def write_npz(root: Path, scene: EncodedLatents) -> None:
  """A scene as the authors store it: [L, C, h, w] and cameras, float16."""
  for part in SHAPES:
    arrays = {
      "latent": rearrange(getattr(scene, part)[0], "l h w c -> l c h w"),
      "extrinsics": scene.cameras.extrinsics.astype(np.float16),
      "intrinsics": scene.cameras.intrinsics.astype(np.float16),
    }
    name = f"{part}/{scene.key}.npz"
    np.savez_compressed(root / "compressed" / name, **arrays)
    np.savez(root / "stored" / name, **arrays)


def check_equal(data: LatentDataset, theirs: dict[str, WholeFiles]) -> None:
  """Both readers must have the same latents."""
  for row in (data.scenes[0], data.scenes[-1]):
    for part in SHAPES:
      count = row.frames if part == "context" else row.frames // _UNIT
      found = data.read(row, part, np.arange(count))
      for form, reader in theirs.items():
        latent = _load(reader.root / part / f"{row.key}.npz")["latent"]
        expected = rearrange(latent, "l c h w -> l h w c")
        if not np.array_equal(found, expected):
          raise AssertionError(f"{row.key}: {part}: {form} differs")


def disk(root: Path) -> dict[str, Any]:
  """Sizes of all files, cameras and indices included."""

  def size(name: str) -> int:
    files = (root / name).rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())

  sizes = {name: size(name) for name in ("records", *_FORMS)}
  return {
    "disk_bytes": sizes,
    "disk_ratio": sizes["records"] / sizes["compressed"],
  }


def read_bytes(
  ours: Examples, theirs: dict[str, WholeFiles], count: int
) -> dict[str, Any]:
  """MB a sample, as the kernel counts what is asked of files."""
  own = megabytes_per_sample(ours, count)
  found: dict[str, float | None] = {"records": own}
  for form, reader in theirs.items():
    rng = np.random.default_rng(0)
    before = usage.bytes_read()
    for index in range(count):
      reader((index, int(rng.integers(len(reader.data)))), rng)
    after = usage.bytes_read()
    if before is not None and after is not None:
      found[form] = (after - before) / count / 1e6
  ratio = (found["compressed"] or 0) / own if own else None
  return {"megabytes_per_sample": found, "bytes_per_sample_ratio": ratio}


def one_by_one(
  ours: Examples, theirs: dict[str, WholeFiles], count: int
) -> dict[str, Any]:
  """Samples a second in one thread, in turns; the middle of the rounds."""
  readers: dict[str, Callable] = {"records": ours, **theirs}
  speeds: dict[str, list[float]] = {name: [] for name in readers}
  for turn in range(_ROUNDS + 1):
    for name, reader in readers.items():
      rng = np.random.default_rng(turn)
      scenes = rng.integers(len(ours.reader.dataset), size=count)
      start = time.perf_counter()
      for index, number in enumerate(scenes):
        reader((index, int(number)), rng)
      if turn:  # the first one fills the page cache
        speeds[name].append(count / (time.perf_counter() - start))
  middle = {name: statistics.median(found) for name, found in speeds.items()}
  return {
    "samples_per_second": middle,
    "samples_per_second_ratio": middle["records"] / middle["compressed"],
    "samples_per_second_ratio_stored": middle["records"] / middle["stored"],
    "samples_per_second_rounds": speeds,
  }


def in_batches(
  ours: Examples, theirs: WholeFiles, seconds: float
) -> dict[str, Any]:
  """The same in batches of 16 from Grain, in threads and worker processes."""
  found = {}
  for workers in (0, 2):
    name = f"{workers}_workers"
    speeds = {
      "records": _stream(ours, workers, seconds),
      "compressed": _stream(theirs, workers, seconds),
    }
    found[name] = {**speeds, "ratio": speeds["records"] / speeds["compressed"]}
  return {"stream_samples_per_second": found}


def _stream(reader: Any, workers: int, seconds: float, size: int = 16) -> float:
  data = reader.data if isinstance(reader, WholeFiles) else None
  data = data or reader.reader.dataset
  stream = loader.example_stream(reader, range(len(data)), seed=0)
  shard = grain.sharding.ShardOptions(0, 1, drop_remainder=True)
  iterator = loader.TrainIterator(loader.batches(stream, size, workers, shard))
  for _ in range(8):  # beyond what was made ahead while workers started
    next(iterator)
  start, done = time.perf_counter(), 0
  while (elapsed := time.perf_counter() - start) < seconds:
    next(iterator)
    done += size
  iterator.close()
  return done / elapsed


def table(result: dict[str, Any]) -> str:
  """The result as rows of Markdown."""
  disk_, read = result["disk_bytes"], result["megabytes_per_sample"]
  speed, streams = (
    result[f"{name}samples_per_second"] for name in ("", "stream_")
  )
  lines = [
    f"{result['scenes']} scenes, {result['frames']} frames",
    "| | records | .npz as the authors | .npz stored |",
    "|---|---|---|---|",
    _row("MB on disk", [disk_[n] / 1e6 for n in ("records", *_FORMS)]),
    _row("MB read a sample", [read[n] for n in ("records", *_FORMS)], 3),
    _row("samples/s, one thread", [speed[n] for n in ("records", *_FORMS)]),
  ]
  for name, row in streams.items():
    values = [row["records"], row["compressed"], None]
    lines.append(_row(f"samples/s, batches, {name[0]} workers", values))
  ratios = (
    f"records / .npz: {result['samples_per_second_ratio']:.1f}x samples/s"
    f" ({result['samples_per_second_ratio_stored']:.1f}x of stored .npz),"
    f" {result['disk_ratio']:.3f}x disk"
  )
  if result["bytes_per_sample_ratio"]:
    ratios += f", 1/{result['bytes_per_sample_ratio']:.1f} of the bytes read"
  return "\n".join([*lines, ratios])


def _row(name: str, values: Sequence[float | None], digits: int = 1) -> str:
  cells = ["" if v is None else f"{v:.{digits}f}" for v in values]
  return f"| {' | '.join([name, *cells])} |"


def _parser() -> argparse.ArgumentParser:
  parser = console.parser("benchmarks.loader", __doc__ or "")
  add = parser.add_argument
  add("--scenes", type=int, default=64)
  add("--frames", type=int, nargs=2, default=(200, 300), help="fewest and most")
  add("--samples", type=int, default=48, help="of each kind in each round")
  add("--seconds", type=float, default=8.0, help="of each stream of batches")
  add("--seed", type=int, default=0)
  add("--folder", default=None, help="where the temporary folder is made")
  add("--json", metavar="FILE", help="also write the numbers here")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))

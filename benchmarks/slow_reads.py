"""Samples a second where every read takes 30 ms, as from a bucket.

  python -m benchmarks.slow_reads [--milliseconds 30] [--json FILE]

Latents as `benchmarks.loader` makes them are read with a sleep before every
record. One data worker is measured, in this process, and counted --workers
times: they share nothing. The yardstick is a loader that makes a batch example
by example from records of one latent.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grain

from benchmarks.loader import CONFIG, make
from data_pipelines.latents.records import CHUNKS, LatentDataset
from data_pipelines.loading import loader
from data_pipelines.loading.benchmark import megabytes_per_sample
from data_pipelines.loading.examples import Examples
from data_pipelines.loading.view_readers import LatentReader
from data_pipelines.views.samplers import ViewSampler
from scenetok_jax import console
from scenetok_jax.io import write_json
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config

_BATCH = 16  # of this host: 128 over 8 hosts
_SINGLE = {"context": 1, "target": 1}


class SlowSource:
  """A record source whose every read waits first; counts them."""

  def __init__(self, source: Any, seconds: float):
    self._source, self._seconds = source, seconds
    self.reads = 0

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, number: int) -> bytes:
    self.reads += 1
    time.sleep(self._seconds)
    return self._source[number]


def main(argv: Sequence[str] | None = None) -> int:
  """Prints both loaders; writes samples_per_second and their ratio."""
  args = _parser().parse_args(argv)
  if min(args.milliseconds, args.seconds) <= 0 or args.workers < 1:
    raise InputError("--milliseconds, --seconds, --workers: must be positive")
  sampler = ViewSampler.from_config(load_config(CONFIG).data)
  chunks = CHUNKS
  if args.chunks:
    chunks = dict(zip(chunks, args.chunks, strict=True))
  result = {"milliseconds": args.milliseconds, "workers": args.workers}
  settings = {"before": (_SINGLE, 1), "now": (chunks, args.threads)}
  for name, (sizes, threads) in settings.items():
    with tempfile.TemporaryDirectory() as folder:
      root = Path(folder)
      make(root, args.scenes, (200, 300), 0, sizes)
      result[name] = {
        "chunks": sizes,
        "threads": threads,
        **_measure(root, sampler, threads, args),
      }
  speeds = [result[name]["samples_per_second"] for name in settings]
  result["ratio"] = speeds[1] / speeds[0]
  print(_table(result))
  if args.json:
    write_json(args.json, result)
  return 0


def _measure(
  root: Path, sampler: ViewSampler, threads: int, args: argparse.Namespace
) -> dict[str, float | None]:
  data = LatentDataset(root / "records")
  examples = Examples(LatentReader(data), sampler, _BATCH, flip=False)
  size = megabytes_per_sample(examples, 32)
  slow = {
    part: SlowSource(source, args.milliseconds / 1e3)
    for part, source in data._sources.items()
  }
  data._sources = slow
  stream = loader.example_stream(examples, range(len(data)), seed=0)
  shard = grain.sharding.ShardOptions(0, 1, drop_remainder=True)
  elastic = loader.batches(stream, _BATCH, 0, shard, threads)
  iterator = loader.TrainIterator(elastic)
  next(iterator)
  start, samples = time.perf_counter(), 0
  reads = sum(source.reads for source in slow.values())
  while time.perf_counter() - start < args.seconds or samples < 4 * _BATCH:
    next(iterator)
    samples += _BATCH
  elapsed = time.perf_counter() - start
  reads = sum(source.reads for source in slow.values()) - reads
  iterator.close()
  return {
    "samples_per_second": args.workers * samples / elapsed,
    "reads_per_sample": reads / samples,
    "megabytes_per_sample": size,
  }


def _table(result: dict[str, Any]) -> str:
  lines = [
    f"{result['milliseconds']:g} ms a read, {result['workers']} workers",
    "| | latents a record | threads | reads a sample | MB a sample |"
    " samples/s |",
    "|---|---|---|---|---|---|",
  ]
  for name in ("before", "now"):
    row = result[name]
    sizes = ", ".join(map(str, row["chunks"].values()))
    numbers = (
      f"{row['reads_per_sample']:.1f} | {row['megabytes_per_sample']:.3f}"
    )
    speed = f"{row['samples_per_second']:.0f}"
    lines.append(
      f"| {name} | {sizes} | {row['threads']} | {numbers} | {speed} |"
    )
  return "\n".join(
    [*lines, f"{result['ratio']:.1f} times the samples a second"]
  )


def _parser() -> argparse.ArgumentParser:
  parser = console.parser("benchmarks.slow_reads", __doc__ or "")
  add = parser.add_argument
  add("--milliseconds", type=float, default=30.0, help="of each read")
  add("--workers", type=int, default=8)
  add("--threads", type=int, default=64, help="examples read at once, a worker")
  add("--chunks", type=int, nargs=2, help="latents a record: context, target")
  add("--scenes", type=int, default=16)
  add("--seconds", type=float, default=10.0, help="of each loader")
  add("--json", metavar="FILE", help="also write the numbers here")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))

"""How fast a configuration's training data are read."""

import time
from typing import Any

import jax
import numpy as np

from data_pipelines.loading import loader, usage
from data_pipelines.loading.examples import Examples, open_examples
from data_pipelines.storage.records import CAMERA_FLOATS
from scenetok_jax.types import InputError

_WARM_UP = 2  # batches: workers start, files are opened


def measure(
  config: Any, seconds: float = 10.0, samples: int = 32
) -> dict[str, Any]:
  """Speed, bytes and processor time of a configuration's training data.

  Args:
    config: a whole training configuration.
    seconds: how long to read.
    samples: samples whose bytes are counted.

  Returns:
    JSON; megabytes_per_sample is None where the system does not count them.
  """
  if not 0 < seconds <= 86_400 or samples < 1:
    raise InputError("--seconds, --samples: must be positive, a day at most")
  workers = loader.count_workers(config.data.workers)
  return {
    "data": config.data.get("latents") or config.data.path,
    "split": config.data.split,
    "batch_size": config.data.batch_size,
    "processes": jax.process_count(),
    "workers": workers,
    "cores": usage.cores(),
    **_bytes(config, samples),
    **_speed(config, seconds),
  }


def summary(result: dict[str, Any]) -> str:
  """The numbers of `measure` for a person."""
  read = result["megabytes_per_sample"]
  read = "not counted here" if read is None else f"{read:.3f} MB a sample"
  return (
    f"{result['data']}/{result['split']}: {result['samples']} samples of this"
    f" process in {result['seconds']:.1f} s, {result['workers']} workers\n"
    f"speed      {result['samples_per_second']:.1f} samples/s"
    f" ({result['batches_per_second']:.2f} batches/s)\n"
    f"read       {read}\n"
    f"processor  {result['cpu_share']:.0%} of {result['cores']} cores,"
    f" {1000 * result['cpu_seconds_per_sample']:.2f} ms a sample"
  )


def megabytes_per_sample(
  examples: Examples, count: int, seed: int = 0
) -> float | None:
  """MB that files are asked for by an example, on average; see usage.

  The cameras of a scene come from a memory-mapped index: they are added.
  """
  scenes, numbers = examples.reader.dataset.scenes, examples.numbers
  before: int | None = None
  cameras = 0
  for measured in (False, True):  # the first time opens the files
    rng = np.random.default_rng(seed)
    before = usage.bytes_read()
    for index in range(count):
      number = numbers[rng.integers(len(numbers))]
      examples((index, number), rng)
      # A view reader takes them again; the page cache has them by then.
      cameras += measured * 4 * CAMERA_FLOATS * scenes[number].frames
  after = usage.bytes_read()
  if before is None or after is None:
    return None
  return (after - before + cameras) / count / 1e6


def _bytes(config: Any, count: int) -> dict[str, Any]:
  data = config.data.copy_and_resolve_references()
  data.cache = False  # it would hide what is read
  # Reading costs the same whatever made the latents: no codec is asked for.
  examples = open_examples(data, codecs=dict)
  return {"megabytes_per_sample": megabytes_per_sample(examples, count)}


def _speed(config: Any, seconds: float) -> dict[str, Any]:
  """Takes batches from the training stream for a while."""
  iterator = loader.train_iterator(config.data, seed=config.seed, codecs=dict)
  try:
    for _ in range(_WARM_UP):
      next(iterator)
    start, busy, done = time.monotonic(), usage.cpu_seconds(), 0
    while (elapsed := time.monotonic() - start) < seconds or not done:
      next(iterator)
      done += 1
    elapsed = time.monotonic() - start
    busy = usage.cpu_seconds() - busy
  finally:
    iterator.close()
  samples = done * config.data.batch_size // jax.process_count()
  return {
    "samples": samples,
    "seconds": elapsed,
    "samples_per_second": samples / elapsed,
    "batches_per_second": done / elapsed,
    "cpu_share": busy / elapsed / usage.cores(),
    "cpu_seconds_per_sample": busy / samples,
  }

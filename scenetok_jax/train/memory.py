"""Out of memory, in words: what was needed, and which field needs less."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import jax
from ml_collections import ConfigDict

from scenetok_jax.io import gib
from scenetok_jax.nn.remat import REMAT_POLICIES
from scenetok_jax.parallel.mesh import batch_ways, mesh_shape
from scenetok_jax.train.forecast import POLICIES
from scenetok_jax.types import InputError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@contextlib.contextmanager
def memory_advice(config: ConfigDict) -> Iterator[None]:
  """InputError with advice, of one line, where devices have too little memory.

  config: without "auto". Other errors pass.
  """
  try:
    yield
  except jax.errors.JaxRuntimeError as error:
    if "RESOURCE_EXHAUSTED" not in str(error):
      raise
    raise InputError(
      f"out of memory: {_told(str(error))}; {'; '.join(advice(config))}"
    ) from error


def _told(message: str) -> str:
  """What was needed and what there is."""
  stats = jax.local_devices()[0].memory_stats() or {}
  limit = stats.get("bytes_limit")
  has = f", of the {gib(limit)} of a device" if limit else ""
  if needed := needed_bytes(message, 0):
    capacity = re.search(r" of ([\d.]+)(\w?) hbm", message)
    has = f", a device has {gib(_bytes(capacity))}" if capacity else has
    return f"a step needs {gib(needed)}{has}"
  if wanted := re.search(r"allocat\w+ ([\d.]+) ?([KMGT]?)", message):
    used = stats.get("bytes_in_use")
    beside = f" beside the {gib(used)} in use" if used else ""
    return f"{gib(_bytes(wanted))} were asked for{beside}{has}"
  return " ".join(message.split())[:200]


def advice(config: ConfigDict) -> list[str]:
  """Fields that would need less memory, the cheapest first.

  config: without "auto".
  """
  found = []
  if config.dtype == "float32" and jax.default_backend() != "cpu":
    found.append("--config.dtype=bfloat16 (in a new workdir)")
  policies = [*REMAT_POLICIES]  # the one that keeps least comes first
  lower = policies[: policies.index(config.remat)]
  found += [f"--config.remat={name}" for name in POLICIES if name in lower]
  sizes = mesh_shape(dict(config.mesh), jax.device_count())
  if sizes["data"] > 1:
    size = next(
      n for n in range(2, sizes["data"] + 1) if sizes["data"] % n == 0
    )
    found.append(f"--config.mesh.fsdp={sizes['fsdp'] * size}")
  batch, steps = config.data.batch_size, 2 * config.train.accumulate
  if batch % (batch_ways(sizes) * steps) == 0:
    found.append(f"--config.train.accumulate={steps} (in a new workdir)")
  return [
    *([f"set {' or '.join(found)}"] if found else []),
    "use more or larger devices, or a smaller --config.data.batch_size",
  ]


def needed_bytes(message: str, held: int) -> int | None:
  """Bytes that a program needs, from the compiler's out-of-memory error.

  None for any other error. held: bytes of the program's inputs, which some
  messages leave out.
  """
  if "RESOURCE_EXHAUSTED" not in message:
    return None
  if match := re.search(r"HLO temporaries \(([\d.]+)(\w?)\)", message):
    return _bytes(match) + held
  if match := re.search(r"[Uu]sed ([\d.]+)(\w?) of [\d.]+\w? hbm", message):
    return _bytes(match)
  return None


def _bytes(match: Any) -> int:
  return int(float(match[1]) * _UNITS[match[2]])

"""Replaces "auto" in a configuration by what suits the run's devices."""

import itertools
import os
from typing import Any

import jax
from ml_collections import ConfigDict

from data_pipelines.loading.loader import count_workers
from scenetok_jax.io import gib, locate
from scenetok_jax.ops.compute import Compute, cudnn_lack
from scenetok_jax.parallel.mesh import filled_sizes
from scenetok_jax.parallel.runtime import gather_bytes, is_lead, processes_here
from scenetok_jax.reading.shown import remark
from scenetok_jax.train import forecast
from scenetok_jax.types import AUTO
from scenetok_jax.workdir.stored_config import CONFIG_FILE, load_stored_config

PathLike = str | os.PathLike[str]


def resolve(config: ConfigDict, workdir: PathLike | None = None) -> ConfigDict:
  """A copy in which nothing is "auto"; every process of the job must call it.

  On CPUs float32, nothing recomputed, all devices on the data axis. Elsewhere
  bfloat16, the fused attention of the device if it has one, and mesh and remat
  policy by with_place. As many data workers as suit the host. A run that goes
  on keeps the dtype of its workdir.
  """
  devices = jax.devices()
  config = with_compute(config, devices[0], workdir)
  if devices[0].platform != "cpu" and not is_placed(config):
    config = with_place(config, devices, _least_memory())
  if config.remat == AUTO:
    config.remat = "none"
  config.mesh = filled_sizes(config.mesh)
  config.data.workers = count_workers(config.data.workers, processes_here())
  return config


def with_compute(
  config: ConfigDict, device: Any, workdir: PathLike | None = None
) -> ConfigDict:
  """A copy with dtype and attention for a device, which need not exist.

  Where cuDNN cannot do the attention, a line on stderr says why.
  """
  config = config.copy_and_resolve_references()
  if config.dtype == AUTO and workdir is not None:
    config.dtype = _stored_dtype(workdir)
  chosen = Compute.of(config, lambda: device)
  asked = config.attention == AUTO and device.platform == "gpu"
  lack = cudnn_lack(config, device, chosen.dtype) if asked else None
  if lack and is_lead():
    remark(f"auto: attention=xla, for cudnn has {lack}")
  config.update({"dtype": chosen.dtype, "attention": chosen.attention})
  return config


def _stored_dtype(workdir: PathLike) -> str:
  exists = (locate(workdir) / CONFIG_FILE).exists()
  return load_stored_config(workdir).get("dtype", AUTO) if exists else AUTO


def is_placed(config: ConfigDict) -> bool:
  """Whether the configuration itself says mesh and remat policy."""
  return config.remat != AUTO and any(config.mesh.values())


def with_place(
  config: ConfigDict, devices: list[Any], memory: float
) -> ConfigDict:
  """A copy with mesh and remat policy for devices of so many bytes.

  The first whose forecast fits. Where none does, the smallest, with a line on
  stderr: a forecast may err.
  """
  steps, seen = config.train.accumulate, []
  # Micro-batches change what a step draws, so they stay.
  found = itertools.takewhile(
    lambda c: c.accumulate == steps, forecast.candidates(config, devices)
  )
  for candidate in found:
    seen.append(candidate)
    if forecast.fits(candidate, memory):
      return forecast.with_candidate(config, candidate)
  if not seen:
    return config  # whoever makes the mesh says what is wrong
  least = min(seen, key=lambda c: c.forecast_bytes)
  if is_lead():
    remark(
      f"auto: a device may need {gib(least.forecast_bytes)} and has"
      f" {gib(memory)}; more devices need less, and so does"
      f" --config.train.accumulate={2 * steps}"
    )
  return forecast.with_candidate(config, least)


def _least_memory() -> float:
  """Bytes that the smallest device of the job may use; inf if none tells."""
  known = [
    float((device.memory_stats() or {}).get("bytes_limit", "inf"))
    for device in jax.local_devices()
  ]
  # All processes must choose alike.
  return min(map(float, gather_bytes(repr(min(known)).encode())))

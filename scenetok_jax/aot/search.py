"""Compiles candidates for mesh and remat policy until one fits."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.aot.report import mesh_text
from scenetok_jax.aot.topology import Accelerator
from scenetok_jax.io import gib
from scenetok_jax.reading.shown import remark
from scenetok_jax.train import forecast

Compile = Callable[[ConfigDict], dict[str, Any]]  # -> aot.report.report's


def search(
  config: ConfigDict,
  devices: list[Any],
  chip: Accelerator,
  tries: int,
  compiled: Compile,
) -> dict[str, Any]:
  """The first candidate that the compiler finds to fit, with what was tried.

  Only what the configuration leaves "auto" is chosen, and the number of
  micro-batches. Where nothing fits: fits=False, and nothing_fits: why.
  """
  found = (
    candidate
    for candidate in forecast.candidates(config, devices)
    if forecast.fits(candidate, chip.hbm)
  )
  chosen = list(itertools.islice(found, tries - 1))
  # The last try goes to the one of all others that needs least.
  chosen += sorted(found, key=lambda other: other.forecast_bytes)[:1]
  tried: list[dict[str, Any]] = []
  for candidate in chosen:
    remark(
      f"compiling {mesh_text(candidate.mesh)}, remat={candidate.remat},"
      f" {candidate.accumulate} micro-batches; forecast"
      f" {gib(candidate.forecast_bytes)}"
    )
    result = compiled(forecast.with_candidate(config, candidate))
    needed = {"hbm_bytes_per_chip": result["hbm_bytes_per_chip"]}
    tried.append(dataclasses.asdict(candidate) | needed)
    if result["fits"]:
      return {**result, "tried": tried}
  how = (
    f"{len(tried)} candidates were compiled, the smallest among them"
    if tried
    else "by the forecast not even the smallest of the candidates does"
  )
  reason = (
    f"nothing fits {len(devices)} {chip.name} chips at a global batch of"
    f" {config.data.batch_size}: {how}; use more or larger chips"
  )
  return {"fits": False, "tried": tried, "nothing_fits": reason}

"""Compiles larger batches until one does not fit."""

import math
from collections.abc import Callable
from typing import Any

from scenetok_jax.reading.shown import remark

_TOLD = (
  "batch",
  "fits",
  "hbm_bytes_per_chip",
  "estimated_step_seconds",
  "frames_per_second",
  "scenes_per_minute",
)


def largest(
  compiled: Callable[[int], dict[str, Any]], first: int, tries: int
) -> dict[str, Any]:
  """The largest of first, 2 first, 4 first, ... that fits, with those tried.

  compiled: batch of a replica -> aot.report.report's values with "batch".
  tries: compilations at most. largest: whether twice as many were seen not to
  fit. Where not even `first` does: fits=False, and nothing_fits: why.
  """
  found: dict[int, dict[str, Any]] = {}
  power: int | None = 0
  while power is not None and len(found) < tries:
    remark(f"compiling a batch of {first << power}")
    found[power] = compiled(first << power)
    power = _next(found)
  tried = [{k: row[k] for k in _TOLD if k in row} for row in found.values()]
  if not found[0]["fits"]:
    reason = f"not even {first} at once fit; use larger chips or --mesh"
    return {**found[0], "tried": tried, "nothing_fits": reason}
  best = max(n for n in found if found[n]["fits"])
  return {**found[best], "tried": tried, "largest": best + 1 in found}


def _next(found: dict[int, dict[str, Any]]) -> int | None:
  """The power of two to compile next, None where the largest is known."""
  fits = [n for n in found if found[n]["fits"]]
  if not fits:
    return None
  best, least = max(fits), min(found.keys() - {*fits}, default=None)
  if least == best + 1:
    return None
  guess = max(best + 1, best + _doublings(found[best]))
  return guess if least is None else min(guess, least - 1)


def _doublings(result: dict[str, Any]) -> int:
  """How often a batch may double if all but the parameters grows with it."""
  held = result["memory"]["params"]
  room = result["hbm_capacity_bytes"] - held
  return int(math.log2(room / (result["hbm_bytes_per_chip"] - held)))

"""What an analysis found, and how it is told and written."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.evaluation.bootstrap import Interval
from scenetok_jax.io import write_json
from scenetok_jax.media import write_png
from scenetok_jax.outputs import Output

Tell = Callable[[str], None]  # is told every line as soon as it is known


@dataclasses.dataclass(frozen=True)
class Findings:
  """name: of the files. values: as JSON holds them.

  plots: by file name, what draws a plot, or writes a file, to a path. pictures:
  by file name, uint8 [H W 3].
  """

  name: str
  values: dict[str, Any]
  plots: Mapping[str, Callable[[Path], None]] = dataclasses.field(
    default_factory=dict
  )
  pictures: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


def write(findings: Findings, out: Output) -> list[str]:
  """Writes OUT/NAME.json, plots and pictures; the names of the files."""
  names = [f"{findings.name}.json", *findings.plots, *findings.pictures]
  file, *drawn = out.claim(*names)
  write_json(file, findings.values)
  draws = [*findings.plots.values()]
  for plot, path in zip(draws, drawn[: len(draws)], strict=True):
    plot(path)
  pictures = [*findings.pictures.values()]
  for picture, path in zip(pictures, drawn[len(draws) :], strict=True):
    write_png(path, picture)
  return sorted(names)


def verdict(claim: str, holds: bool, evidence: str) -> str:
  """A claim and whether it holds, for the screen."""
  return f"finding: {outcome(claim, holds)} ({evidence})"


def outcome(claim: str, holds: bool) -> str:
  """The same without evidence, for a title."""
  return f"{claim}: {'holds' if holds else 'DOES NOT HOLD'}"


def ends(interval: Interval) -> list[float]:
  """[low, high], as JSON holds an interval."""
  return [interval.low, interval.high]


def bar(interval: Interval) -> tuple[float, float, float]:
  """(value, low, high), as plots.bars takes it."""
  return interval.value, interval.low, interval.high

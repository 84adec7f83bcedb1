"""What an analysis found, and how it is told and written."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.evaluation.bootstrap import Interval
from scenetok_jax.io import write_json
from scenetok_jax.media import write_png

Tell = Callable[[str], None]  # is told every line as soon as it is known


@dataclasses.dataclass(frozen=True)
class Findings:
  """name: of the files. values: as JSON holds them.

  plots: by file name, what draws a plot to a path. pictures: by file name,
  uint8 [H W 3].
  """

  name: str
  values: dict[str, Any]
  plots: Mapping[str, Callable[[Path], None]] = dataclasses.field(
    default_factory=dict
  )
  pictures: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


def write(findings: Findings, folder: str | Path) -> list[str]:
  """Writes FOLDER/NAME.json, plots and pictures; the files that are there."""
  out = Path(folder)
  write_json(out / f"{findings.name}.json", findings.values)
  for name, plot in findings.plots.items():
    plot(out / name)
  for name, picture in findings.pictures.items():
    write_png(out / name, picture)
  return sorted(path.name for path in out.glob("*.*"))


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

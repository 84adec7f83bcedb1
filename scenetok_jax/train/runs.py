"""What runs have left in their workdirs, to be set side by side."""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.io import locate
from scenetok_jax.reading.json_text import parse
from scenetok_jax.reading.shown import shortened
from scenetok_jax.train.loggers import read_lines
from scenetok_jax.train.writer import EVAL_FILE, TRAIN_FILE
from scenetok_jax.types import InputError
from scenetok_jax.workdir.stored_config import flatten, load_stored_config

# {name: [(step, value)]}
Columns = Mapping[str, Sequence[tuple[int, float]]]

_LARGEST = 1e30  # ours: no loss or speed; beyond it axes overflow
_STEPS = 1 << 40
_LAST = 10  # ours: rows of which a final loss or speed is the mean
# Speeds, and what of them is better.
SPEEDS = ("examples_per_second", "step_seconds", "flop_utilisation")
_CELL = 200  # characters of a configuration's value


@dataclasses.dataclass(frozen=True)
class Run:
  """A run's configuration by field, its training rows and held-out scores.

  name: of its folder, or its whole path where two are called so. notes: what
  could not be read.
  """

  name: str
  config: Mapping[str, Any]
  train: Columns
  scores: Columns
  notes: tuple[str, ...] = ()

  @property
  def step(self) -> int:
    """The last one that was logged."""
    return max(step for rows in self.train.values() for step, _ in rows)


def read_run(workdir: str) -> Run:
  """A run's files; rows that are damaged are counted, not read.

  InputError where there is no configuration, or no row of training.
  """
  folder = locate(workdir)
  config = flatten(load_stored_config(workdir))
  notes: list[str] = []
  train = _columns(folder / TRAIN_FILE, notes)
  if not train:
    why = notes[0] if notes else f"{folder / TRAIN_FILE}: not there, or empty"
    raise InputError(f"{why}; give the workdir of a run that has trained")
  scores = _columns(folder / EVAL_FILE, notes)
  name = Path(os.path.normpath(workdir)).name
  return Run(name, config, train, scores, tuple(notes))


def read_runs(workdirs: Sequence[str]) -> tuple[list[Run], list[str]]:
  """The runs that can be read, and a line for each that cannot.

  InputError where none can.
  """
  runs, problems = [], []
  for workdir in workdirs:
    try:
      run = read_run(workdir)
    except InputError as error:
      problems.append(str(error))
    else:
      runs.append((workdir, run))
  if not runs:
    raise InputError("; ".join(problems))
  names = [run.name for _, run in runs]
  return [
    dataclasses.replace(run, name=where) if names.count(run.name) > 1 else run
    for where, run in runs
  ], problems


def differences(runs: Sequence[Run]) -> dict[str, list[str]]:
  """{field: its value in each run}, of the fields in which they differ."""
  found = {}
  for field in sorted({name for run in runs for name in run.config}):
    values = [run.config.get(field, "-") for run in runs]
    texts = [shortened(str(value), _CELL) for value in values]
    if any(value != values[0] for value in values):
      found[field] = texts
  return found


def finals(run: Run) -> dict[str, float]:
  """{"loss": the mean of the last rows, a score: the last, ...}."""
  last = {
    name: float(np.mean([value for _, value in run.train[name][-_LAST:]]))
    for name in ("loss", *SPEEDS)
    if name in run.train
  }
  return last | {name: rows[-1][1] for name, rows in run.scores.items()}


def _columns(path: Path, notes: list[str]) -> Columns:
  """Of the numbers in a file of JSON lines; damaged rows become a note."""
  found: dict[str, list[tuple[int, float]]] = defaultdict(list)
  damaged, lines = 0, read_lines(path)
  for line in lines:
    try:
      row = parse(line, str(path))
    except InputError:
      row = {}
    step = row.get("step")
    if type(step) is not int or not 0 <= step <= _STEPS:
      damaged += 1
      continue
    for name, value in row.items():
      if type(value) is float and abs(value) < _LARGEST:
        found[name].append((step, value))
  if damaged:
    notes.append(f"{path}: {damaged} of {len(lines)} rows are damaged")
  return found

"""Runs reference cases of the authors' release."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from scenetok_jax.parity.case import (
  CONFIG_FILE,
  Case,
  Row,
  compare_all,
  read_case,
  suggested,
)
from scenetok_jax.parity.fields import unread
from scenetok_jax.parity.kinds import kind_of
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class Result:
  """A case that was run, or why it could not be.

  rows: one per output, all failed where the case could not run.
  error: why it could not run, or that a field of its config.json is set which
  nothing reads; else None. bad_input: whether that is the case's fault rather
  than ours.
  """

  case: Case
  rows: list[Row]
  seconds: float
  error: str | None = None
  bad_input: bool = False


def run(paths: Sequence[str | Path]) -> Iterator[Result]:
  """Every case among the paths and directly below them, one by one.

  Raises:
    InputError: before any case is run, for a path without a case, a broken
      case, or one of an unknown kind.
  """
  cases = [read_case(folder) for folder in find_cases(paths)]
  for case in cases:
    kind_of(case)
  return (_result(case) for case in cases)


def _result(case: Case) -> Result:
  start = time.monotonic()
  error, bad_input = None, False
  try:
    rows = run_case(case)
    if names := list(unread(case.config)):
      bad_input = True
      error = (
        f"{CONFIG_FILE}: nothing reads {', '.join(names)}; correct"
        " the names or remove them"
      )
  except InputError as problem:
    error, bad_input = " ".join(str(problem).split()), True
    rows = _not_run(case, error)
  except Exception as problem:  # one case's fault must not hide the others
    error = " ".join(f"{type(problem).__name__}: {problem}".split())
    rows = _not_run(case, error)
  return Result(case, rows, time.monotonic() - start, error, bad_input)


def find_cases(paths: Sequence[str | Path]) -> list[Path]:
  """Case folders among the paths and directly below them.

  Raises:
    InputError: a path is no folder, or has no case in it.
  """
  found: list[Path] = []
  for path in map(Path, paths):
    if not path.is_dir():
      raise InputError(
        f"{path}: not a folder; give a case, or a folder of them"
      )
    if (path / CONFIG_FILE).is_file():
      inside = [path]
    else:
      inside = sorted(c.parent for c in path.glob(f"*/{CONFIG_FILE}"))
    if not inside:
      raise InputError(
        f"{path}: no case in it (a folder with {CONFIG_FILE}); give another"
      )
    found += inside
  return list(dict.fromkeys(found))


def run_case(case: Case) -> list[Row]:
  """Compares all outputs of a case, in float32 at the highest precision."""
  kind = kind_of(case)
  with (
    jax.default_matmul_precision("highest"),
    np.errstate(all="ignore"),  # inputs may be infinite: their rows tell
  ):
    found = kind.run(case)
    rows = compare_all(
      found, kind.reference(case), kind.rules(case), suggested(case)
    )
    return list(rows)


def _not_run(case: Case, reason: str) -> list[Row]:
  """Every output of a case, failed."""
  nan = float("nan")
  return [
    Row(name, np.shape(value), nan, nan, "", False, reason)
    for name, value in (case.outputs or {"case": 0}).items()
  ]

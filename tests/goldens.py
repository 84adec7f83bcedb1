"""Reference cases of the authors' release.

Whole ones from ../shared/goldens where that folder exists; otherwise small
ones, or parts, that lie in tests/goldens (see its README.md).
"""

import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np
import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[1]
SMALL = _ROOT / "tests" / "goldens"


@dataclasses.dataclass(frozen=True)
class Case:
  """One reference case.

  config: its config.json.
  inputs, outputs, intermediates: arrays by name; empty where a case has none.
  path: its folder (weights, data).
  """

  path: pathlib.Path
  config: dict[str, Any]
  inputs: dict[str, np.ndarray]
  outputs: dict[str, np.ndarray]
  intermediates: dict[str, np.ndarray]

  def run(self, prefix: str, arrays: str = "inputs") -> dict[str, np.ndarray]:
    """Arrays whose names start with a run's prefix, without the prefix."""
    return {
      name.removeprefix(prefix): value
      for name, value in getattr(self, arrays).items()
      if name.startswith(prefix)
    }


def _shared() -> pathlib.Path:
  return pathlib.Path(
    os.environ.get("SCENETOK_SHARED") or _ROOT.parent / "shared"
  )


def told() -> str:
  """Which cases the tests read, in a line."""
  if (_shared() / "goldens").is_dir():
    return f"reference cases: all, of {_shared() / 'goldens'}"
  return (
    f"reference cases: only those of tests/goldens; {_shared() / 'goldens'} is"
    " absent"
  )


def shared_dir() -> pathlib.Path:
  """Folder of reference material; skips the test where there is none."""
  folder = _shared()
  if not folder.is_dir():
    pytest.skip(
      f"no reference material at {folder}; set SCENETOK_SHARED to its folder"
    )
  return folder


def case_dir(name: str) -> pathlib.Path:
  """Folder of a reference case; skips the test where it is absent."""
  for folder in (_shared() / "goldens", SMALL):
    if (folder / name / "config.json").is_file():
      return folder / name
  pytest.skip(f"reference case {name} is not in {shared_dir() / 'goldens'}")


def _arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
  if not path.is_file():
    return {}
  with np.load(path, allow_pickle=False) as file:
    return dict(file)


def load_case(name: str) -> Case:
  """Reads a reference case, or skips the test."""
  folder = case_dir(name)
  return Case(
    path=folder,
    config=json.loads((folder / "config.json").read_text()),
    inputs=_arrays(folder / "inputs.npz"),
    outputs=_arrays(folder / "outputs.npz"),
    intermediates=_arrays(folder / "intermediates.npz"),
  )


def assert_close(
  actual: Any, expected: np.ndarray, tolerance: float = 5e-5
) -> None:
  """Compares to a share of the expected array's largest magnitude."""
  actual, expected = np.asarray(actual), np.asarray(expected)
  assert actual.shape == expected.shape
  scale = max(float(np.abs(expected).max(initial=0.0)), 1e-30)
  worst = float(np.abs(actual - expected).max(initial=0.0))
  assert worst <= tolerance * scale, f"{worst:.3g} of {scale:.3g}"

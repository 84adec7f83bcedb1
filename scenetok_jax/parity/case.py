"""A reference case on disk, and the comparison of its arrays with ours."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.parity.fields import Fields
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.npz import read_npz
from scenetok_jax.types import Cameras, InputError

Arrays = dict[str, Any]
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"


@dataclasses.dataclass(frozen=True)
class Tolerance:
  """Largest difference allowed: absolute + relative * max |reference|."""

  relative: float = 0.0
  absolute: float = 0.0

  def limit(self, reference: float) -> float:
    return self.absolute + self.relative * reference

  def __str__(self) -> str:
    parts = []
    if self.relative:
      parts.append(f"{self.relative:g} of max")
    if self.absolute:
      parts.append(f"{self.absolute:g}")
    return " + ".join(parts) or "exact"


EXACT = Tolerance()
FORWARD = Tolerance(5e-5)
GRADIENT = Tolerance(2e-4)


@dataclasses.dataclass(frozen=True)
class Case:
  """One reference case.

  path: its folder. config: its config.json. inputs, outputs: arrays by name.
  """

  path: Path
  config: dict[str, Any]
  inputs: Arrays
  outputs: Arrays

  @property
  def name(self) -> str:
    return self.path.name

  @property
  def kind(self) -> str:
    return str(self.config["case"])

  @property
  def weights(self) -> Path:
    """The parameters; some cases hold them as a Lightning checkpoint only."""
    path, other = self.path / WEIGHTS_FILE, self.path / "checkpoint.ckpt"
    return other if other.is_file() and not path.is_file() else path

  def given(self, prefix: str) -> Arrays:
    """All inputs, and without the prefix those whose names start with it.

    A run's own array stands before one that all runs share.
    """
    return self.inputs | _strip(self.inputs, prefix)

  def one_of(
    self, block: Mapping[str, Any], field: str, choices: Iterable[str | None]
  ) -> str:
    """A field's value, which the adapter must know; InputError if not."""
    value = block.get(field)
    if value not in (known := tuple(choices)):
      raise InputError(
        f"{self.path / CONFIG_FILE}: {field}: {value!r} is not supported; use"
        f" one of {', '.join(map(str, known))}"
      )
    return str(value)

  def only(self, block: Mapping[str, Any], field: str, value: Any) -> None:
    """InputError where a field asks for something that nothing computes."""
    asked = block.get(field, value)
    if asked not in (value, None):
      raise InputError(
        f"{self.path / CONFIG_FILE}: {field}: {asked!r} is not supported; use"
        f" {value!r}"
      )

  def wanted(self, prefix: str) -> Arrays:
    """Outputs whose names start with a run's prefix, without it."""
    return _strip(self.outputs, prefix)

  def cameras(self, name: str = "", arrays: Arrays | None = None) -> Cameras:
    """The cameras NAMEextrinsics and NAMEintrinsics of the inputs."""
    arrays = self.inputs if arrays is None else arrays
    return Cameras(arrays[f"{name}extrinsics"], arrays[f"{name}intrinsics"])


@dataclasses.dataclass(frozen=True)
class Row:
  """One compared output.

  error: largest difference. relative: the same over max |reference|. share:
  the same over what the tolerance allows, 0 where that is nothing.
  """

  name: str
  shape: tuple[int, ...]
  error: float
  relative: float
  tolerance: str
  ok: bool
  note: str = ""
  share: float = 0.0


def read_case(folder: Path) -> Case:
  """Reads a case folder.

  Raises:
    InputError: a file is missing or broken.
  """
  path = folder / CONFIG_FILE
  remedy = "give a folder as docs/parity.md describes"
  config = read_json(path, remedy, nan=True)
  if "case" not in config:
    raise InputError(f"{path}: case: missing: not a reference case; {remedy}")
  return Case(
    folder,
    Fields(config),
    _arrays(folder / "inputs.npz"),
    _arrays(folder / "outputs.npz"),
  )


def _arrays(path: Path) -> Arrays:
  if not path.is_file():
    return {}
  try:
    return read_npz(path)
  except (OSError, ValueError) as error:
    raise InputError(
      f"{path}: not a whole archive of arrays ({error}); fetch it again"
    ) from error


def _strip(arrays: Mapping[str, Any], prefix: str) -> Arrays:
  return {
    name.removeprefix(prefix): value
    for name, value in arrays.items()
    if name.startswith(prefix)
  }


def prefixed(prefix: str, arrays: Mapping[str, Any]) -> Arrays:
  """The opposite: a run's arrays under its prefix."""
  return {f"{prefix}{name}": value for name, value in arrays.items()}


def suggested(case: Case) -> Tolerance:
  """The tolerance that a case suggests, or FORWARD."""
  config = case.config
  absolute = config.get("suggested_atol", config.get("suggested_atol_vs_exact"))
  relative = config.get("suggested_rtol")
  if absolute is None and relative is None:
    return FORWARD
  return Tolerance(relative or 0.0, absolute or 0.0)


def compare_all(
  found: Mapping[str, Any],
  wanted: Mapping[str, Any],
  tolerance: Mapping[str, Tolerance],
  default: Tolerance,
) -> Iterator[Row]:
  """Compares every wanted output; one that was not computed fails.

  Intermediates (`mid_`) are compared where they are there.
  """
  for name, reference in wanted.items():
    if name in found:
      rule = tolerance.get(name, default)
      yield compare(name, found[name], reference, rule)
    elif "mid_" not in name:
      shape = np.shape(reference)
      nan = float("nan")
      yield Row(name, shape, nan, nan, str(default), False, "not computed")


def compare(name: str, found: Any, reference: Any, tolerance: Tolerance) -> Row:
  """Compares one array; whole numbers, booleans and text exactly."""
  ours, theirs = np.asarray(found), np.asarray(reference)
  inexact = np.issubdtype(theirs.dtype, np.inexact)
  rule = tolerance if inexact else EXACT
  if ours.shape != theirs.shape:
    note = f"ours has shape {ours.shape}"
    nan = float("nan")
    return Row(name, theirs.shape, nan, nan, str(rule), False, note)
  if theirs.dtype.kind in "US":
    same = bool((ours.astype(theirs.dtype.kind) == theirs).all())
    return Row(name, theirs.shape, 0.0 if same else 1.0, 0.0, str(rule), same)
  a, b = ours.astype(np.float64), theirs.astype(np.float64)
  # Equal infinities differ by nothing.
  with np.errstate(invalid="ignore"):
    difference = np.where(a == b, 0.0, np.abs(a - b))
  error = float(difference.max(initial=0.0))
  finite = np.abs(b[np.isfinite(b)])
  scale = float(finite.max(initial=0.0))
  relative = error / scale if scale else (0.0 if error == 0 else float("inf"))
  limit = rule.limit(scale)
  ok = bool(error <= limit)  # False for NaN
  share = error / limit if limit else 0.0
  return Row(name, theirs.shape, error, relative, str(rule), ok, share=share)

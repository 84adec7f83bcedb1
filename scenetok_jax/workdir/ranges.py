"""Ranges of the numbers of a configuration."""

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from scenetok_jax.types import InputError

_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


def check_numbers(config: ConfigDict, where: str = "config") -> None:
  """InputError that names the first number outside its range.

  config: of an experiment. where: the file, for the error. NaN and infinity
  are in no range; tuples hold numbers, as many as they should.
  """
  for name, value in flatten_dict(config.to_dict(), sep=".").items():
    field = f"{where}: config.{name}"
    if isinstance(value, list | tuple):
      _check_tuple(field, name, value)
    elif _is_number(value):
      _check(field, name, value)


def number_range(name: str, number: int | float) -> tuple[float, float]:
  """The least and the largest value of a field, such as "train.log_every"."""
  kind = _TABLES["kinds"][type(number).__name__]
  least, most = _first(_TABLES["fields"], name, kind)
  return least, most


def _check_tuple(field: str, name: str, values: Any) -> None:
  wanted = _first(_TABLES["lengths"], name, len(values))
  # Those of a codec also hold words and switches.
  numbers = not name.startswith("codecs.")
  if len(values) != wanted or (numbers and not all(map(_is_number, values))):
    raise InputError(f"{field}: {values!r:.80}: give {wanted} numbers")
  for value in filter(_is_number, values):
    _check(field, name, value)


def _check(field: str, name: str, number: int | float) -> None:
  least, most = number_range(name, number)
  if not least <= number <= most:
    raise InputError(
      f"{field}: {number!s:.40}: give a number from {least:g} to {most:g}"
    )


def _first(table: Mapping[str, Any], name: str, default: Any) -> Any:
  """The entry of the first pattern that a field's name fits."""
  return next((v for k, v in table.items() if fnmatch(name, k)), default)


def _is_number(value: Any) -> bool:
  return isinstance(value, int | float) and not isinstance(value, bool)

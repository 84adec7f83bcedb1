"""Checks of the release's configuration blocks: nothing is ignored."""

from collections.abc import Iterable, Mapping
from typing import Any

from scenetok_jax.types import InputError

Config = Mapping[str, Any]


def check_fields(block: Config, known: Iterable[str], where: str) -> None:
  """InputError for a field that is switched on and that nothing reads.

  Unknown fields that are false, zero, empty or null ask for nothing.
  """
  # Known fields are not asked for: whoever reads them does.
  unknown = sorted(name for name in block if name not in known and block[name])
  if unknown:
    raise InputError(
      f"config: {where}.{unknown[0]}: {block[unknown[0]]!r} is not supported:"
      f" unknown field; known are {sorted(known)}"
    )


def check_values(block: Config, fixed: Config, where: str) -> None:
  """InputError for a field that is set to another value than the only one."""
  for name, value in fixed.items():
    if block.get(name, value) != value:
      raise InputError(
        f"config: {where}.{name}: {block[name]!r} is not supported; use"
        f" {value!r}"
      )

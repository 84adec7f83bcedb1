"""Old names of configuration fields, which go on being understood."""

import sys
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

# Old dotted name -> the name it has now, in the same section.
RENAMED = {
  "decoder.order_frames": "decoder.ray_patch_frames",
  "decoder.rope_split": "decoder.rope_parts",
  "sampling.clean": "sampling.overlap",
}


def renamed(field: str, where: str) -> str:
  """The present name of a field; says so on stderr where it is another."""
  if field in RENAMED:
    _say(where, [field])
  return RENAMED.get(field, field)


def rename(config: Any, where: str) -> None:
  """Moves what an unlocked config or JSON sets under old names, in place.

  where: the file, for the line on stderr.
  """
  found = []
  for old, new in RENAMED.items():
    section, _, key = old.rpartition(".")
    part = config.get(section)
    if isinstance(part, (Mapping, ConfigDict)) and key in part:
      found.append(old)
      value: Any = part
      value[new.rpartition(".")[2]] = value[key]
      del value[key]
  _say(where, found)


def _say(where: str, fields: list[str]) -> None:
  if fields:
    names = ", ".join(f"{old} is now {RENAMED[old]}" for old in fields)
    print(f"{where}: old names of fields: {names}", file=sys.stderr)

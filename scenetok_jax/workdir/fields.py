"""Fields of a configuration: old names go on, "auto" is what suits."""

from typing import Any

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from scenetok_jax.io import refused_url
from scenetok_jax.parallel.mesh import filled_sizes
from scenetok_jax.reading.shown import remark
from scenetok_jax.types import AUTO, InputError

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
    part: Any = config.get(section)
    if isinstance(part, (dict, ConfigDict)) and key in part:
      found.append(old)
      part[new.rpartition(".")[2]] = part[key]
      del part[key]
  _say(where, found)


def _say(where: str, fields: list[str]) -> None:
  if fields:
    names = ", ".join(f"{old} is now {RENAMED[old]}" for old in fields)
    remark(f"{where}: old names of fields: {names}")


def is_auto(field: str, value: Any) -> bool:
  """Whether a value leaves a field to the devices of a run."""
  if field in ("dtype", "remat", "attention"):
    return bool(value == AUTO)
  if field == "data.workers":
    return bool(value == -1)
  return field.startswith("mesh.") and value == 0


def plain(config: ConfigDict) -> ConfigDict:
  """A copy in which "auto" is what any device can do: float32, one mesh axis.

  For a configuration that is stored beside weights, not by a run.
  """
  config = config.copy_and_resolve_references()
  usual = {"dtype": "float32", "remat": "none", "attention": "xla"}
  for name, value in usual.items():
    if config[name] == AUTO:
      config[name] = value
  config.mesh = filled_sizes(config.mesh)
  config.data.workers = max(config.data.workers, 0)
  return config


def check_paths(config: ConfigDict) -> None:
  """InputError for a URL in a field that takes paths of file systems alone."""
  for name, value in flatten_dict(config.to_dict(), sep=".").items():
    url = isinstance(value, str) and "://" in value
    if url and name not in ("restore", "tokenizer_from"):
      raise InputError(refused_url(f"config.{name}", value))

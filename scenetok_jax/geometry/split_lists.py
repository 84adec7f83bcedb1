"""train_filenames and its like in a transforms.json: whom training may see."""

from pathlib import PurePosixPath
from typing import Any

from scenetok_jax.geometry.transforms_json import TransformsFrame
from scenetok_jax.types import InputError

_TRAIN = "train_filenames"
_OTHERS = ("val_filenames", "test_filenames")


def held_out(
  frames: list[TransformsFrame], where: str
) -> tuple[set[str], tuple[str, ...]]:
  """Names of frames that training must not see, and notes.

  As nerfstudio has it, train_filenames names all that it may see; without it,
  the others name what it may not. where: the file. InputError for lists of
  something else, or of no frame.
  """
  fields = frames[0].fields
  lists = {
    k: _paths(fields.get(k), f"{where}: {k}") for k in (_TRAIN, *_OTHERS)
  }
  given = {kind: paths for kind, paths in lists.items() if paths}
  if not given:
    return set(), ()
  names = {PurePosixPath(frame.name()): frame.name() for frame in frames}
  notes = []
  for kind, paths in given.items():
    if not paths & names.keys():
      raise InputError(
        f"{where}: {kind}: names no frame's file_path; write them alike"
      )
    if strange := len(paths - names.keys()):
      notes.append(f"{strange} names of {kind} are no frame's, left out")
  hidden: set[PurePosixPath] = set().union(*(lists[kind] for kind in _OTHERS))
  if _TRAIN in given:
    hidden |= names.keys() - given[_TRAIN]
  return {names[path] for path in hidden & names.keys()}, tuple(notes)


def _paths(value: Any, where: str) -> set[PurePosixPath]:
  if value is None:
    return set()
  if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
    raise InputError(f"{where}: not a list of names; correct or remove it")
  return {PurePosixPath(name) for name in value}

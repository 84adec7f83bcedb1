"""The digest of a model, remembered beside the checkpoint it was read from."""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import jax

from scenetok_jax.convert.compact import PARAMS_FILE
from scenetok_jax.io import write_json
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.schema import Text, checked
from scenetok_jax.sampling.scene_file import model_digest
from scenetok_jax.types import InputError
from scenetok_jax.workdir.stored import FOLDER

DIGEST_FILE = "digest.json"
_REMEMBERED = 1 << 28  # ours: bytes of parameters that take long to hash


class _Known(TypedDict):
  """digest.json."""

  model: Annotated[str, Text(1, 64)]
  stamp: Annotated[str, Text(1, 64)]


@dataclasses.dataclass(frozen=True, eq=False)
class Origin:
  """Where parameters were read from.

  params: as they were read; changed ones are not looked up. file: where their
  digest is kept. stamp: of the checkpoint's files when they were read.
  """

  params: Any
  file: Path
  stamp: str


def stamp(checkpoints: Sequence[tuple[str | os.PathLike, int]]) -> str:
  """Names, sizes and times of the files of some (workdir, step)."""
  found = hashlib.sha256()
  for workdir, step in checkpoints:
    folder = Path(workdir).absolute()
    compact, orbax = folder / PARAMS_FILE, folder / FOLDER / str(step)
    files = [compact] if compact.is_file() else sorted(orbax.rglob("*"))
    for path in files:
      status = path.stat()
      name = path.relative_to(folder)
      found.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
  return found.hexdigest()


def identity(params: Any, origin: Origin | None) -> str:
  """model_digest of the parameters, hashed once for each checkpoint.

  A small model is always hashed. What was remembered counts only while the
  checkpoint's files are as they were; where the folder cannot be written,
  nothing is remembered.
  """
  size = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
  if origin is None or origin.params is not params or size < _REMEMBERED:
    return model_digest(params)
  with contextlib.suppress(InputError):  # none yet, or a broken one: replaced
    known = checked(read_json(origin.file), _Known, str(origin.file), "")
    if known["stamp"] == origin.stamp:
      return str(known["model"])
  found = {"model": model_digest(params), "stamp": origin.stamp}
  with contextlib.suppress(InputError):  # a folder to read only
    write_json(origin.file, found)
  return found["model"]

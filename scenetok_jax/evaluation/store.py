"""Results of scenes in a folder: what is there is not computed again."""

import dataclasses
import hashlib
import io
import json
import os
import urllib.parse
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np

from scenetok_jax.disk import remove_leftovers
from scenetok_jax.evaluation.scores import SceneResult, check_finite
from scenetok_jax.io import atomic_path, write_text
from scenetok_jax.media import write_png
from scenetok_jax.parallel.runtime import gather_bytes
from scenetok_jax.reading.files import read_bytes
from scenetok_jax.reading.json_text import parse
from scenetok_jax.reading.npz import read_npz
from scenetok_jax.reading.schema import Count, checked
from scenetok_jax.types import InputError, explained

_FIELDS = "fields.json"
_MOST_BYTES = 1 << 30
_AGAIN = "delete it to compute it again"


class _Fields(TypedDict):
  """Those of a SceneResult but for its features."""

  key: str
  scores: dict[str, Any]
  frames: Count
  seconds: float
  total_seconds: NotRequired[float]
  generation_seconds: NotRequired[float]


@dataclasses.dataclass(frozen=True)
class ResultStore:
  """One file per scene, written whole or not at all, and its pictures.

  Results of other settings lie in other folders, so that an interrupted
  evaluation continues and a changed one starts anew.
  """

  folder: Path

  def _file(self, key: str, suffix: str) -> Path:
    name = urllib.parse.quote(key, safe="")
    if len(name) > 200:  # no file may be called so
      name = hashlib.sha256(key.encode()).hexdigest()
    return self.folder / (name + suffix)

  def picture(self, key: str) -> Path:
    """The scene's contact sheet; hosts may share no disk, so it may not be."""
    return self._file(key, ".png")

  def read(self, key: str) -> SceneResult | None:
    """A finished scene, or None; InputError where its file is damaged."""
    path = self._file(key, ".npz")
    if not path.is_file() or not self.picture(key).is_file():
      return None
    with explained(f"{path}: cannot be read", _AGAIN, OSError):
      data = read_bytes(path, _MOST_BYTES)
    return unpack(data, str(path))

  def write(self, result: SceneResult, picture: np.ndarray) -> None:
    """The picture first: a result says that the scene is finished."""
    write_png(self.picture(result.key), picture)
    with atomic_path(self._file(result.key, ".npz")) as temporary:
      temporary.write_bytes(pack(result))


def open_store(out: str | os.PathLike, settings: Any) -> ResultStore:
  """OUT/scenes/HASH, and in it settings.json.

  settings: all that a result depends on, as JSON values; HASH is theirs.
  """
  text = json.dumps(settings, sort_keys=True)
  digest = hashlib.sha256(text.encode()).hexdigest()
  folder = Path(out) / "scenes" / digest[:16]
  remove_leftovers(folder)
  shown = json.dumps(settings, indent=1, sort_keys=True)
  write_text(folder / "settings.json", shown)
  return ResultStore(folder)


def pack(result: SceneResult) -> bytes:
  """A result as the bytes of an .npz file."""
  fields = dataclasses.asdict(dataclasses.replace(result, features={}))
  buffer = io.BytesIO()
  text = np.frombuffer(json.dumps(fields).encode(), np.uint8)
  np.savez(buffer, **{_FIELDS: text}, **result.features)  # type: ignore[arg-type]
  return buffer.getvalue()


def unpack(data: bytes, where: str) -> SceneResult:
  """The inverse of pack; `where` is named in errors."""
  kinds = (ValueError, KeyError, TypeError)
  with explained(f"{where}: not a scene's result", _AGAIN, *kinds):
    arrays = read_npz(data)
    # Of equal pictures the PSNR is infinite.
    fields = parse(arrays.pop(_FIELDS).tobytes(), where, _AGAIN, nan=True)
    fields = checked(fields, _Fields, where, _AGAIN)
    numbers = all(isinstance(x, int | float) for x in fields["scores"].values())
    # Of images a row each; of pairs of poses a number.
    rows = all(
      x.ndim in (1, 2) and x.dtype.kind == "f" for x in arrays.values()
    )
    if not numbers or not rows:
      raise ValueError("scores or features are no numbers")
    result = SceneResult(**{**fields, "features": arrays})
  check_finite(result, f"{where}: ")
  return result


def gather(results: Iterable[SceneResult], rounds: int) -> list[SceneResult]:
  """The results of all processes, sorted; every process must call it.

  rounds: the most results that a process has; one of each travels at once.
  Raises InputError: a scene that two processes have scored.
  """
  own = list(results)
  found: list[SceneResult] = []
  for i in range(rounds):
    data = pack(own[i]) if i < len(own) else b""
    parts = [part for part in gather_bytes(data) if part]
    found += [unpack(part, "another process") for part in parts]
  return once(found)


def once(results: Iterable[SceneResult]) -> list[SceneResult]:
  """Sorted by key; InputError for a scene counted twice."""
  found: dict[str, SceneResult] = {}
  for result in results:
    if result.key in found:
      raise InputError(
        f"scene {result.key}: scored twice; a scene counts once, so leave one"
        " of the two results out"
      )
    found[result.key] = result
  return [found[key] for key in sorted(found)]

"""The paper's protocols and tables: what is measured where, and the numbers."""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path

from scenetok_jax.types import InputError

HELDOUT, INDEX = "heldout", "index"
SOURCE = "assets/evaluation_index of the authors' repository"
TPS = "tps"  # what scenetok pose-score --transfer measures
Numbers = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Setting:
  """One of our rows: a protocol and what the paper has for it.

  model: the released checkpoint; rows of one table with the same model must
  be of the same checkpoint. shift: of generation, where that tells rows apart.
  others: published numbers of other methods in the same setting.
  """

  title: str
  protocol: str
  model: str
  paper: Numbers = dataclasses.field(default_factory=dict)
  others: Mapping[str, Numbers] = dataclasses.field(default_factory=dict)
  shift: float | None = None


@dataclasses.dataclass(frozen=True)
class PaperTable:
  """A table of the paper."""

  name: str
  title: str
  settings: tuple[Setting, ...]


_FILE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
TABLES = tuple(
  PaperTable(
    table["name"],
    table["title"],
    tuple(Setting(**setting) for setting in table["settings"]),
  )
  for table in _FILE["tables"]
)


@dataclasses.dataclass(frozen=True)
class Protocol:
  """What is compared with what.

  scenes: of the published index file, None where there is none. generation:
  new scenes from one view, scored as a set. metrics: those that need weights.
  """

  name: str
  scenes: int | None = None
  generation: bool = False
  metrics: tuple[str, ...] = ("lpips", "fid", "fvd")


PROTOCOLS = {
  HELDOUT: Protocol(HELDOUT, metrics=()),
  INDEX: Protocol(INDEX),
  **{
    name: Protocol(name, scenes, True, ("fid", "fvd"))
    if "_c1_" in name
    else Protocol(name, scenes)
    for name, scenes in _FILE["index_scenes"].items()
  },
}


def index_path(protocol: Protocol, given: str | None) -> Path | None:
  """The index file of a protocol, from --index: a file, or their folder.

  Raises InputError: not given, not there, or given to a protocol without one.
  """
  if protocol.name == HELDOUT:
    if given is not None:
      raise InputError(
        f"--index: protocol {HELDOUT} chooses frames itself; use"
        f" --protocol={INDEX} to score those of {given}"
      )
    return None
  index = f"{protocol.name}.json" if protocol.scenes else "FILE.json"
  if given is None:
    raise InputError(
      f"--index: protocol {protocol.name} needs {index} or its folder, from"
      f" {SOURCE}, or one by scenetok make-index"
    )
  path = Path(given)
  if path.is_dir() and protocol.scenes:
    path = path / index
  if not path.is_file():
    raise InputError(
      f"{path}: --index: no such file; published ones are in {SOURCE}"
    )
  return path

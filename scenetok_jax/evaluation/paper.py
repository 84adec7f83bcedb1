"""The paper's tables: what is measured where, and its numbers."""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path

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


_FILE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
TABLES = tuple(
  PaperTable(
    table["name"],
    table["title"],
    tuple(Setting(**setting) for setting in table["settings"]),
  )
  for table in _FILE["tables"]
)
INDEX_SCENES: Mapping[str, int] = _FILE["index_scenes"]

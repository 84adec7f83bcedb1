"""Results of evaluations beside the paper's numbers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.paper import TABLES, PaperTable, Setting
from scenetok_jax.evaluation.results import Result, shortcomings
from scenetok_jax.reading.shown import escaped
from scenetok_jax.types import InputError

OWN = "own"


@dataclasses.dataclass(frozen=True)
class Line:
  """One number: published, measured with its interval, and of what."""

  setting: str
  measure: str
  paper: float | None
  measured: float | None = None
  interval: tuple[float, float] | None = None
  scenes: str = "-"
  missing: str | None = None

  @property
  def difference(self) -> float | None:
    """Measured minus published."""
    if self.paper is None or self.measured is None:
      return None
    return self.measured - self.paper


@dataclasses.dataclass(frozen=True)
class Table:
  """notes: what the numbers are of. results: by setting, those measured."""

  name: str
  title: str
  lines: tuple[Line, ...]
  notes: tuple[str, ...]
  results: dict[str, Result]
  others: tuple[Line, ...] = ()

  def values(self) -> dict[str, Any]:
    """As JSON values."""
    return {
      "name": self.name,
      "title": self.title,
      "notes": self.notes,
      "lines": [
        {**dataclasses.asdict(line), "difference": line.difference}
        for line in (*self.lines, *self.others)
      ],
    }


def make_tables(
  results: Sequence[Result], *, compare: bool = False, whole: bool = False
) -> list[Table]:
  """The paper's tables that the results belong to, and one of all others.

  compare: allow different checkpoints in one table; rows then name theirs.
  whole: the paper's other tables too, without measurements.
  Raises InputError: results of different checkpoints in one table, or two for
  the same row.
  """
  rest = list(results)
  tables = []
  for table in TABLES:
    found: dict[str, Result] = {}
    for setting in table.settings:
      same = [result for result in rest if _belongs(result, setting)]
      rest = [result for result in rest if result not in same]
      if len(same) > 1:
        raise InputError(
          f"{same[0].path} and {same[1].path}: both are of {table.title},"
          f" {setting.title}; give one result for a row"
        )
      if same:
        found[setting.title] = same[0]
    if found or whole:
      tables.append(_table(table, found, compare))
  if rest:
    # Results of protocols that the paper has no numbers for.
    own = _by_name(rest, compare)
    settings = [Setting(name, OWN, OWN) for name in own]
    title = "Own data: no published numbers"
    tables.append(_table(PaperTable(OWN, title, tuple(settings)), own, compare))
  return tables


def _belongs(result: Result, setting: Setting) -> bool:
  same_shift = setting.shift in (None, result.shift)
  return same_shift and result.data["protocol"] == setting.protocol


def _by_name(results: Sequence[Result], compare: bool) -> dict[str, Result]:
  """By file and protocol, and with several models the checkpoint."""
  found: dict[str, Result] = {}
  for result in results:
    path, data = result.path, result.data
    name = path.parent.name if path.name == "result.json" else path.stem
    shown = data.get("index_file") or data["protocol"]
    checkpoint = f", {result.checkpoint[:8]}" if compare else ""
    name = f"{name} ({shown}{checkpoint})"
    if name in found:
      raise InputError(
        f"{found[name].path} and {path}: both are of {name}; give one result"
        " for a row, in files of different names"
      )
    found[name] = result
  return found


def _table(table: PaperTable, found: dict[str, Result], compare: bool) -> Table:
  """The table with its results by the title of their setting."""
  lines: list[Line] = []
  others: list[Line] = []
  notes: list[str] = []
  models: dict[str, Result] = {}
  for setting in table.settings:
    result = found.get(setting.title)
    lines += _lines(setting, result)
    others += [
      Line(f"{setting.title}: {method}", *item)
      for method, numbers in setting.others.items()
      for item in numbers.items()
    ]
    if result is not None:
      notes += [f"{setting.title}: {note}" for note in _notes(result)]
      # Rows that the paper has from one model must be of one checkpoint.
      first = models.setdefault(setting.model, result)
      if not compare and first.checkpoint != result.checkpoint:
        one, other = (
          f"{x.checkpoint[:12]} (step {x.data.get('checkpoint_step')})"
          for x in (first, result)
        )
        raise InputError(
          f"{table.title}: {first.path} is of checkpoint {one} and"
          f" {result.path} of {other}; one table tells of one model, so"
          " evaluate again with one checkpoint, or compare them with --compare"
        )
  return Table(
    table.name, table.title, tuple(lines), tuple(notes), found, tuple(others)
  )


def _lines(setting: Setting, result: Result | None) -> list[Line]:
  """Published measures first, then what else was measured or is missing."""
  if result is None:
    return [Line(setting.title, *item) for item in setting.paper.items()]
  data, missing = result.data, result.missing
  measured = {
    name: float(data[name])
    for name in measures()
    if isinstance(data.get(name), int | float)
  }
  # One scene has no spread: its resamples are all the same.
  several = data["scenes"] != 1
  intervals = {
    name: tuple(ends)
    for name, ends in data.get("confidence_intervals", {}).items()
    if several and None not in ends  # JSON lacks infinite ends
  }
  of = data.get("index_scenes_published") or data.get("index_scenes")
  scenes = f"{data['scenes']} of {of}" if of else str(data["scenes"])
  return [
    Line(
      setting=setting.title,
      measure=name,
      paper=setting.paper.get(name),
      measured=measured.get(name),
      interval=intervals.get(name),
      scenes=scenes,
      missing=None if name in measured else missing.get(name),
    )
    for name in dict.fromkeys([*setting.paper, *measured, *missing])
    if name in measures()  # others are told in notes
  ]


def _notes(result: Result) -> list[str]:
  """What the numbers are of, and what is not among them."""
  data = result.data
  index = data.get("index_file") or "frames chosen by rule"
  return [
    f"{result.path.name}; {index}, sha256 {data['index_sha256'][:16]};"
    f" checkpoint {result.checkpoint[:16]} step {data.get('checkpoint_step')};"
    f" {data.get('frames', '?')} frames",
    *shortcomings(data),
    *(
      escaped(f"{name} not computed: {' '.join(why.split())}")
      for name, why in result.missing.items()
    ),
  ]

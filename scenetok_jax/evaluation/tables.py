"""Results of evaluations beside the paper's numbers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from scenetok_jax.evaluation.measures import measures
from scenetok_jax.evaluation.paper import TABLES, PaperTable, Setting
from scenetok_jax.evaluation.results import Result, missing_measures
from scenetok_jax.types import InputError

OWN = "own"


@dataclasses.dataclass(frozen=True)
class Line:
  """One number: published, measured with its interval, and of what."""

  setting: str
  measure: str
  paper: float | None
  measured: float | None
  interval: tuple[float, float] | None
  scenes: str
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
    lines = (*self.lines, *self.others)
    return {
      "name": self.name,
      "title": self.title,
      "notes": self.notes,
      "lines": [
        {**dataclasses.asdict(line), "difference": line.difference}
        for line in lines
      ],
    }


def make_tables(
  results: Sequence[Result], *, compare: bool = False, whole: bool = False
) -> list[Table]:
  """The paper's tables that the results belong to, and one of all others.

  Args:
    results: of any protocols.
    compare: allow different checkpoints in one table; rows then name theirs.
    whole: the paper's other tables too, without measurements.

  Raises:
    InputError: results of different checkpoints in one table, or two for the
      same row.
  """
  rest = list(results)
  tables = []
  for table in TABLES:
    found: dict[str, Result] = {}
    for setting in table.settings:
      same = [result for result in results if _belongs(result, setting)]
      rest = [result for result in rest if result not in same]
      if len(same) > 1:
        raise InputError(
          f"{same[0].path} and {same[1].path}: both are of {table.title},"
          f" {setting.title}; give one result for a row"
        )
      if same:
        found[setting.title] = same[0]
    if found or whole:
      if not compare:
        _check_checkpoints(table, found)
      tables.append(_paper_table(table, found))
  if rest:
    tables.append(_own_table(rest, compare))
  return tables


def _belongs(result: Result, setting: Setting) -> bool:
  if result.data["protocol"] != setting.protocol:
    return False
  return setting.shift is None or setting.shift == result.shift


def _check_checkpoints(table: PaperTable, found: Mapping[str, Result]) -> None:
  """Rows that the paper has from one model must be of one checkpoint."""
  models: dict[str, Result] = {}
  for setting in table.settings:
    if setting.title not in found:
      continue
    result = found[setting.title]
    first = models.setdefault(setting.model, result)
    _same_checkpoint(first, result, table.title)


def _same_checkpoint(first: Result, result: Result, title: str) -> None:
  if first.checkpoint == result.checkpoint:
    return
  raise InputError(
    f"{title}: {first.path} is of checkpoint {_named(first)} and {result.path}"
    f" of {_named(result)}; one table tells of one model, so evaluate again"
    " with one checkpoint, or compare them with --compare"
  )


def _named(result: Result) -> str:
  return f"{result.checkpoint[:12]} (step {result.data.get('checkpoint_step')})"


def _paper_table(table: PaperTable, found: dict[str, Result]) -> Table:
  lines: list[Line] = []
  others: list[Line] = []
  notes: list[str] = []
  for setting in table.settings:
    result = found.get(setting.title)
    lines += _lines(setting.title, setting.paper, result)
    notes += _notes(setting.title, result)
    for method, numbers in setting.others.items():
      title = f"{setting.title}: {method}"
      others += _lines(title, numbers, None)
  return Table(
    table.name, table.title, tuple(lines), tuple(notes), found, tuple(others)
  )


def _own_table(results: Sequence[Result], compare: bool) -> Table:
  """Results of protocols that the paper has no numbers for."""
  title = "Own data: no published numbers"
  found: dict[str, Result] = {}
  for result in results:
    if not compare:
      _same_checkpoint(results[0], result, title)
    name = _title(result, compare)
    if name in found:
      raise InputError(
        f"{found[name].path} and {result.path}: both are of {name}; give one"
        " result for a row, in files of different names"
      )
    found[name] = result
  lines = [
    line for name, result in found.items() for line in _lines(name, {}, result)
  ]
  notes = [n for name, result in found.items() for n in _notes(name, result)]
  return Table(OWN, title, tuple(lines), tuple(notes), found)


def _title(result: Result, compare: bool) -> str:
  """File and protocol, and with several models the checkpoint."""
  path = result.path
  name = path.parent.name if path.name == "result.json" else path.stem
  shown = result.data.get("index_file") or result.data["protocol"]
  checkpoint = f", {result.checkpoint[:8]}" if compare else ""
  return f"{name} ({shown}{checkpoint})"


def _lines(
  title: str, paper: Mapping[str, float], result: Result | None
) -> list[Line]:
  """Published measures first, then what else was measured or is missing."""
  data = {} if result is None else result.data
  measured = [name for name in measures() if _number(data, name) is not None]
  missing = missing_measures(data) if data else {}
  names = list(dict.fromkeys([*paper, *measured, *missing]))
  # One scene has no spread: its resamples are all the same.
  several = data.get("scenes") != 1
  intervals = data.get("confidence_intervals", {}) if several else {}
  return [
    Line(
      setting=title,
      measure=name,
      paper=paper.get(name),
      measured=_number(data, name),
      interval=_interval(intervals.get(name)),
      scenes=_scenes(result),
      missing=missing.get(name) if _number(data, name) is None else None,
    )
    for name in names
  ]


def _number(data: Mapping[str, Any], name: str) -> float | None:
  value = data.get(name)
  return float(value) if isinstance(value, int | float) else None


def _interval(ends: Sequence[float | None] | None) -> Any:
  """None also where an end is infinite, which JSON lacks."""
  return None if ends is None or None in ends else tuple(ends)


def _scenes(result: Result | None) -> str:
  """How many were scored, of how many the published file names."""
  if result is None:
    return "-"
  data = result.data
  of = data.get("index_scenes_published") or data.get("index_scenes")
  return f"{data['scenes']} of {of}" if of else str(data["scenes"])


def _notes(title: str, result: Result | None) -> list[str]:
  if result is None:
    return []
  data = result.data
  index = data.get("index_file") or "frames chosen by rule"
  notes = [
    f"{title}: {result.path.name}; {index}, sha256 {data['index_sha256'][:16]};"
    f" checkpoint {result.checkpoint[:16]} step {data.get('checkpoint_step')};"
    f" {data.get('frames', '?')} frames"
  ]
  published = data.get("index_scenes_published")
  if published and published != data.get("index_scenes"):
    notes.append(
      f"{title}: the published index has {published} scenes, this one"
      f" {data.get('index_scenes')}: not the paper's protocol"
    )
  if data.get("missing_scenes"):
    absent = data["missing_scenes"]
    names = ", ".join(absent[:8]) + (", ..." if len(absent) > 8 else "")
    notes.append(f"{title}: {len(absent)} scenes missing: {names}")
  for name, reason in missing_measures(data).items():
    notes.append(f"{title}: {name} not computed: {reason}")
  return notes

"""Result files: what was measured, and what is missing from it."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from scenetok_jax.evaluation.measures import (
  GENERATED,
  RECONSTRUCTED,
  SAMPLED,
  measures,
  set_key,
)
from scenetok_jax.evaluation.paper import TPS
from scenetok_jax.metrics.registry import METRICS
from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.schema import Count, Text, checked
from scenetok_jax.reading.shown import shown
from scenetok_jax.types import InputError

_REMEDY = "give files made by scenetok evaluate --json"
_NEEDED = ("protocol", "checkpoint_sha256", "index_sha256", "scenes")


_Word = Annotated[str, Text(0, 4096)]


class _Generation(TypedDict):
  shift: float


class _Options(TypedDict):
  generation: NotRequired[_Generation | None]


class _Data(TypedDict):
  """What tables read of a result, beside its measures."""

  protocol: _Word
  checkpoint_sha256: _Word
  index_sha256: _Word
  scenes: Count
  index_file: NotRequired[_Word | None]
  index_scenes: NotRequired[Count | None]
  index_scenes_published: NotRequired[Count | None]
  confidence_intervals: NotRequired[
    dict[str, tuple[float | None, float | None]]
  ]
  missing_metrics: NotRequired[dict[str, str]]
  impossible_metrics: NotRequired[dict[str, str]]
  missing_scenes: NotRequired[list[_Word]]
  per_scene: NotRequired[dict[str, dict[str, Any]]]
  pictures: NotRequired[dict[str, str]]
  options: NotRequired[_Options]


class _Arguments(TypedDict):
  transfer: bool
  every: Count


class _Scored(TypedDict):
  frames: Count


class _Pose(TypedDict):
  """What pose-score wrote, beside its measures."""

  arguments: _Arguments
  judged: str
  per_scene: dict[str, _Scored]


@dataclasses.dataclass(frozen=True)
class Result:
  """What `evaluate --json` or `pose-score --json` wrote."""

  path: Path
  data: Mapping[str, Any]

  @property
  def checkpoint(self) -> str:
    return str(self.data["checkpoint_sha256"])

  @property
  def shift(self) -> float | None:
    """Timestep shift of generation."""
    generation = self.data.get("options", {}).get("generation")
    return None if generation is None else float(generation["shift"])

  @functools.cached_property
  def missing(self) -> dict[str, str]:
    """Why a measure has no value, by measure."""
    data, known = self.data, measures()
    prefix = GENERATED if data.get("generation") else RECONSTRUCTED
    prefix = "" if data["protocol"] == TPS else prefix
    found = {}
    for name, reason in data.get("missing_metrics", {}).items():
      is_set = name in METRICS and METRICS[name].is_set
      found[set_key(name, SAMPLED, prefix) if is_set else name] = reason
    impossible = data.get("impossible_metrics", {})
    return found | {k: v for k, v in impossible.items() if k in known}


def read_result(path: str | os.PathLike) -> Result:
  """A result file, or the folder of `evaluate --out`; else InputError."""
  file = Path(path)
  if file.is_dir():
    file = file / "result.json"
  data = _pose_score(read_json(file, _REMEDY), file)
  if absent := [key for key in _NEEDED if key not in data]:
    raise InputError(
      f"{file}: {', '.join(absent)}: not there; give files made by scenetok"
      " evaluate or pose-score --json of this version"
    )
  data = checked(data, _Data, str(file), _REMEDY)
  for where, row in (("", data), *data.get("per_scene", {}).items()):
    scores = {name: row[name] for name in measures().keys() & row.keys()}
    place = f"{file}: per_scene: {shown(where)}" if where else str(file)
    checked(scores, dict[str, float | None], place, _REMEDY)
  return Result(file, data)


def _pose_score(data: dict[str, Any], file: Path) -> dict[str, Any]:
  """What `pose-score` wrote, with the keys of an evaluation."""
  if not {"oracle", "judged"} <= data.keys():
    return data
  data = checked(data, _Pose, str(file), _REMEDY)
  arguments, scenes = data["arguments"], data["per_scene"]
  if not arguments["transfer"]:
    raise InputError(
      f"{file}: judged: {data['judged']}; the paper's table has scenes along"
      " other scenes' paths, so score with pose-score --transfer"
    )
  views = json.dumps([arguments["every"], sorted(scenes)])
  return {
    "protocol": TPS,
    "index_sha256": hashlib.sha256(views.encode()).hexdigest(),
    "scenes": len(scenes),
    "frames": sum(row["frames"] for row in scenes.values()),
    **data,
  }


def shortcomings(data: Mapping[str, Any]) -> list[str]:
  """What keeps a result from being of the published protocol."""
  lines = []
  published = data.get("index_scenes_published")
  listed = data.get("index_scenes")
  if published and published != listed:
    lines.append(
      f"the published index has {published} scenes, this one {listed}: not the"
      " paper's protocol"
    )
  missing = data.get("missing_scenes")
  if missing:
    lines.append(f"{len(missing)} scenes missing: {first_names(missing)}")
  return lines


def first_names(names: Sequence[str]) -> str:
  """At most eight of them."""
  return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")

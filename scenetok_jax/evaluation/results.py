"""Result files: what was measured, and what is missing from it."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
from scenetok_jax.types import InputError

_NEEDED = ("protocol", "checkpoint_sha256", "index_sha256", "scenes")


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
  remedy = "give files made by scenetok evaluate --json"
  data = _pose_score(read_json(file, remedy), file)
  if absent := [key for key in _NEEDED if key not in data]:
    raise InputError(
      f"{file}: {', '.join(absent)}: not there; give files made by scenetok"
      " evaluate or pose-score --json of this version"
    )
  return Result(file, data)


def _pose_score(data: dict[str, Any], file: Path) -> dict[str, Any]:
  """What `pose-score` wrote, with the keys of an evaluation."""
  if not {"oracle", "judged"} <= data.keys():
    return data
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

"""What share of a run's time trained it, and where the rest went."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict

from scenetok_jax.reading.schema import Between, Count, Text, checked

# What a line of the table says of a kind of time, in this order.
_NAMES = {
  "productive": "steps that count",
  "lost": "steps trained again",
  "data_wait": "waiting for data",
  "compile": "compilation",
  "start": "start",
  "restore": "restore",
  "save": "saves",
  "evaluation": "evaluation",
  "between": "between lives",
}


_Moment = Annotated[float, Between(0, 1e11)]  # seconds


class _Life(TypedDict):
  """What a row says at least; seconds: by Activity's kinds of time."""

  begin: _Moment
  end: _Moment
  ended: Annotated[str, Text(1, 255)]
  first_step: Count | None
  last_step: Count | None
  seconds: dict[str, _Moment]


def check_lives(lives: Sequence[Mapping[str, Any]], where: str) -> None:
  """InputError where a row lacks what goodput reads; where: starts it."""
  remedy = "correct or remove this row"
  for number, life in enumerate(lives, start=1):
    checked(life, _Life, f"{where}: life {number}", remedy)


def goodput(lives: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Rows of lives.jsonl, at least one -> seconds and shares, as JSON.

  Of a killed life the steps after the checkpoint from which a later one went
  on are lost. Seconds add up to wall_seconds, from the first begin to the last
  end.
  """
  seconds = dict.fromkeys(_NAMES, 0.0)
  rows: list[dict[str, Any]] = []
  # Step from which later lives went on; the oldest of them counts.
  kept_until = float("inf")
  for life in reversed(lives):
    first, last = life["first_step"] or 0, life["last_step"] or 0
    kept = int(max(min(last, kept_until) - first, 0))
    share = kept / (last - first) if last > first else 0.0
    spent = dict(life["seconds"])
    step = spent.pop("step", 0.0)
    seconds["productive"] += share * step
    seconds["lost"] += step - share * step
    for kind, value in spent.items():
      seconds[kind] = seconds.get(kind, 0.0) + value
    if life["first_step"] is not None:
      kept_until = min(kept_until, first)
    again = last - first - kept
    rows.insert(0, {**life, "steps": kept, "steps_again": again})
  wall = lives[-1]["end"] - lives[0]["begin"]
  seconds["between"] = max(wall - sum(seconds.values()), 0.0)
  return {
    "wall_seconds": wall,
    "productive_share": seconds["productive"] / max(wall, 1e-9),
    "seconds": seconds,
    "steps": sum(row["steps"] for row in rows),
    "steps_again": sum(row["steps_again"] for row in rows),
    "lives": rows,
  }


def table(found: Mapping[str, Any]) -> str:
  """What `goodput` returned, for people."""
  wall = found["wall_seconds"]
  lines = [
    f"{found['productive_share']:.1%} of {_time(wall)} were steps that count:"
    f" {found['steps']}, and {found['steps_again']} trained again",
    "",
  ]
  for kind, name in _NAMES.items():
    value = found["seconds"][kind]
    share = value / max(wall, 1e-9)
    lines.append(f"{name:<20}{share:>7.1%}{_time(value):>18}")
  lines += ["", f"{'life':<6}{'steps':>16}{'time':>18}  ended"]
  for number, life in enumerate(found["lives"], 1):
    steps = "none"
    if life["first_step"] is not None:
      steps = f"{life['first_step']} to {life['last_step']}"
    lasted = _time(life["end"] - life["begin"])
    lines.append(f"{number:<6}{steps:>16}{lasted:>18}  {life['ended']}")
  return "\n".join(lines)


def _time(seconds: float) -> str:
  return str(datetime.timedelta(seconds=round(seconds)))

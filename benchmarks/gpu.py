"""What one GPU does with the published networks, in six minutes.

  make gpu-report
  python -m benchmarks.gpu [--docs docs/performance_gpu.md] [--json FILE]
  python -m benchmarks.gpu --smoke

Every row is measured in a process of its own. One that fails, or takes what is
kept for later ones, is told as a row and ends nothing. Nothing is read but the
repository. --smoke: small networks, on any device.
"""

import argparse
import datetime
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks import gpu_page, gpu_rows, marks
from scenetok_jax import console
from scenetok_jax.io import write_json
from scenetok_jax.types import InputError

SECONDS = 350  # of all rows
STAGE1 = "configs/scenetok_re10k.py:embedded"
STAGE2 = "configs/scenegen_re10k.py:shift4,embedded"
# A command's error, or an exception.
_SAID = re.compile(
  r"^(?:scenetok [^:]*: error: (.*)|(\w[\w.]*(?:Error|Exception): .*))$", re.M
)
_KEPT = 0.75  # of what later rows need, whatever the ones before take
_TRAINED = 60.0  # seconds of the training


class Row(NamedTuple):
  """measure: takes the configuration. needs: seconds, by a guess."""

  title: str
  config: str
  needs: float
  measure: Callable[[str], dict[str, Any]]


def _step(stage: int, config: str, attention: str) -> Row:
  measure = functools.partial(gpu_rows.train_step, attention=attention)
  return Row(f"train step, stage {stage}, {attention}", config, 45.0, measure)


def _render(frames: int) -> Row:
  measure = functools.partial(gpu_rows.render, frames=frames)
  return Row(f"render {frames} frames", STAGE1, 25.0, measure)


ROWS = {
  "stage1-xla": _step(1, STAGE1, "xla"),
  "stage1-cudnn": _step(1, STAGE1, "cudnn"),
  "stage2-xla": _step(2, STAGE2, "xla"),
  "stage2-cudnn": _step(2, STAGE2, "cudnn"),
  "render-32": _render(32),
  "render-192": _render(192),
  "generate": Row("generate a scene", STAGE2, 25.0, gpu_rows.generate),
  "rooms": Row(
    "train rooms for a minute",
    "configs/rooms.py",
    _TRAINED + 35,
    functools.partial(gpu_rows.rooms, seconds=_TRAINED),
  ),
}


def main(argv: Sequence[str] | None = None) -> int:
  """Measures, prints and writes the table."""
  args = _parser().parse_args(argv)
  if args.row:
    print(json.dumps(measure(args.row, args.smoke)))
    return 0
  if args.smoke and args.docs:
    raise InputError("--smoke: its sizes are not those of --docs")
  rows = measure_all(args.smoke, args.seconds)
  result = {
    "device": next((r["device"] for r in rows.values() if "device" in r), None),
    "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    "jax": jax.__version__,
    "rows": {name: {"title": ROWS[name].title, **rows[name]} for name in rows},
  }
  if args.json:
    write_json(args.json, result)
  table = gpu_page.table(result)
  print(table)
  if result["device"] is None:
    raise InputError(f"nothing was measured: {next(iter(rows.values()))}")
  if args.docs:
    marks.replace(Path(args.docs), gpu_page.NAME, table)
  return 0


def measure(name: str, smoke: bool) -> dict[str, Any]:
  """One row, in this process."""
  row = ROWS[name]
  if smoke:
    joint = "," if ":" in row.config else ":"
    return row.measure(f"{row.config}{joint}smoke")
  # The training is a process of its own, which wants the whole memory.
  if name != "rooms" and jax.default_backend() != "gpu":
    raise InputError("no GPU here; --smoke runs on any device")
  return row.measure(row.config)


def measure_all(smoke: bool, seconds: float) -> dict[str, dict[str, Any]]:
  """All rows by name; {"refused": why} for one that could not be measured."""
  end, found = time.monotonic() + seconds, {}
  later = sum(row.needs for row in ROWS.values())
  for name, row in ROWS.items():
    left, needed = end - time.monotonic(), later
    later -= row.needs
    limit = left * (1 - _KEPT * later / needed)
    found[name] = run_child(name, smoke, max(limit, 0.0))
    told = found[name].get("refused", "measured")
    print(f"{row.title}: {told}", file=sys.stderr, flush=True)
  return found


def run_child(name: str, smoke: bool, seconds: float) -> dict[str, Any]:
  """A row, measured in a fresh process that gets so many seconds."""
  command = [sys.executable, "-m", "benchmarks.gpu", f"--row={name}"]
  command += ["--smoke"] * smoke
  with subprocess.Popen(
    command,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env={"CUDA_VISIBLE_DEVICES": "0", **os.environ},
    start_new_session=True,  # ends with what it has started
  ) as child:
    try:
      out, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
      return {"refused": f"not done within {seconds:.0f} s"}
    finally:
      if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
  if child.returncode:
    return {"refused": reason(errors) or f"status {child.returncode}"}
  return json.loads(out.splitlines()[-1])


def reason(errors: str) -> str:
  """The line of what a process wrote on stderr that says why it ended."""
  found = _SAID.findall(errors)
  return "".join(found[-1])[:200] if found else ""


def _parser() -> argparse.ArgumentParser:
  parser = console.parser("gpu (benchmark)", (__doc__ or "").split("\n")[0])
  add: Any = parser.add_argument
  add("--docs", metavar="FILE", help="a page whose table is replaced")
  add("--json", metavar="FILE", help="write the numbers here")
  add("--smoke", action="store_true", help="small networks, on any device")
  add("--seconds", type=int, default=SECONDS, help="of all rows at most")
  add("--row", choices=ROWS, help=argparse.SUPPRESS)
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main, verb="gpu benchmark"))

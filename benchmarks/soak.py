"""Whether a long training stays as large as it began.

  python -m benchmarks.soak --out report/soak [--steps 100000]

Trains configs/rooms.py:smoke in one life, with --evaluations evaluations and as
many saves, in a process on one CPU device that keeps decoded frames. Looks at
that process every --seconds: memory, open handles, threads (Linux: /proc).
Writes OUT/soak.jsonl and OUT/soak.png, and says how each grew over the last
80 % of the steps. Exit code 1 where one is not flat, or the training failed.

Resident memory is told and does not count: pages of files, such as libraries,
are part of it, and the system takes them and gives them back as it likes. What
counts is the process's own memory, which no file holds.

What a save of that state keeps without a training is measured afterwards and
does not count: TensorStore (0.1.86 and before) never frees what the conversion
of a Spec to JSON made, and Orbax converts one for every array of every save.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from orbax.checkpoint import StandardCheckpointer

from data_pipelines import sources
from data_pipelines.storage import builders
from scenetok_jax import console
from scenetok_jax.disk import check_writable
from scenetok_jax.io import atomic_path, write_json
from scenetok_jax.parallel.runtime import release_freed_memory
from scenetok_jax.types import InputError
from scenetok_jax.workdir.checkpoint import Checkpointer

CONFIG = "configs/rooms.py:smoke"
# Name of a sample's value -> its unit, and that unit in the sample's.
UNITS = {
  "resident_bytes": ("MiB", 2**20),
  "own_bytes": ("MiB", 2**20),
  "handles": ("", 1),
  "threads": ("", 1),
}
_MEMORY = ("resident_bytes", "own_bytes")
FLAT = 0.02  # of its size at the start of the last 80 %
_SCENES = {"train": 16, "test": 2}
_TAIL = 4096  # bytes; more than a row of metrics

Sample = Mapping[str, float]


def main(argv: Sequence[str] | None = None) -> int:
  """Trains and samples; prints a line for each value and how long it took."""
  args = _parser().parse_args(argv)
  if min(args.steps, args.evaluations, args.seconds) <= 0:
    raise InputError("--steps, --evaluations, --seconds: must be positive")
  out = Path(args.out)
  if (out / "run").exists():
    raise InputError(f"--out: {out / 'run'} is there already; remove it")
  check_writable(out)
  for split, scenes in _SCENES.items():
    plan = sources.plan("rooms", None, split, _options(scenes))
    builders.build(out / "data", plan)
  start = time.monotonic()
  samples, failed = soak(out, args)
  hours = (time.monotonic() - start) / 3600
  draw(samples, out / "soak.png")
  seen = {name: trend(samples, name) for name in UNITS}
  save = kept_by_a_save(out)
  found = {name: seen[name] for name in ("handles", "threads")}
  found["own_bytes"] = trend(
    [
      {**row, "own_bytes": row["own_bytes"] - save * saves(row, args)}
      for row in samples
    ],
    "own_bytes",
  )
  result = {"hours": hours, "failed": failed, "kept_by_a_save": save, **found}
  write_json(out / "soak.json", {**result, "seen": seen})
  print(f"{samples[-1]['step']:g} steps in {hours:.2f} hours")
  print("\n".join(f"{verdict(n, seen[n])} as it is" for n in _MEMORY))
  print(f"without {save / 2**20:.2f} MiB for each save, measured alone:")
  print("\n".join(verdict(name, x) for name, x in found.items()))
  if failed:
    print(f"the training failed: see {out / 'train.log'}")
  return int(failed or any(abs(x["growth"]) > FLAT for x in found.values()))


def soak(
  out: Path, args: argparse.Namespace
) -> tuple[list[dict[str, float]], bool]:
  """Trains in OUT/run; what was sampled, and whether the training failed."""
  every = _every(args)
  command = [
    sys.executable, "-m", "scenetok_jax.cli.train", f"--config={CONFIG}",
    f"--workdir={out / 'run'}", f"--config.data.path={out / 'data'}",
    f"--config.train.total_steps={args.steps}",
    f"--config.train.eval_every={every}",
    f"--config.train.checkpoint_every={every}",
    f"--config.train.log_every={max(every // 10, 1)}",
    # Decoding the same frames again would be half of the hours.
    "--config.data.cache=True",
  ]  # fmt: skip
  device = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1"}
  samples, start = [], time.monotonic()
  with (
    (out / "train.log").open("wb") as log,
    (out / "soak.jsonl").open("w") as rows,
    subprocess.Popen(
      command, env={**os.environ, **device}, stdout=log, stderr=log
    ) as child,
  ):
    # A scheduler's SIGTERM ends the child, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
      while child.poll() is None:
        step = last_step(out / "run" / "metrics.jsonl")
        sample = look(Path(f"/proc/{child.pid}")) if step else None
        if sample:
          seconds = time.monotonic() - start
          samples.append({"seconds": seconds, "step": step, **sample})
          print(json.dumps(samples[-1]), file=rows, flush=True)
        time.sleep(args.seconds)
    finally:
      child.terminate()
  return samples, child.returncode != 0


def kept_by_a_save(out: Path, count: int = 100) -> float:
  """Bytes that a process keeps for good of every save of the run's state."""
  checkpoints = out / "run" / "checkpoints"
  step = max(int(x.name) for x in checkpoints.iterdir() if x.name.isdigit())
  state = StandardCheckpointer().restore(checkpoints / str(step) / "state")
  sizes = []
  with Checkpointer(out / "saves", every=1) as saver:
    for number in range(1, count + 1):
      saver.save(number, state, {}, {})
      saver.wait()
      release_freed_memory()  # as the training does
      sample = look(Path("/proc/self"))
      assert sample is not None
      sizes.append(sample["own_bytes"])
  kept = sizes[count // 5 :]
  return float(np.polyfit(range(len(kept)), kept, 1)[0])


def saves(sample: Sample, args: argparse.Namespace) -> int:
  """How many saves a run had made by a step."""
  return int(sample["step"] // _every(args))


def _every(args: argparse.Namespace) -> int:
  return max(args.steps // args.evaluations, 1)


def look(process: Path) -> dict[str, float] | None:
  """Values of a process by their names in UNITS; None once it has ended.

  process: its folder in /proc.
  """
  try:
    lines = (process / "status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    kilobytes = {
      name: int(fields[name].split()[0])
      for name in ("VmRSS", "RssAnon", "RssShmem")
    }
    return {
      "resident_bytes": 1024 * kilobytes["VmRSS"],
      "own_bytes": 1024 * (kilobytes["RssAnon"] + kilobytes["RssShmem"]),
      "handles": len(os.listdir(process / "fd")),
      "threads": int(fields["Threads"]),
    }
  except (KeyError, OSError):
    return None


def last_step(metrics: Path) -> int:
  """The step of the last whole row of metrics.jsonl; 0 before the first."""
  try:
    with metrics.open("rb") as file:
      file.seek(max(file.seek(0, os.SEEK_END) - _TAIL, 0))
      lines = file.read().split(b"\n")[:-1]
  except FileNotFoundError:
    return 0
  return int(json.loads(lines[-1])["step"]) if lines else 0


def trend(samples: Sequence[Sample], name: str) -> dict[str, float]:
  """start, slope, growth of a value by a line through its last 80 %.

  start: of the line there. slope: per step. growth: over those steps, as a
  share of start. InputError where there are too few samples.
  """
  last = samples[-1]["step"] if samples else 0
  kept = [sample for sample in samples if sample["step"] >= 0.2 * last]
  steps = np.array([sample["step"] for sample in kept])
  if len(set(steps)) < 3:
    raise InputError(
      "--steps: samples at fewer than three steps; train longer, or look more"
      " often (--seconds)"
    )
  slope, offset = np.polyfit(steps, [sample[name] for sample in kept], 1)
  start = offset + slope * steps[0]
  growth = slope * (steps[-1] - steps[0]) / start
  return {"start": float(start), "slope": float(slope), "growth": float(growth)}


def verdict(name: str, found: Mapping[str, float]) -> str:
  """A trend in words."""
  unit, size = UNITS[name]
  word = "flat" if abs(found["growth"]) <= FLAT else "NOT FLAT"
  start, slope = found["start"] / size, 1e4 * found["slope"] / size
  growth = 100 * found["growth"]
  return (
    f"{name.removesuffix('_bytes')}: {start:.1f} {unit}".rstrip()
    + f", {slope:+z.3f} per 10,000 steps, {growth:+z.2f} % over"
    f" the last 80 %: {word}"
  )


def draw(samples: Sequence[Sample], file: Path) -> None:
  """A panel for each value over the steps, from zero up."""
  from matplotlib.figure import Figure

  figure = Figure(figsize=(4 * len(UNITS), 3))
  steps = [sample["step"] for sample in samples]
  for place, (name, (unit, size)) in enumerate(UNITS.items(), 1):
    title = f"{name.removesuffix('_bytes')} {unit}".rstrip()
    axis = figure.add_subplot(1, len(UNITS), place, title=title, xlabel="step")
    values = [sample[name] / size for sample in samples]
    axis.plot(steps, values, ",-")
    axis.set_ylim(0, 1.1 * max(values))
  figure.tight_layout()
  with atomic_path(file) as temporary:
    figure.savefig(temporary, format="png", dpi=80)


def _options(scenes: int) -> object:
  return sources.options_type("rooms")(scenes=scenes)


def _parser() -> argparse.ArgumentParser:
  parser = console.parser("benchmarks.soak", __doc__ or "")
  add = parser.add_argument
  add("--out", required=True, help="folder for data, the run and results")
  add("--steps", type=int, default=100_000)
  add("--evaluations", type=int, default=200, help="and saves")
  add("--seconds", type=float, default=5.0, help="between two looks")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))

"""Draws what solvers and step counts cost and bring, for one checkpoint."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from scenetok_jax import console
from scenetok_jax.analyses import quality_speed, quality_speed_plot
from scenetok_jax.flow.solvers import SOLVERS
from scenetok_jax.inference import placement, rendering
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import check_file, check_writable, write_json
from scenetok_jax.metrics.registry import Metric, load_metric, missing
from scenetok_jax.sampling.video import video_program
from scenetok_jax.types import Array, InputError


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/quality_speed.json and quality_speed.png; prints the table."""
  args = _parser().parse_args(argv)
  if args.scenes < 1 or min(args.steps) < 1:
    raise InputError(
      f"--scenes {args.scenes}, --steps {args.steps}: must be at least 1"
    )
  out = Path(args.out)
  check_writable(out)
  if args.json:
    check_file(Path(args.json), "--json")
  lpips = _lpips(args.metric_weights)
  scenetok = SceneTok.from_pretrained(args.workdir)
  with placement.on_devices(scenetok, args.scenes) as scenetok:
    key = jax.random.key(args.seed)
    bench = quality_speed.prepare(
      scenetok, args.data, args.split, args.scenes, args.frames
    )
    rows = _curves(scenetok, bench, key, args.solvers, args.steps, lpips)
    storage = quality_speed.storages(
      scenetok, bench, key, rendering.run_options(scenetok)
    )
  baseline = quality_speed.scores(bench, bench.mean_view)
  result = {
    "scenes": len(bench.tokens),
    "frames": int(bench.novel.sum()),
    "checkpoint_step": scenetok.step,
    "device": jax.devices()[0].device_kind,
    "mean_view_psnr": baseline["psnr"],
    "rows": rows,
    "storage": storage,
  }
  write_json(out / "quality_speed.json", result)
  if args.json:
    write_json(args.json, result)
  quality_speed_plot.draw(result, out / "quality_speed.png")
  print(f"mean view: {baseline['psnr']:.3f} dB")
  for name, row in storage.items():
    print(
      f"tokens as {name:<9}{row['bytes']:>8} bytes {row['psnr']:8.3f} dB"
      f" ({row['loss_db']:+.4f} dB lost)"
    )
  return 0


def _curves(
  scenetok: SceneTok,
  bench: quality_speed.Bench,
  key: Array,
  solvers: Sequence[str],
  steps: Sequence[int],
  lpips: Metric | None,
) -> list[dict[str, Any]]:
  """One row per solver and number of steps; each is printed when known."""
  rows: list[dict[str, Any]] = []
  videos: list[np.ndarray] = []
  for solver in solvers:
    options = dataclasses.replace(
      rendering.run_options(scenetok), solver=solver
    )
    program = video_program(scenetok.model, options)
    job = (scenetok, program, bench, bench.tokens, key)
    first = dataclasses.replace(options, steps=steps[0])
    quality_speed.render(*job, first)  # compiles
    for count in steps:
      chosen = dataclasses.replace(options, steps=count)
      video, cost = quality_speed.render(*job, chosen)
      scores = quality_speed.scores(bench, video, lpips)
      rows.append({"solver": solver, "steps": count, **cost, **scores})
      videos.append(video)
      print(_line(rows[-1]), flush=True)
  found = quality_speed.agreements(rows, videos)
  for row, agreement in zip(rows, found, strict=True):
    row["agreement_psnr"] = agreement
  return rows


def _lpips(weights: str | None) -> Metric | None:
  """LPIPS where its weights are at hand; says so where they are not."""
  reason = missing("lpips_vgg", weights)
  if reason is None:
    return load_metric("lpips_vgg", weights)
  if weights is not None:
    raise InputError(reason)
  print(f"without LPIPS: {reason}", file=sys.stderr)
  return None


def _line(row: dict[str, Any]) -> str:
  lpips = f"  LPIPS {row['lpips']:.4f}" if "lpips" in row else ""
  return (
    f"{row['solver']:<6}{row['steps']:>4} steps {row['evaluations']:>4}"
    f" evaluations {row['psnr']:8.3f} dB  SSIM {row['ssim']:.4f}{lpips}"
    f" {row['seconds']:8.2f} s"
  )


def _parser() -> console.Parser:
  parser = console.parser("quality-speed", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  add("--data", help="prepared data (default: what the run trained on)")
  add("--split", help="default: test, else train")
  add("--scenes", type=int, default=8, help="the first so many scenes")
  add("--frames", type=int, help="only the first so many frames of each")
  add("--solvers", nargs="+", default=list(SOLVERS), choices=SOLVERS)
  add("--steps", type=int, nargs="+", default=[1, 2, 3, 5, 8, 15, 25])
  add("--metric-weights", metavar="DIR", help="LPIPS, if not installed")
  add("--seed", type=int, default=0)
  add("--out", required=True, metavar="DIR", help="folder to write")
  add("--json", metavar="FILE", help="write quality_speed.json here too")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))

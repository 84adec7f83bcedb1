"""Draws what solvers and step counts cost and bring, for one checkpoint."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np

from scenetok_jax.cli import (
  assemble,
  common,
  devices,
  pictures,
  rendering,
  scenes,
)
from scenetok_jax.cli.assemble import Run
from scenetok_jax.flow.solvers import SOLVERS
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.media import atomic_path
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.sampling.render import RenderOptions
from scenetok_jax.sampling.scene_file import STORAGES, restored, stored
from scenetok_jax.sampling.video import (
  VideoProgram,
  render_video,
  video_program,
)
from scenetok_jax.types import Array, Cameras, InputError

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@dataclasses.dataclass(frozen=True)
class Bench:
  """Encoded scenes of one shape: tokens [B N C], paths [B T], truth.

  truth: uint8 [B T H W 3]. novel: bool [B T], frames that are scored.
  """

  tokens: Array
  cameras: Cameras
  truth: np.ndarray
  novel: np.ndarray


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/quality_speed.json and quality_speed.png; prints the table."""
  args = _parser().parse_args(argv)
  if args.scenes < 1 or min(args.steps) < 1:
    raise InputError(
      f"--scenes {args.scenes}, --steps {args.steps}: must be at least 1"
    )
  out = Path(args.out)
  pictures.check_writable(out)
  run = assemble.load_run(args.workdir)
  with devices.on_devices(run, args.scenes) as run:
    key = jax.random.key(args.seed)
    bench = prepare(run, args.data, args.split, args.scenes, args.frames)
    rows: list[dict[str, Any]] = []
    videos = []
    base = rendering.run_options(run)
    for solver in args.solvers:
      options = dataclasses.replace(base, solver=solver)
      program = video_program(run.system, options)
      measure(run, program, bench, bench.tokens, key, options)  # compiles
      for steps in args.steps:
        chosen = dataclasses.replace(options, steps=steps)
        video, found = measure(run, program, bench, bench.tokens, key, chosen)
        videos.append(video)
        rows.append({"solver": solver, "steps": steps, **found})
        print(_line(rows[-1]), flush=True)
    storage = storages(run, bench, key, base)
  for row, agreement in zip(rows, agreements(rows, videos), strict=True):
    row["agreement_psnr"] = agreement
  result = {
    "scenes": len(bench.tokens),
    "frames": int(bench.novel.sum()),
    "checkpoint_step": run.step,
    "device": jax.devices()[0].device_kind,
    "rows": rows,
    "storage": storage,
  }
  common.write_json(out / "quality_speed.json", result)
  draw(result, out / "quality_speed.png")
  for name, row in storage.items():
    print(f"tokens as {name:<9}{row['bytes']:>8} bytes {row['psnr']:8.3f} dB")
  return 0


def prepare(
  run: Run, data: str | None, split: str | None, count: int, frames: int | None
) -> Bench:
  """Encodes the first `count` scenes and cuts them to one length."""
  opened = [
    scenes.open_prepared(run, data, split, str(i)) for i in range(count)
  ]
  key = jax.random.key(0)
  subjects = [scenes.encode_scene(run, scene, key) for scene in opened]
  length = min(len(scene.clip.cameras.extrinsics) for scene in opened)
  codec = run.system.target_codec
  length = codec.frames(codec.latents(min(length, frames or length)))
  cameras = [
    relative_to(
      jax.tree.map(lambda a: np.asarray(a)[:length], scene.clip.cameras),
      scene.reference,
    )
    for scene in opened
  ]
  numbers = np.arange(length)
  return Bench(
    jnp.concatenate([subject.tokens for subject in subjects]),
    jax.tree.map(lambda *arrays: jnp.stack(arrays), *cameras),
    np.stack([np.asarray(scene.clip.images)[:length] for scene in opened]),
    np.stack([np.isin(numbers, scene.novel) for scene in opened]),
  )


def measure(
  run: Run,
  program: VideoProgram,
  bench: Bench,
  tokens: Array,
  key: Array,
  options: RenderOptions,
) -> tuple[np.ndarray, dict[str, float]]:
  """Videos [B T H W 3]; mean PSNR and SSIM over novel frames, and seconds."""
  start = time.monotonic()
  videos = render_video(
    program, run.params, tokens, bench.cameras, key, options=options
  )[:, 0]
  seconds = time.monotonic() - start
  prediction, truth = (
    jnp.asarray(x[bench.novel], jnp.float32) / 255.0
    for x in (videos, bench.truth)
  )
  evaluations = options.steps * (2 if options.solver == "heun" else 1)
  return videos, {
    "evaluations": evaluations,
    "psnr": float(jnp.mean(psnr(prediction, truth))),
    "ssim": float(jnp.mean(ssim(prediction, truth))),
    "seconds": seconds,
    "seconds_per_frame": seconds / videos[..., 0, 0, 0].size,
  }


def agreements(
  rows: Sequence[dict[str, Any]], videos: Sequence[np.ndarray]
) -> list[float | None]:
  """PSNR of each row's videos against the finest row's, from equal noise.

  It tells how well a solver follows the flow, whatever the flow leads to;
  None for the finest itself.
  """
  finest = int(np.argmax([row["evaluations"] for row in rows]))
  truth = jnp.asarray(videos[finest], jnp.float32) / 255.0
  return [
    None
    if index == finest
    else float(jnp.mean(psnr(jnp.asarray(video, jnp.float32) / 255.0, truth)))
    for index, video in enumerate(videos)
  ]


def storages(
  run: Run, bench: Bench, key: Array, options: RenderOptions
) -> dict[str, dict[str, float]]:
  """PSNR with the tokens in each storage of a scene file."""
  program = video_program(run.system, options)
  found = {}
  for storage in STORAGES:
    kept = [stored(np.asarray(scene), storage) for scene in bench.tokens]
    tokens = jnp.stack([jnp.asarray(restored(arrays)) for arrays in kept])
    _, scores = measure(run, program, bench, tokens, key, options)
    size = sum(array.nbytes for array in kept[0].values())
    found[storage] = {"bytes": size, "psnr": scores["psnr"]}
  return found


def draw(result: dict[str, Any], path: Path) -> None:
  """Curves per solver: truth over evaluations and time, and agreement."""
  figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
  evaluations = ("evaluations", "network evaluations per latent")
  panels = (
    (*evaluations, "psnr", "PSNR to the truth, dB"),
    ("seconds_per_frame", "seconds per frame", "psnr", "PSNR to the truth, dB"),
    (*evaluations, "agreement_psnr", "PSNR to the finest solution, dB"),
  )
  for axis, (column, label, score, title) in zip(axes, panels, strict=True):
    for solver in dict.fromkeys(row["solver"] for row in result["rows"]):
      rows = [row for row in result["rows"] if row["solver"] == solver]
      rows = [row for row in rows if row[score] is not None]
      x, y = ([row[name] for row in rows] for name in (column, score))
      axis.plot(x, y, marker="o", markersize=3, label=solver)
    axis.set(xlabel=label, ylabel=title, xscale="log")
  axes[0].legend()
  with atomic_path(path) as temporary:
    figure.savefig(temporary, format="png", dpi=110)
  plt.close(figure)


def _line(row: dict[str, Any]) -> str:
  return (
    f"{row['solver']:<6}{row['steps']:>4} steps {row['evaluations']:>4}"
    f" evaluations {row['psnr']:8.3f} dB  SSIM {row['ssim']:.4f}"
    f" {row['seconds']:8.2f} s"
  )


def _parser() -> common.Parser:
  parser = common.parser("quality-speed", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  add("--data", help="prepared data (default: what the run trained on)")
  add("--split", help="default: test, else train")
  add("--scenes", type=int, default=8, help="the first so many scenes")
  add("--frames", type=int, help="only the first so many frames of each")
  add("--solvers", nargs="+", default=list(SOLVERS), choices=SOLVERS)
  add("--steps", type=int, nargs="+", default=[1, 2, 3, 5, 8, 15, 25])
  add("--seed", type=int, default=0)
  add("--out", required=True, metavar="DIR", help="folder to write")
  return parser


if __name__ == "__main__":
  sys.exit(common.run(main))

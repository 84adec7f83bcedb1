"""Maps of where samples differ, and whether samples err there."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from scenetok_jax import console
from scenetok_jax.analyses import study
from scenetok_jax.analyses.ablation import sample_variance
from scenetok_jax.analyses.correlation import spearman
from scenetok_jax.analyses.study import Study
from scenetok_jax.inference import placement, rendering
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import colorize, contact_sheet, write_png

KIND = "variance"
_SHOWN = 8


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/variance.json and a contact sheet of maps per scene."""
  args = _parser().parse_args(argv)
  out = study.check_options(args)
  scenetok = SceneTok.from_pretrained(args.workdir)
  options = rendering.render_options(scenetok, args)
  with placement.on_devices(scenetok, args.batch * args.samples) as scenetok:
    opened = study.open_scenes(scenetok, args)
    chosen = study.make_study(scenetok, opened, args.frames)
    noise_key, token_key = jax.random.split(jax.random.key(args.seed))
    tokens, references = study.encode_all(chosen, token_key)
    renderer = study.make_renderer(scenetok, options, args, noise_key)
    calls = study.batches(len(opened), args.batch)
    total = calls * renderer.steps(chosen.frames.shape[1])
    with console.Progress("samples", total, "step") as progress:
      videos = renderer(tokens, references, chosen.cameras, progress.update)
  deviation = np.sqrt(sample_variance(videos))
  error = errors(videos, chosen.truth)
  found = spearman(deviation.ravel(), error.ravel())
  own = {
    scene.key: spearman(deviation[i].ravel(), error[i].ravel()).rho
    for i, scene in enumerate(opened)
  }
  _write_sheets(out, chosen, videos, deviation, error)
  holds = found.rho > 0 and min(own.values()) > 0
  print(
    f"variance {np.mean(deviation**2):.6f}, mean deviation"
    f" {deviation.mean():.4f}, mean error {error.mean():.4f}\n"
    "finding: samples err where they differ:"
    f" {'holds' if holds else 'DOES NOT HOLD'} (Spearman {found.rho:+.3f} over"
    f" {found.pairs} pixels; {min(own.values()):+.3f} to"
    f" {max(own.values()):+.3f} within a scene)"
  )
  result = {
    "variance": np.mean(deviation**2),
    "deviation": deviation.mean(),
    "error": error.mean(),
    "holds": holds,
    "correlation": dataclasses.asdict(found),
    "per_scene": own,
    "checkpoint_step": scenetok.step,
    "frames": chosen.frames,
  }
  study.write(out, KIND, result, args)
  return 0


def errors(videos: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """Absolute error of the samples' mean: [B S T H W 3] -> [B T H W]."""
  mean = videos.astype(np.float32).mean(axis=1)
  return np.abs(mean - truth).mean(axis=-1) / 255.0


def _write_sheets(
  out: Path,
  chosen: Study,
  videos: np.ndarray,
  deviation: np.ndarray,
  error: np.ndarray,
) -> None:
  places = np.linspace(0, chosen.frames.shape[1] - 1, _SHOWN)
  shown = np.unique(places.astype(int))
  for i, scene in enumerate(chosen.scenes):
    rows = [(f"{scene.key}: truth", chosen.truth[i][shown])]
    rows += [
      (f"sample {j}", videos[i, j][shown])
      for j in range(min(videos.shape[1], 3))
    ]
    top = float(max(deviation[i].max(), 1e-6))
    rows.append(
      (
        f"deviation of {videos.shape[1]} samples, up to {top:.2f}",
        colorize(deviation[i][shown], high=top),
      )
    )
    rows.append(("error of their mean", colorize(error[i][shown], high=0.5)))
    write_png(out / f"variance_{scene.key}.png", contact_sheet(rows))


def _parser() -> console.Parser:
  parser = console.parser(f"analyze {KIND}", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  study.add_options(add, samples=8)
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))

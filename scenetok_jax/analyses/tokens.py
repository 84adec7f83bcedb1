"""How does quality grow with the number of scene tokens?

Every workdir is one model; --keep also renders each from some of its tokens
only, drawn at random and nested. A model trained with few tokens packs them
better than what is left of many, so the two answer different questions.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax import console
from scenetok_jax.analyses import plots, study
from scenetok_jax.analyses.ablation import mask_tokens
from scenetok_jax.analyses.correlation import spearman
from scenetok_jax.analyses.study import Study
from scenetok_jax.evaluation.baselines import mean_view
from scenetok_jax.evaluation.bootstrap import mean_interval
from scenetok_jax.inference import placement, rendering
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.metrics.image import ssim
from scenetok_jax.types import InputError

KIND = "tokens"


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/tokens.json and tokens.png; prints the table."""
  args = _parser().parse_args(argv)
  out = study.check_options(args)
  if args.keep and min(args.keep) < 1:
    raise InputError(f"--keep: {min(args.keep)} must be at least 1")
  rows: list[dict[str, Any]] = []
  baseline = 0.0
  for workdir in args.workdir:
    found, baseline = _rows(workdir, args)
    rows += found
  result: dict[str, Any] = {"rows": rows, "mean_view_psnr": baseline}
  print(f"mean view: {baseline:.3f} dB")
  whole = [row for row in rows if row["tokens"] == row["trained_tokens"]]
  for name, some in (("models", whole), ("subsets", rows)):
    counts = [row["tokens"] for row in some]
    if len(set(counts)) < 3:
      continue
    found_rho = spearman(counts, [row["psnr"] for row in some])
    holds = found_rho.rho > 0.5
    result[f"{name}_spearman"] = found_rho.rho
    result[f"{name}_holds"] = holds
    print(
      f"finding: quality grows with tokens ({name}):"
      f" {'holds' if holds else 'DOES NOT HOLD'} (Spearman"
      f" {found_rho.rho:+.3f} over {found_rho.pairs} rows)"
    )
  series = {
    name: _series([row for row in rows if row["workdir"] == name])
    for name in args.workdir
    if args.keep
  }
  if len(whole) > 1:
    series["models"] = _series(whole)
  if series:
    plots.lines(
      out / f"{KIND}.png",
      "scene tokens",
      "PSNR, dB",
      series,
      log=True,
      level=("mean view", baseline),
    )
  study.write(out, KIND, result, args)
  return 0


def _series(rows: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
  rows = sorted(rows, key=lambda row: row["tokens"])
  return [row["tokens"] for row in rows], [row["psnr"] for row in rows]


def _rows(
  workdir: str, args: argparse.Namespace
) -> tuple[list[dict[str, Any]], float]:
  """A row per number of tokens, and the mean view's PSNR."""
  scenetok = SceneTok.from_pretrained(workdir)
  options = rendering.render_options(scenetok, args)
  trained = scenetok.model.tokenizer.num_tokens
  counts = sorted({n for n in args.keep or [] if n < trained} | {trained})
  rows = []
  with placement.on_devices(scenetok, args.batch) as scenetok:
    opened = study.open_scenes(scenetok, args)
    chosen = study.make_study(scenetok, opened, args.frames)
    noise_key, token_key = jax.random.split(jax.random.key(args.seed))
    tokens, references = study.encode_all(chosen, token_key)
    renderer = study.make_renderer(scenetok, options, args, noise_key)
    calls = len(counts) * study.batches(len(opened), args.batch)
    total = calls * renderer.steps(chosen.frames.shape[1])
    with console.Progress(workdir, total, "step") as progress:
      for count in counts:
        kept = mask_tokens(tokens, 1 - count / trained, args.seed)
        videos = renderer(kept, references, chosen.cameras, progress.update)
        rows.append(_row(workdir, scenetok, chosen, count, trained, videos))
  for row in rows:
    print(
      f"{workdir}: {row['tokens']:>5} of {trained} tokens"
      f" ({row['floats']} floats): {row['psnr']:.3f} dB"
      f" (95 %: {row['interval'][0]:.3f} to {row['interval'][1]:.3f}),"
      f" SSIM {row['ssim']:.4f}"
    )
  views = [
    mean_view(scene.context_views, scene.take(frames))
    for scene, frames in zip(opened, chosen.frames, strict=True)
  ]
  baseline = study.psnr_to(np.stack(views)[:, None], chosen.truth)
  return rows, float(baseline.mean())


def _row(
  workdir: str,
  scenetok: SceneTok,
  chosen: Study,
  count: int,
  trained: int,
  videos: np.ndarray,
) -> dict[str, Any]:
  scores = study.psnr_to(videos, chosen.truth)
  keys = [scene.key for scene in chosen.scenes]
  interval = mean_interval(dict(zip(keys, scores.tolist(), strict=True)))
  found, truth = (
    jnp.asarray(a, jnp.float32) / 255.0 for a in (videos[:, 0], chosen.truth)
  )
  return {
    "workdir": workdir,
    "tokens": count,
    "trained_tokens": trained,
    "floats": count * scenetok.model.tokenizer.token_channels,
    "psnr": interval.value,
    "interval": [interval.low, interval.high],
    "ssim": float(jnp.mean(ssim(found, truth))),
    "per_scene_psnr": dict(zip(keys, scores.tolist(), strict=True)),
  }


def _parser() -> console.Parser:
  parser = console.parser(f"analyze {KIND}", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, nargs="+", help="one run, or several")
  add("--keep", type=int, nargs="*", help="also render with only so many")
  study.add_options(add)
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))

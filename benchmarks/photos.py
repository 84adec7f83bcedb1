"""How true the cameras are that are estimated from pictures alone.

  python -m benchmarks.photos CAPTURE [--json=FILE] [--count=48] ...
  python -m benchmarks.photos CHUNKS/<split> --scene=KEY

CAPTURE is a folder with known poses (docs/data_sources.md); of CHUNKS
(RealEstate10K's) one scene is taken. Its pictures, or its video, are estimated
without the poses, by `scenetok prepare --dataset=photos`'s own options, and
compared with them. auc@30, racc@10 and tacc@10 are over all pairs of frames, as
for pose-score; pictures that were not placed count as missed. position_share:
root mean square distance of the cameras after the best similarity, as a share
of the diagonal of what the true ones span. focal_error: of the focal length.
processor_seconds: of all cores together; seconds depend on what else runs.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_pipelines import photos
from data_pipelines.photos import PoseOptions
from data_pipelines.photos.source import find_source
from data_pipelines.sources import capture, re10k_chunks
from scenetok_jax import console, flags
from scenetok_jax.evaluation.pose.clip_scores import path_errors
from scenetok_jax.io import write_json
from scenetok_jax.metrics import pose


class Known(NamedTuple):
  """source: of the pictures. poses: camera-to-world [4 4] by their names.

  focal: median focal length as a share of the width.
  """

  source: Path
  poses: dict[str, np.ndarray]
  focal: float


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the scores, one a line."""
  parser = console.parser("benchmarks/photos.py", __doc__, PoseOptions)
  parser.add_argument("capture")
  parser.add_argument("--scene", metavar="KEY", help="of chunks")
  parser.add_argument("--work", metavar="DIR", help="keep the estimate here")
  parser.add_argument("--json", metavar="FILE")
  args = parser.parse_args(argv)
  with tempfile.TemporaryDirectory() as folder:
    result = measure(args, Path(folder))
  for name, value in result.items():
    shown = f"{value:.4g}" if isinstance(value, float) else value
    print(f"{name}: {shown}")
  if args.json:
    write_json(args.json, result)
  return 0


def measure(args: argparse.Namespace, scratch: Path) -> dict[str, Any]:
  """Estimates and compares."""
  root = Path(args.capture)
  if args.scene:
    known = of_chunk(root, args.scene, scratch)
  else:
    known = of_capture(root)
  options = flags.take_options(args, PoseOptions)
  start, busy = time.monotonic(), time.process_time()
  work = Path(args.work) if args.work else scratch / "work"
  found = photos.estimate(known.source, work, options)
  return {
    **compare(found, known),
    "seconds": time.monotonic() - start,
    "processor_seconds": time.process_time() - busy,
  }


def of_capture(root: Path) -> Known:
  """The pictures of a capture, whatever its poses are in."""
  _, found = capture.read(root)
  poses, focals = {}, []
  for frame in found.frames:
    name = frame.image.name if frame.image else f"frame {frame.index}"
    matrix, size = frame.shot.matrix, frame.shot.size
    poses[name] = frame.shot.c2w
    # Where no size is given, the centre is about the middle.
    focals.append(matrix[0, 0] / (size[0] if size else 2 * matrix[0, 2]))
  source = found.video or find_source(root).files[0].parent
  return Known(source, poses, float(np.median(focals)))


def of_chunk(folder: Path, key: str, scratch: Path) -> Known:
  """The pictures of a scene of RealEstate10K's chunks."""
  clip = re10k_chunks.read_scene(folder, key)
  source = scratch / key
  source.mkdir()
  poses = {}
  for number in range(len(clip)):
    name = f"{number:05d}.jpg"
    (source / name).write_bytes(clip.encoded(number))
    poses[name] = np.asarray(clip.cameras.extrinsics[number], np.float64)
  return Known(
    source, poses, float(np.median(clip.cameras.intrinsics[:, 0, 0]))
  )


def compare(found: photos.Estimate, known: Known) -> dict[str, Any]:
  """Scores of the pictures that were looked at and whose pose is known."""
  report = found.report
  seen = [*found.poses, *report["left_out"]]
  names = [name for name in known.poses if name in set(seen)]
  missing = np.full((4, 4), np.nan)
  ours = np.stack([found.poses.get(name, missing) for name in names])
  truth = np.stack([known.poses[name] for name in names])
  scores = pose.summary(path_errors(ours, truth))
  placed = np.isfinite(ours).all(axis=(1, 2))
  lens = report["lenses"][0]
  focal = lens["params"][0] / lens["width"]
  return {
    "pictures": report["pictures"],
    "registered": report["registered"],
    "registered_share": report["registered_share"],
    **{name: scores[name] for name in ("auc@30", "racc@10", "tacc@10")},
    "position_share": misfit(ours[placed, :3, 3], truth[placed, :3, 3]),
    "focal_error": focal / known.focal - 1,
    "reprojection_error": report["reprojection_error"],
    "track_length": report["track_length"],
    "points": report["points"],
    "other_models": report["other_models"],
  }


def misfit(ours: np.ndarray, truth: np.ndarray) -> float:
  """Positions [N 3] twice -> root mean square distance, see the module."""
  a, b = (x - x.mean(axis=0) for x in (ours, truth))
  left, values, right = np.linalg.svd(b.T @ a)
  signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
  factor = (values * signs).sum() / (a**2).sum()
  moved = factor * a @ ((left * signs) @ right).T
  span = float(np.linalg.norm(np.ptp(truth, axis=0)))
  return float(np.sqrt(((moved - b) ** 2).sum(axis=1).mean())) / span


if __name__ == "__main__":
  sys.exit(console.run(main))

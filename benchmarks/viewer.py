"""Milliseconds of a live view, stage by stage, and compilations of a session.

  python -m benchmarks.viewer --json viewer.json

Views of a scene of seeded noise from moved cameras, one step each, then with
the steps of the run: medians and 95th percentiles. What the page adds, packing
and sending a picture, is not in it.
"""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from scenetok_jax import Cameras, SceneTok
from scenetok_jax.geometry.trajectories import turn_around
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.live import LiveRenderer
from scenetok_jax.io import write_json


def main(argv: Sequence[str] | None = None) -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--workdir", default="checkpoints/rooms")
  parser.add_argument("--views", type=int, default=100)
  parser.add_argument("--json", metavar="FILE")
  args = parser.parse_args(argv)
  result = measure(SceneTok.from_pretrained(args.workdir), args.views)
  print(json.dumps(result, indent=1))
  if args.json:
    write_json(args.json, result)


def measure(model: SceneTok, views: int) -> dict[str, Any]:
  """Timings of so many views of a model's scene."""
  compiled: list[float] = []
  jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: (
      compiled.append(seconds) if event.endswith("compile_duration") else None
    )
  )
  start = time.perf_counter()
  renderer = LiveRenderer(model)
  renderer.warm()
  result: dict[str, Any] = {"compile_seconds": time.perf_counter() - start}
  side, count = model.model.image_size, model.model.num_context
  noise = np.random.default_rng(0)
  images = noise.integers(0, 256, (count, side, side, 3), np.uint8)
  path = _cameras(views)
  context = jax.tree.map(lambda a: a[:: max(1, views // count)][:count], path)
  live = renderer.open(model.encode(images, context))
  renderer.render(live, _one(path, 0), SamplingChanges(steps=1))
  compiled.clear()
  for name, steps in (("moving", 1), ("resting", None)):
    found = [
      renderer.render(
        live, _one(path, index), SamplingChanges(steps=steps)
      ).milliseconds
      for index in range(views)
    ]
    stages = {s: np.array([f[s] for f in found]) for s in found[0]}
    stages["all"] = np.sum(list(stages.values()), axis=0)
    result[name] = {
      stage: {
        "median_ms": round(float(np.median(spent)), 2),
        "p95_ms": round(float(np.percentile(spent, 95)), 2),
      }
      for stage, spent in stages.items()
    }
  return result | {"compilations_while_moving": len(compiled)}


def _cameras(count: int) -> Cameras:
  """A quarter of a circle around a point ahead."""
  pose = np.eye(4)
  pose[2, 3] = -2.0
  lens = np.array([[0.8, 0, 0.5], [0, 0.8, 0.5], [0, 0, 1]], np.float32)
  poses = turn_around(pose, np.zeros(3), 90, count)
  return Cameras(poses, np.tile(lens, (count, 1, 1)))


def _one(path: Cameras, index: int) -> Cameras:
  return jax.tree.map(lambda a: a[index : index + 1], path)


if __name__ == "__main__":
  main()

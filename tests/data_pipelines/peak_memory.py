"""A process that prepares or loads and prints its peak memory in MB.

peak_memory.py prepare OUT SCENES
peak_memory.py load DATA BATCHES
"""

import dataclasses
import functools
import resource
import sys

import numpy as np

from data_pipelines.loading import loader
from data_pipelines.storage import builders, recipes
from tests.data_pipelines import clips

SIZE, FRAMES = 96, 20


def noisy_clip(seed: int) -> recipes.RawScene:
  """A clip that does not compress well: 20 frames, 0.55 MB as they are."""
  clip = clips.clip(FRAMES, SIZE, seed)
  shape = (FRAMES, SIZE, SIZE, 3)
  noise = np.random.default_rng(seed).integers(0, 255, shape, np.uint8)
  return dataclasses.replace(clip, images=noise)


def prepare(out: str, scenes: int) -> None:
  """Writes `scenes` clips in this process."""
  scenes = [
    recipes.SceneLoader(f"s{i}", functools.partial(noisy_clip, i))
    for i in range(scenes)
  ]
  plan = clips.plan(image_format="jpeg")
  builders.build(out, dataclasses.replace(plan, scenes=scenes))


def load(path: str, batches: int) -> None:
  """Reads batches of four examples in this process."""
  config = clips.data_config(path, image_size=SIZE, cache=False)
  iterator = loader.train_iterator(config, seed=0)
  for _ in range(batches):
    next(iterator)
  iterator.close()


if __name__ == "__main__":
  job, folder, count = sys.argv[1:]
  {"prepare": prepare, "load": load}[job](folder, int(count))
  print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

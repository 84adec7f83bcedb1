"""A keyframed path -> a video file."""

import tempfile
from pathlib import Path

import numpy as np

from scenetok_jax.geometry.origins import returned
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.pictures import FPS
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import write_mp4
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.sampling.slices import Progress
from scenetok_jax.types import Cameras


def video_bytes(
  scenetok: SceneTok,
  scene: Scene,
  path: Cameras,
  sampling: SamplingChanges,
  seed: int,
  progress: Progress,
) -> bytes:
  """An mp4 along cameras [T] in the scene's own coordinates.

  In windows, as `scenetok render` makes it, and not view by view.
  Raises InputError: a path that is shorter than a window.
  """
  frames = scenetok.render_batch(
    [scene],
    returned(path, np.array(scene.origin)),
    sampling=sampling,
    seed=seed,
    progress=progress,
  )[0, 0]
  with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "video.mp4"
    write_mp4(file, frames, FPS)
    return file.read_bytes()

"""A photo that was dropped in -> new scenes, one per seed."""

import dataclasses
import re
import tempfile
from pathlib import Path

import numpy as np

from scenetok_jax.inference.changes import GenerationChanges
from scenetok_jax.inference.conditions import camera_of_photo
from scenetok_jax.inference.live import Pause
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.media import read_image
from scenetok_jax.sampling.scene_file import Scene
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class PhotoChoice:
  """How new scenes are made; fov: of the photo, horizontal, degrees."""

  fov: float = 60.0
  anchors: str = "forward"
  seeds: int = 2
  seed: int = 0
  sampling: GenerationChanges = GenerationChanges()


def read_photo(content: bytes, name: str) -> np.ndarray:
  """The bytes of a file -> upright uint8 RGB [H W 3]; InputError if it is none.

  name: of the file, for messages.
  """
  with tempfile.TemporaryDirectory() as folder:
    # Readers go by what a file holds, and some by its suffix too.
    suffix = re.sub(r"[^a-z0-9.]", "", Path(name).suffix.lower())[:8]
    file = Path(folder) / f"photo{suffix}"
    file.write_bytes(content)
    try:
      return read_image(file)
    except InputError as error:
      raise InputError(str(error).replace(str(file), name)) from None


def new_scenes(
  scenetok: SceneTok,
  photo: np.ndarray,
  name: str,
  choice: PhotoChoice,
  pause: Pause,
) -> list[Scene]:
  """Scenes called after the photo, one for each seed.

  Each is drawn by its own seed, so that it can be drawn again alone.
  Raises InputError: a photo too small, or a model of stage 1.
  """
  camera = camera_of_photo(photo, choice.fov)
  stem = re.sub(r"[^\w-]+", "_", Path(name).stem).strip("_")[:60] or "photo"
  made = []
  for seed in range(choice.seed, choice.seed + choice.seeds):
    (scene,) = scenetok.generate_batch(
      [photo],
      camera,
      choice.anchors,
      1,
      sampling=choice.sampling,
      seed=seed % 2**32,
      progress=lambda done, total: pause(),
    )
    made.append(dataclasses.replace(scene, key=f"{stem}_{seed}"))
  return made


def scene_bytes(scene: Scene) -> bytes:
  """What `scene.save` would write."""
  with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "scene.tok"
    scene.save(file)
    return file.read_bytes()

"""The authors' precomputed latents: ROOT/<stage>/<downsample>/<scene>.npz.

Each file holds latent [L, C, h, w], extrinsics [T, 4, 4] and intrinsics
[T, 3, 3] of a whole clip in float16, the latents as the codec made them
(unscaled). ROOT/map_dict.json names the files: stage -> downsample -> scene
-> [plain, flipped]. One root holds context latents, another target latents.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.reading.json_text import read_json
from scenetok_jax.reading.npz import read_npz
from scenetok_jax.types import Cameras, InputError

MAP = "map_dict.json"
_MATRICES = {"extrinsics": 4, "intrinsics": 3}
# The release scales focal lengths of DL3DV by its 3840x2160 images over 256.
RELEASE_FOCAL = (15.0, 8.4375)


@dataclasses.dataclass(frozen=True)
class LatentClip:
  """A clip: latents [L, h, w, C] and cameras [T], float16 as stored."""

  key: str
  latents: np.ndarray
  cameras: Cameras


def read_map(
  root: str | os.PathLike, stage: str, downsample: int = 1
) -> dict[str, tuple[Path, Path | None]]:
  """scene -> (plain file, flipped file or None) of a stage.

  Raises:
    InputError: map_dict.json is missing, damaged or names files elsewhere.
  """
  path = Path(root) / MAP
  remedy = f"give the folder that holds {MAP} and <stage>/"
  document = read_json(path, remedy)
  try:
    scenes = document[stage][str(downsample)]
    found = {
      str(key): _files(path, stage, downsample, names)
      for key, names in scenes.items()
    }
  except (KeyError, TypeError, AttributeError):
    raise InputError(
      f"{path}: {stage}: no scenes at downsample {downsample}; it must be"
      ' {"train": {"1": {"scene": ["scene.npz", ...]}}}'
    ) from None
  return found


def read_file(path: str | os.PathLike) -> LatentClip:
  """One whole latent file; its key is the file name, as in the release.

  Raises:
    InputError: damaged, or not arrays of these names and shapes.
  """
  path = Path(path)
  try:
    found = read_npz(path)
    arrays = {name: found[name] for name in ("latent", *_MATRICES)}
  except (OSError, ValueError, KeyError) as error:
    raise InputError(
      f"{path}: not a latent file ({error}); make it again"
    ) from None
  latent = arrays["latent"]
  frames = arrays["extrinsics"].shape[:1]
  shapes = {n: (*frames, side, side) for n, side in _MATRICES.items()}
  for name, shape in shapes.items():
    if arrays[name].shape != shape:
      raise InputError(
        f"{path}: {name}: shape {arrays[name].shape}, not {shape}; make it"
        " again"
      )
  if latent.ndim != 4 or not all(a.dtype.kind == "f" for a in arrays.values()):
    raise InputError(
      f"{path}: latent: {latent.dtype} {latent.shape}, not float [L, C, h, w]"
    )
  for name, array in arrays.items():
    if not np.isfinite(array).all():
      raise InputError(f"{path}: {name}: holds NaN or Inf; make it again")
  return LatentClip(
    path.name,
    np.ascontiguousarray(np.moveaxis(latent, 1, -1)),
    Cameras(arrays["extrinsics"], arrays["intrinsics"]),
  )


def _files(
  path: Path, stage: str, downsample: int, names: object
) -> tuple[Path, Path | None]:
  """Paths of a scene's entry; they may not leave the folder."""
  listed: list[Any] = names if isinstance(names, list) else [names]
  if not 1 <= len(listed) <= 2 or not all(
    isinstance(n, str) and n == Path(n).name and n not in ("", "..")
    for n in listed
  ):
    raise InputError(
      f"{path}: {stage}: {names!r} is not [plain file, flipped file] in the"
      " same folder; correct it"
    )
  folder = path.parent / stage / str(downsample)
  files = [folder / name for name in listed]
  flipped = files[1] if len(files) == 2 and files[1].is_file() else None
  return files[0], flipped

"""Where the COLMAP models of a capture lie, and which of them is read."""

import struct
from pathlib import Path

from data_pipelines.sources.capture.colmap_files import model_suffix
from scenetok_jax.reading.files import open_file
from scenetok_jax.types import explained

# COLMAP's own layout; nerfstudio's; gaussian-splatting's before and after its
# conversion; what `colmap automatic_reconstructor` leaves.
_PLACES = (
  *("sparse", "colmap/sparse", "colmap", "distorted/sparse"),
  *("dense/sparse", "dense/0/sparse"),
)
# The pictures of the distorted model.
_INPUT = "input"


def is_model(path: Path) -> bool:
  """Whether a folder holds a COLMAP model."""
  return _images(path) is not None


def find(root: Path) -> Path | None:
  """The model of a capture that is read: of the first place, the largest."""
  for place in _PLACES:
    if models := _models(root / place):
      return max(models, key=count)
  return None


def first_folder(root: Path, model: Path) -> str:
  """The image folder in which a model's images are looked for first."""
  distorted = model.relative_to(root).parts[:1] == ("distorted",)
  return _INPUT if distorted else "images"


def left_out(root: Path, model: Path) -> tuple[str, ...]:
  """What to tell about models that are not read."""
  found = (_models(root / place) for place in _PLACES)
  others = [path for paths in found for path in paths if path != model]
  if not others:
    return ()
  names = ", ".join(f"{p.relative_to(root)} ({count(p)})" for p in others)
  return (
    f"{model.relative_to(root)} with {count(model)} images is read; other"
    f" models are left out: {names}",
  )


def count(model: Path) -> int:
  """How many images a model's files say that it places."""
  path = _images(model)
  assert path is not None
  with (
    explained(f"{path}: cannot be read", "copy it again", OSError),
    open_file(path) as file,
  ):
    if path.suffix == ".bin":
      head = file.read(8)
      return int(struct.unpack("<Q", head)[0]) if len(head) == 8 else 0
    kept = sum(not line.startswith(b"#") for line in file)
  return (kept + 1) // 2  # each image has a line of points, often empty


def _models(place: Path) -> list[Path]:
  """A model in a folder and those in its numbered ones."""
  if not place.is_dir():
    return []
  numbered = [p for p in place.iterdir() if p.name.isdecimal()]
  numbered.sort(key=lambda path: (len(path.name), path.name))
  return [p for p in (*numbered, place) if is_model(p)]


def _images(model: Path) -> Path | None:
  """The file of a model's poses."""
  suffix = model_suffix(model)
  return model / f"images{suffix}" if suffix else None

"""What to prepare: scenes that load themselves, and the options they get."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.storage import images
from scenetok_jax.reading.schema import Some
from scenetok_jax.types import Cameras, InputError, option

Shape = tuple[int, int] | None  # (h, w) of prepared frames; None as they are


@dataclasses.dataclass(frozen=True)
class RawScene:
  """Decoded scene: images uint8 [T, H, W, 3], cameras [T].

  encoded: image files of exactly these frames, to be stored as they are.
  depth: float32 [T, H, W], metres along the optical axis, where it is known.
  origin: what was subtracted from the source's positions.
  held_out: frames that the source itself keeps from training.
  median_depth: of what is seen, in the cameras' unit, where depth is known but
    not to be stored (geometry.scale).
  """

  images: np.ndarray
  cameras: Cameras
  source: str
  warnings: tuple[str, ...] = ()
  encoded: tuple[bytes, ...] | None = None
  depth: np.ndarray | None = None
  origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
  held_out: tuple[int, ...] = ()
  median_depth: float | None = None


@dataclasses.dataclass(frozen=True)
class SceneLoader:
  """A scene to write, by its key; `load` is picklable, raises InputError."""

  key: str
  load: Callable[[], RawScene]


@dataclasses.dataclass(frozen=True)
class Holdout:
  """Frames that training must not see: every n-th, and listed ones."""

  every: int = 0
  frames: tuple[int, ...] = ()

  def __post_init__(self):
    if self.every < 0 or self.every == 1:
      raise InputError(
        f"--holdout-every={self.every}: must be 0 (none) or at least 2"
      )

  def indices(self, frames: int) -> tuple[int, ...]:
    """Held-out frame numbers of a clip of `frames` frames, sorted."""
    # Starting in the middle of a period leaves the first frame to training.
    periodic = range(self.every // 2, frames, self.every) if self.every else ()
    listed = (i for i in self.frames if 0 <= i < frames)
    return tuple(sorted({*periodic, *listed}))


def size_option(default: int) -> Any:
  """A field for the size of the frames; see `parse_shape`."""
  return option(
    default,
    "side of the frames in pixels, or HEIGHTxWIDTH, or native: as they are",
    type=str,
  )


@dataclasses.dataclass(frozen=True)
class FrameOptions:
  """What every data set can be asked; its own options are a subclass.

  A size is a number of pixels, (h, w), or a text; see `parse_shape`.
  """

  size: Any = size_option(256)
  image_format: str = option(
    "jpeg", "of the stored frames", choices=images.FORMATS
  )
  holdout_every: Some = option(
    0, "keep every N-th frame from training, for scoring", metavar="N"
  )
  frames_left_out: tuple[Some, ...] = option(
    (), "frame numbers to keep from training as well", metavar="FRAME"
  )

  @property
  def shape(self) -> Shape:
    """(h, w) of the stored frames; None as they are."""
    return parse_shape(self.size)

  @property
  def holdout(self) -> Holdout:
    """The frames that training must not see."""
    return Holdout(self.holdout_every, tuple(self.frames_left_out))


@dataclasses.dataclass(frozen=True)
class Recipe:
  """What makes a split; two equal recipes make the same split.

  dataset: "rooms", "capture", ... options: JSON values that decide the result.
  strict: stop at the first bad scene (a single capture) instead of dropping.
  min_frames: shorter scenes are dropped.
  max_jump: scenes with a larger step than this many usual ones are dropped;
    0 keeps them.
  """

  dataset: str
  split: str
  options: dict
  holdout: Holdout = Holdout()
  image_format: str = "jpeg"
  strict: bool = False
  min_frames: int = 2
  max_jump: float = 0.0

  def describe(self) -> dict:
    """The fields that are compared when a split exists already."""
    fields = dataclasses.asdict(self)
    del fields["strict"]
    return json.loads(json.dumps(fields))

  def __post_init__(self):
    if self.min_frames < 2:
      raise InputError(
        f"--min-frames={self.min_frames}: at least 2 frames make a scene"
      )


@dataclasses.dataclass(frozen=True)
class Groundwork:
  """What is done once, before a split's scenes can load.

  name: of the folder of the work, which outlives a kill. run: from that folder
  to the plan that is written; it goes on where a killed run stopped.
  """

  name: str
  run: Callable[[Path], "SplitPlan"]


@dataclasses.dataclass(frozen=True)
class SplitPlan:
  """What makes a split: a recipe and its scenes, in the records' order.

  dropped: scenes that the source names but that cannot be loaded at all, as
  {"scene", "reason"}. group: this many scenes in turn share work, and are
  written by one process. files: to write beside the records, by name. report:
  more for the split's. groundwork: what is done first, and makes the scenes.
  """

  recipe: Recipe
  scenes: Sequence[SceneLoader]
  dropped: tuple[dict, ...] = ()
  group: int = 1
  files: tuple[tuple[str, str | bytes], ...] = ()
  report: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  groundwork: Groundwork | None = None

  def digest(self) -> str:
    """Names unfinished work: equal plans go on with each other's."""
    digest = hashlib.sha256(json.dumps(self.recipe.describe()).encode())
    for scene in self.scenes:
      digest.update(scene.key.encode("utf-8", "backslashreplace") + b"\0")
    return digest.hexdigest()[:12]


def parse_shape(size: Any) -> Shape:
  """64 or "64" -> (64, 64); "360x640" or (360, 640); "native" or None."""
  if size is None or size == "native":
    return None
  text = "x".join(map(str, size)) if isinstance(size, tuple) else str(size)
  sides = text.split("x")
  if len(sides) > 2 or not all(side.isdecimal() for side in sides):
    raise InputError(
      f"--size={text}: give a side (64), HEIGHTxWIDTH (360x640) or native"
    )
  height, width = int(sides[0]), int(sides[-1])
  if not 8 <= min(height, width) <= max(height, width) <= 8192:
    raise InputError(f"--size={text}: sides are 8 to 8192 pixels")
  return height, width


def shape_option(shape: Shape) -> int | list[int] | str:
  """How a recipe writes a shape: a number for squares."""
  if shape is None:
    return "native"
  return shape[0] if shape[0] == shape[1] else list(shape)


def unique(
  scenes: Sequence[SceneLoader],
) -> tuple[list[SceneLoader], tuple[dict, ...]]:
  """Scenes without repeated keys, and what to report about the others."""
  seen: set[str] = set()
  kept, dropped = [], []
  for scene in scenes:
    if scene.key in seen:
      reason = f"scene {scene.key}: key: used twice; rename one of the two"
      dropped.append({"scene": scene.key, "reason": reason})
    else:
      kept.append(scene)
    seen.add(scene.key)
  return kept, tuple(dropped)


def fingerprint(files: Sequence[Path], root: Path) -> str:
  """Hash of the names and sizes of files, and the content of pose files."""
  digest = hashlib.sha256()
  for path in sorted(files):
    name = f"{path.relative_to(root)}\0{path.stat().st_size}\0"
    digest.update(name.encode("utf-8", "surrogateescape"))
    if path.suffix == ".json" or path.stem in ("cameras", "images"):
      digest.update(path.read_bytes())
  return digest.hexdigest()

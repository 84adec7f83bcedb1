"""What a metric is: one frozen struct, which everything else reads."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scenetok_jax.convert.engine import Table
from scenetok_jax.convert.reader import read_tensors
from scenetok_jax.types import Cameras

Kind = Literal[
  "image", "image_set", "video_set", "video", "posed_video", "pose", "depth"
]


@dataclasses.dataclass(frozen=True)
class Video:
  """Frames uint8 [T H W 3] seen from cameras [T], in the order of a path.

  depth: float [T H W] along the optical axis, in the poses' unit, if known.
  """

  images: np.ndarray
  cameras: Cameras
  depth: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Published:
  """Published weights of a network.

  name: of the network, and of the folder that it is converted to.
  files: per file that is needed, the names under which it is published.
  source: where from. licence: of the weights. tensors, parameters: of all
  files together, stored statistics and what the metric does not use left out.
  shapes: abstract parameters. installed: files of an installed package, if
  any. read: one file -> tensors by published name, in torch's layout.
  """

  name: str
  files: tuple[tuple[str, ...], ...]
  source: str
  licence: str
  tensors: int
  parameters: int
  shapes: Callable[[], dict]
  installed: Callable[[], list[Path]] = list
  read: Callable[[Path], Mapping[str, np.ndarray]] = read_tensors


@dataclasses.dataclass(frozen=True)
class Metric:
  """One way to score what was predicted.

  name: its key in results, and what --metrics calls it.
  kind: what the function takes; with weights, the parameters come first.
    image: float [B H W 3] in [0, 1], predicted and true -> [B].
    image_set: uint8 [B H W 3] -> features [B D]; the score is the Frechet
      distance between predicted and true ones.
    video_set: the same of float clips [B 16 H W 3] in [0, 1].
    video: a Video -> a score of each pair of neighbouring frames [T - 1], NaN
      where it cannot be judged; of the frames alone.
    posed_video: the same, of frames and poses.
    pose: PairErrors -> a number.
    depth: positive depths [P], predicted and true -> a number.
  weights: where the network's come from; None without a network.
  better: which values are. digits: decimals in tables.
  table: the rename table of the published weights; None without a network.
  title: its heading in tables. unit, note: behind the heading in brackets.
  scale: of the stored value in tables. batch: inputs computed together.
  package: the module of a package that it needs, and how to install that.
  """

  name: str
  kind: Kind
  function: Callable[..., Any]
  weights: Published | None
  better: Literal["higher", "lower"]
  digits: int
  table: Callable[[], Table] | None
  title: str
  unit: str = ""
  note: str = ""
  scale: float = 1.0
  batch: int = 16
  package: tuple[str, str] | None = None

  @property
  def is_set(self) -> bool:
    """Whether it compares two sets, each as a whole."""
    return self.kind in ("image_set", "video_set")

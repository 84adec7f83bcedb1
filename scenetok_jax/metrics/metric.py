"""What a metric is: one frozen struct, which everything else reads."""

import dataclasses
import tomllib
from collections.abc import Callable, Mapping, Sequence
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

  name: of the network, and of the folder that it is converted to. files,
  source, licence, tensors, parameters: see published.toml.
  shapes: abstract parameters. table: how the published ones are renamed.
  installed: files of an installed package, if any. read: one file -> tensors
  by published name, in torch's layout.
  """

  name: str
  files: Sequence[Sequence[str]]
  source: str
  licence: str
  tensors: int
  parameters: int
  shapes: Callable[[], dict]
  table: Callable[[], Table]
  installed: Callable[[], list[Path]] = list
  read: Callable[[Path], Mapping[str, np.ndarray]] = read_tensors


_FILES = tomllib.loads(
  Path(__file__).with_name("published.toml").read_text("utf-8")
)


def read_published(name: str, **more: Any) -> Published:
  """What published.toml says of a network, with the other fields."""
  return Published(name, **_FILES[name], **more)


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
  better: which values are. title: its heading in tables. digits: decimals
  there. unit, note: behind the heading in brackets.
  weights: where the network's come from; None without a network.
  scale: of the stored value in tables. batch: inputs computed together.
  package: the module of a package that it needs, and how to install that.
  """

  name: str
  kind: Kind
  function: Callable[..., Any]
  better: Literal["higher", "lower"]
  title: str
  digits: int = 2
  weights: Published | None = None
  unit: str = ""
  note: str = ""
  scale: float = 1.0
  batch: int = 16
  package: tuple[str, str] | None = None

  @property
  def is_set(self) -> bool:
    """Whether it compares two sets, each as a whole."""
    return self.kind in ("image_set", "video_set")

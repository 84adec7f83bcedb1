"""Options that several analyses share."""

import dataclasses

from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.reading.schema import Few, Many, Seed
from scenetok_jax.types import InputError, option


@dataclasses.dataclass(frozen=True)
class DataOptions:
  """Which prepared data are analysed."""

  data: str | None = option(
    None, "prepared data (default: what the run trained on)"
  )
  split: str | None = option(None, "default: test, else train")


@dataclasses.dataclass(frozen=True)
class SceneOptions(SamplingChanges, DataOptions):
  """Which scenes of them, and how their videos are sampled."""

  scenes: Many = option(16, "the first so many scenes")
  batch: Few = option(4, "scenes rendered together")
  seed: Seed = option(0, "of noise, masks and tokens")

  def __post_init__(self) -> None:
    for name in ("scenes", "frames", "batch", "samples"):
      value = getattr(self, name, 1)
      if value < 1:
        raise InputError(f"--{name}: {value} must be at least 1")


@dataclasses.dataclass(frozen=True)
class FrameOptions(SceneOptions):
  """samples: videos of each scene; an analysis may offer it as an option."""

  frames: Few = option(12, "frames rendered of each")
  samples: int = 1


@dataclasses.dataclass(frozen=True)
class SampleOptions(FrameOptions):
  """Of an analysis of how samples differ."""

  samples: Few = option(4, "videos of each scene")

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.samples < 2:
      raise InputError("--samples: 1 sample has no variance; give at least 2")

"""What the generators of indoor clips share: which clips of which seed."""

import dataclasses
from typing import Annotated, Any

from data_pipelines.storage.recipes import FrameOptions
from scenetok_jax.reading.schema import Between, Few, Many, Seed
from scenetok_jax.types import InputError, option

# Scene number at which the rooms of a split start: splits share no room.
_FIRST_SCENE = {"train": 0, "test": 1_000_000, "val": 2_000_000}
_OTHER_SPLITS = 3_000_000
_MOST_LATERAL = 5.0  # metres


@dataclasses.dataclass(frozen=True)
class GeneratedOptions(FrameOptions):
  """Which clips: scenes numbers from first_scene on, of a seed."""

  scenes: Many = option(100, "clips to make")
  first_scene: int | None = option(
    None, "number of the first one (default: apart for each split)"
  )
  frames: Few = option(48, "frames a clip")
  seed: Seed = option(0, "of all that is drawn")
  lateral_offset: Annotated[float, Between(0, _MOST_LATERAL)] = option(
    0.0,
    "the same rooms along the same paths, moved sideways as far as there is"
    " room",
    metavar="METRES",
    aliases=("--aside",),
  )

  def first(self, split: str) -> int:
    """Number of the first scene of a split."""
    if self.first_scene is not None:
      return self.first_scene
    return _FIRST_SCENE.get(split, _OTHER_SPLITS)

  @property
  def side(self) -> int:
    """Pixels a side of the square frames."""
    if self.shape is None or self.shape[0] != self.shape[1]:
      raise InputError(f"--size={self.size}: rooms are square; give one number")
    return self.shape[0]

  def describe(self, split: str) -> dict[str, Any]:
    """The options as recipes name them, checked.

    What came later is left out where unset, so that older recipes stay equal.

    Raises:
      InputError: an option that no room can be made with.
    """
    if not 0 <= self.lateral_offset <= _MOST_LATERAL:
      raise InputError(
        f"--lateral-offset={self.lateral_offset:g}: must be 0 to"
        f" {_MOST_LATERAL:g} metres"
      )
    fields: dict[str, Any] = {
      "scenes": self.scenes,
      "frames": self.frames,
      "size": self.side,
      "seed": self.seed,
      "first_scene": self.first(split),
    }
    for name, least in (("scenes", 1), ("frames", 2), ("seed", 0),
                        ("first_scene", 0)):  # fmt: skip
      if fields[name] < least:
        flag = name.replace("_", "-")
        raise InputError(f"--{flag}={fields[name]}: at least {least} is needed")
    if self.lateral_offset:
      fields["aside"] = self.lateral_offset
    return fields

"""Which views of a clip a scene is made from: by rule, or as the user says."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from scenetok_jax.reading.shown import remark
from scenetok_jax.types import InputError, option

_MOST = 1 << 16  # a frame's number, and how many may be given


@dataclasses.dataclass(frozen=True)
class ContextChoice:
  """Context views by their frame numbers; None: far apart, as many as trained.

  Raises InputError: no list of different numbers.
  """

  context: str | None = option(
    None,
    "frames that the scene is made from (default: as many as the model was"
    " trained with, far apart)",
    metavar="0,5,9",
  )

  def __post_init__(self) -> None:
    _ = self.asked

  @property
  def asked(self) -> tuple[int, ...] | None:
    """The frames that are asked for."""
    if self.context is None:
      return None
    parts = str(self.context).split(",")
    if not all(p.isascii() and p.isdecimal() and len(p) < 6 for p in parts):
      raise InputError(
        f"--context: {self.context!s:.40} is no list of frame numbers such"
        " as 0,5,9"
      )
    return tuple(int(p) for p in parts)


def chosen(
  frames: int, asked: Sequence[int], where: str = "--context"
) -> np.ndarray:
  """Sorted frame numbers of a clip of so many frames; InputError if not of it.

  where: starts the message.
  """
  numbers = np.array(sorted(asked), np.int64)
  if not len(numbers) or len(numbers) > _MOST:
    raise InputError(f"{where}: no frame; give one or more")
  if len(np.unique(numbers)) < len(numbers):
    raise InputError(f"{where}: a frame is listed twice; list each once")
  outside = numbers[(numbers < 0) | (numbers >= frames)]
  if len(outside):
    raise InputError(
      f"{where}: frame {outside[0]}: the clip has {frames} frames, 0 to"
      f" {frames - 1}"
    )
  return numbers


def tell_count(where: str, count: int, trained: int) -> None:
  """Says on stderr where a model reads another number than in training."""
  if count != trained:
    remark(
      f"{where}: {count} context views; the model was trained with {trained},"
      " and may lose quality"
    )

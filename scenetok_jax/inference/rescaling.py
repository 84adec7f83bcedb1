"""A scene's unit, brought to what a model was trained with."""

import dataclasses
import math
from typing import Annotated

from ml_collections import ConfigDict

from scenetok_jax import flags
from scenetok_jax.geometry.scale import Scale, baseline
from scenetok_jax.reading.schema import Between
from scenetok_jax.reading.shown import remark
from scenetok_jax.types import Array, InputError, option
from scenetok_jax.workdir.stored_config import SCALE

_FAR = 2.0  # of the median of training, outside which a scene is told
_LEAST, _MOST = 1e-6, 1e6
_Factor = Annotated[float, Between(_LEAST, _MOST)]


@dataclasses.dataclass(frozen=True)
class Rescaling:
  """What positions are multiplied with before a model reads them.

  rescale: False: nothing; True: what makes views as far apart as the median
  scene of the model's training; or a factor.
  """

  rescale: bool | float = option(
    False,
    "multiply positions, so that views are as far apart as in training, or by"
    " a factor; paths follow",
    metavar="FACTOR",
    nargs="?",
    const=True,
    type=flags.ranged(_Factor),
  )


def checked_factor(value: float) -> float:
  """A factor; InputError unless it is a sensible one."""
  if not _LEAST <= value <= _MOST:
    raise InputError(
      f"--rescale: {value:g} is not a factor from {_LEAST:g} to {_MOST:g}"
    )
  return float(value)


def trained_scale(config: ConfigDict) -> Scale | None:
  """What a model's configuration says of its training scenes.

  None where that was not yet stored.
  """
  found: Scale | None = config.get(SCALE)
  return found


def scene_factor(
  config: ConfigDict, views: Array, rescale: bool | float, where: str
) -> float:
  """What the positions of a scene's views [V 4 4] are multiplied with.

  rescale: see Rescaling. A factor that is found, and a scene of another scale
  than the model's that is left so, are told on stderr; where: starts the line.
  InputError: nothing tells by how much.
  """
  if not isinstance(rescale, bool):
    return checked_factor(rescale)
  apart = baseline(views)
  if rescale:
    factor = fitting(config, apart, where)
    remark(f"{where}: positions are taken {factor:.4g} times")
    return factor
  if told := mismatch(config, apart):
    remark(f"{where}: {told}")
  return 1.0


def fitting(config: ConfigDict, apart: float, where: str) -> float:
  """The factor that brings a baseline to the median of training."""
  trained = trained_scale(config)
  if trained is None or not trained["baseline"][2]:
    raise InputError(
      "--rescale: the model does not say how far apart its training views"
      " were; give --rescale=FACTOR"
    )
  if not math.isfinite(apart) or not apart:
    raise InputError(
      f"{where}: --rescale: the views are in one place, which tells no scale;"
      " give --rescale=FACTOR"
    )
  return checked_factor(trained["baseline"][2] / apart)


def mismatch(config: ConfigDict, apart: float) -> str:
  """What to say of a baseline; "" of 0, and where training had such."""
  trained = trained_scale(config)
  if trained is None or not trained["baseline"][2] or not apart:
    return ""
  low, _, median, _, high = trained["baseline"]
  far = max(apart / median, median / apart) > _FAR
  if not far or low <= apart <= high:
    return ""
  return (
    f"views are {apart:.3g} apart, those of training were {median:.3g}"
    f" ({low:.3g} to {high:.3g}; medians), so that quality is lost; --rescale"
    f" takes positions {median / apart:.3g} times"
  )

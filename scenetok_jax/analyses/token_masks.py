"""Scene tokens with some of them removed."""

import numpy as np
import numpy.typing as npt

from scenetok_jax.types import InputError

MASKS = ("drop", "zero")


def mask_tokens(
  tokens: npt.ArrayLike, share: float, seed: int, kind: str = "drop"
) -> np.ndarray:
  """tokens [B N C] -> [B n C] without a random share of them.

  The order in which a scene's tokens go depends on the seed alone, so a
  larger share removes what a smaller one removed, and more.

  Args:
    tokens: of any number of scenes.
    share: in [0, 1], rounded to whole tokens.
    seed: of the order.
    kind: "drop" gives the renderer fewer tokens; "zero" sets them to zero.
      Where none is left "drop" gives one zero token, as attention needs one.

  Raises:
    InputError: a share outside [0, 1], or an unknown kind.
  """
  array = np.asarray(tokens)
  if not 0 <= share <= 1:
    raise InputError(f"masks: {share:g} is not a share between 0 and 1")
  if kind not in MASKS:
    raise InputError(f"mask: {kind!r} is not one of {', '.join(MASKS)}")
  scenes, count = array.shape[:2]
  kept = count - round(share * count)
  orders = [
    np.random.default_rng((seed, i)).permutation(count) for i in range(scenes)
  ]
  keep = np.stack([np.sort(order[:kept]) for order in orders])
  if kind == "drop" and kept:
    return np.take_along_axis(array, keep[..., None], axis=1)
  if kind == "drop":
    return np.zeros_like(array[:, :1])
  out = np.zeros_like(array)
  rows = np.arange(scenes)[:, None]
  out[rows, keep] = array[rows, keep]
  return out

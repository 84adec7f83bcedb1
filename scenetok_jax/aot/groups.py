"""Which devices a collective joins, of the text of a compiled program."""

import math
import re

import numpy as np

_PAIR = re.compile(r"\{(\d+),(\d+)\}")


def members(text: str) -> tuple[int, ...]:
  """Devices of one group; of a permutation the two farthest apart.

  Empty where the text names none.
  """
  if match := re.search(r"source_target_pairs=\{(.*?\})\}", text):
    pairs = [(int(a), int(b)) for a, b in _PAIR.findall(match[1])]
    return max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
  if match := re.search(r"replica_groups=\{\{([\d,]*)\}", text):
    return tuple(int(n) for n in match[1].split(","))
  if match := re.search(
    r"replica_groups=\[(\d+),(\d+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", text
  ):
    return _of_iota(*match.groups())
  if match := re.search(
    r"replica_groups=mesh\[([^\]]*)\][^{]*\{([^}]*)\}", text
  ):
    return _of_mesh(match[1], match[2])
  return ()


def _of_iota(
  groups: str, size: str, shape: str, order: str | None
) -> tuple[int, ...]:
  """[groups,size]<=[shape]T(order): that array's first row."""
  axes = [int(n) for n in shape.split(",")]
  devices = np.arange(math.prod(axes)).reshape(axes)
  if order is not None:
    devices = devices.transpose([int(n) for n in order.split(",")])
  return tuple(devices.reshape(int(groups), int(size))[0].tolist())


def _of_mesh(sizes: str, axes: str) -> tuple[int, ...]:
  """'a'=4,'b'=2 with {'b'}; a part of an axis is 'a':(before)size."""
  found = [0]
  stride = 1
  parts = {
    name: (int(before or 1), int(size or 0))
    for name, before, size in re.findall(r"'([^']+)'(?::\((\d+)\)(\d+))?", axes)
  }
  for name, text in reversed(re.findall(r"'([^']+)'=(\d+)", sizes)):
    whole = int(text)
    if name in parts:
      before, size = parts[name]
      size = size or whole
      step = stride * whole // (before * size)
      found = [n * step + first for n in range(size) for first in found]
    stride *= whole
  return tuple(found)

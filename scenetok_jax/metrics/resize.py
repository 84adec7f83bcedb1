"""The bilinear resizes of the published metrics, which differ in their grid.

A score depends on them: features of one image differ visibly between the
kinds, so each is reproduced exactly.
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np

from scenetok_jax.types import Array

Kind = Literal["antialias", "half_pixel", "tf1"]


def resize(images: Array, size: tuple[int, int], kind: Kind) -> Array:
  """float or uint8 [... H W C] -> float32 [... size C], unrounded."""
  images = jnp.asarray(images, jnp.float32)
  rows, columns = (
    weights(source, target, kind)
    for source, target in zip(images.shape[-3:-1], size, strict=True)
  )
  return along_sides(images, rows, columns)


def along_sides(x: Array, rows: np.ndarray, columns: np.ndarray) -> Array:
  """x [... H W C] times rows [h H] and columns [w W]: [... h w C]."""
  pattern = "... h w c, i h, j w -> ... i j c"
  return jnp.einsum(pattern, x, rows, columns, precision="highest")


def weights(source: int, target: int, kind: Kind) -> np.ndarray:
  """[target source] float32: how much each pixel gives to each new one.

  kind:
    antialias: half-pixel centres, a triangle as wide as the shrinking
      (torchvision's and torchmetrics' default since 1.8).
    half_pixel: half-pixel centres, the two nearest pixels (PyTorch's
      interpolate with align_corners=False).
    tf1: no half-pixel shift (TensorFlow 1; torch-fidelity, pytorch-fid,
      torchmetrics up to 1.7).
  """
  scale = source / target
  new = np.arange(target)
  if kind == "antialias":
    support = max(scale, 1.0)
    offset = np.arange(source) + 0.5 - (new[:, None] + 0.5) * scale
    matrix = np.maximum(0.0, 1.0 - np.abs(offset / support))
    return (matrix / matrix.sum(1, keepdims=True)).astype(np.float32)
  if kind == "half_pixel":
    position = np.maximum((new + 0.5) * scale - 0.5, 0.0)
  else:
    # In float32, as the original: at the right edge of a large image that
    # is a thousandth of a grey level.
    position = new.astype(np.float32) * np.float32(scale)
  low = np.minimum(np.floor(position).astype(int), source - 1)
  high = np.minimum(low + 1, source - 1)
  share = position - low
  matrix = np.zeros((target, source))
  np.add.at(matrix, (new, low), 1.0 - share)
  np.add.at(matrix, (new, high), share)
  return matrix.astype(np.float32)

"""The Inception-v3 of FID: TensorFlow's of 2015-12-05, not torchvision's.

It differs from torchvision's by average pools that do not count padding, a
max pool in the last block, 1008 classes and no auxiliary head.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from einops import reduce

from scenetok_jax.metrics import layers
from scenetok_jax.metrics.metric import Metric, read_published
from scenetok_jax.metrics.resize import Kind, resize
from scenetok_jax.types import Array, InputError

SIZE = 299
CLASSES = 1008
# To 299 pixels: torchmetrics since 1.8; before it, and torch-fidelity.
RESIZES = ("antialias", "tf1")


def average_pool(x: Array) -> Array:
  """3 x 3 mean of the real pixels around each: [B H W C] -> same."""
  # A constant: XLA is slow to fold a reduce_window over ones.
  edges = [np.full(size, 3.0, np.float32) for size in x.shape[1:3]]
  for edge in edges:
    edge[[0, -1]] -= 1
  count = np.outer(*edges)[None, :, :, None]
  total = nn.avg_pool(x, (3, 3), (1, 1), "SAME") * 9.0
  return total / count


def _halve(x: Array) -> Array:
  return nn.max_pool(x, (3, 3), (2, 2))


def _maximum(x: Array) -> Array:
  return nn.max_pool(x, (3, 3), padding="SAME")


Block = Mapping[str, Sequence[layers.Step]]
_HALF = (3, 2, "VALID")
_FORK = [(384, (1, 3)), (384, (3, 1))]


def _wide(pool: int) -> Block:
  return {
    "branch1x1": [(64,)],
    "branch5x5_{}": [(48,), (64, 5)],
    "branch3x3dbl_{}": [(64,), (96, 3), (96, 3)],
    "branch_pool": [average_pool, (pool,)],
  }


def _factored(c: int) -> Block:
  row, column = (1, 7), (7, 1)
  return {
    "branch1x1": [(192,)],
    "branch7x7_{}": [(c,), (c, row), (192, column)],
    "branch7x7dbl_{}": [(c,), (c, column), (c, row), (c, column), (192, row)],
    "branch_pool": [average_pool, (192,)],
  }


def _forked(pool: layers.Step) -> Block:
  return {
    "branch1x1": [(320,)],
    "branch3x3_{}": [(384,), _FORK],
    "branch3x3dbl_{}": [(448,), (384, 3), _FORK],
    "branch_pool": [pool, (192,)],
  }


BLOCKS: dict[str, Block] = {
  "Mixed_5b": _wide(32),
  "Mixed_5c": _wide(64),
  "Mixed_5d": _wide(64),
  "Mixed_6a": {
    "branch3x3": [(384, *_HALF)],
    "branch3x3dbl_{}": [(64,), (96, 3), (96, *_HALF)],
    "pool": [_halve],
  },
  "Mixed_6b": _factored(128),
  "Mixed_6c": _factored(160),
  "Mixed_6d": _factored(160),
  "Mixed_6e": _factored(192),
  "Mixed_7a": {
    "branch3x3_{}": [(192,), (320, *_HALF)],
    "branch7x7x3_{}": [(192,), (192, (1, 7)), (192, (7, 1)), (192, *_HALF)],
    "pool": [_halve],
  },
  "Mixed_7b": _forked(average_pool),
  "Mixed_7c": _forked(_maximum),
}


class Inception(nn.Module):
  """(image - 128) / 128 [B 299 299 3] -> means over the image of four depths.

  By their channels, as in torch-fidelity: "64" and "192" after the first two
  max pools, "768" before Mixed_7a, "2048" FID's features; "logits_unbiased"
  [B 1008] are class scores without their bias.
  """

  @nn.compact
  def __call__(self, x: Array) -> dict[str, Array]:
    x = layers.Unit(32, *_HALF, name="Conv2d_1a_3x3")(x)
    x = layers.Unit(32, 3, padding="VALID", name="Conv2d_2a_3x3")(x)
    x = first = _halve(layers.Unit(64, 3, name="Conv2d_2b_3x3")(x))
    x = layers.Unit(80, name="Conv2d_3b_1x1")(x)
    x = layers.Unit(192, 3, padding="VALID", name="Conv2d_4a_3x3")(x)
    x = second = _halve(x)
    for name, branches in BLOCKS.items():
      if name == "Mixed_7a":
        third = x
      x = layers.Mixed(name=name)(x, branches, "12345")
    depths = (first, second, third, x)
    taps = [reduce(depth, "b h w c -> b c", "mean") for depth in depths]
    named = {str(tap.shape[-1]): tap for tap in taps}
    return {**named, "logits_unbiased": _Classifier(name="fc")(taps[-1])}


class _Classifier(nn.Module):
  """[B 2048] -> class scores without their bias, as the inception score's."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    shape = (x.shape[-1], CLASSES)
    kernel = self.param("kernel", nn.initializers.zeros, shape)
    self.param("bias", nn.initializers.zeros, (CLASSES,))
    return jnp.dot(x, kernel, precision="highest")


# Of the published file.
shapes = layers.shapes_of(Inception(), (1, SIZE, SIZE, 3))
table = layers.units_table(shapes, "conv")


def truncate_uint8(images: np.ndarray) -> np.ndarray:
  """float in [0, 1] -> uint8 by truncation: what the release feeds to FID."""
  return (np.asarray(images, np.float32) * np.float32(255)).astype(np.uint8)


def preprocess(images: Array, kind: Kind = "antialias") -> Array:
  """uint8 [B H W 3] -> resized, about [-1, 1]: [B 299 299 3]."""
  return (resize(images, (SIZE, SIZE), kind) - 128.0) / 128.0


def taps(
  params: dict, images: Array, kind: Kind = "antialias"
) -> dict[str, Array]:
  """uint8 RGB [B H W 3] of any size -> what the network sees, at five depths.

  kind: the resize; "antialias" as torchmetrics since 1.8, "tf1" as before and
  as torch-fidelity and pytorch-fid. InputError for other images.
  """
  images = jnp.asarray(images)
  if images.dtype != jnp.uint8 or images.ndim != 4 or images.shape[-1] != 3:
    raise InputError(
      f"fid: images are {images.dtype} {list(images.shape)}; give uint8"
      " [B H W 3] (truncate_uint8 makes them as the release does)"
    )
  found: Any = Inception().apply({"params": params}, preprocess(images, kind))
  return found


def features(params: dict, images: Array, resize: Kind = "antialias") -> Array:
  """uint8 RGB [B H W 3] -> FID's features [B 2048]; see `taps`."""
  return taps(params, images, resize)["2048"]


_NETWORK = read_published("fid_inception", shapes=shapes, table=table)
METRIC = Metric("fid", "image_set", features, "lower", "FID", 2, _NETWORK)

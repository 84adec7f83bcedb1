"""The Inception-v3 of FID: TensorFlow's of 2015-12-05, not torchvision's.

It differs from torchvision's by average pools that do not count padding, a
max pool in the last block, 1008 classes and no auxiliary head.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from einops import reduce

from scenetok_jax.convert.engine import Table
from scenetok_jax.metrics.layers import Unit, units_table
from scenetok_jax.metrics.metric import Metric, Published
from scenetok_jax.metrics.resize import Kind, resize
from scenetok_jax.types import Array, InputError

SIZE = 299
CLASSES = 1008
# To 299 pixels: torchmetrics since 1.8; before it, and torch-fidelity.
RESIZES = ("antialias", "tf1")

# Padding of a unit: "SAME" keeps the size at stride 1.
_UNPADDED, _PADDED = "VALID", "SAME"


@flax.struct.dataclass
class Taps:
  """Means over the image of four depths, [B C] each, and class scores.

  pool64, pool192: after the first and second max pool. pool768: before
  Mixed_7a. pool2048: FID's features. logits: [B 1008] without the bias.
  """

  pool64: Array
  pool192: Array
  pool768: Array
  pool2048: Array
  logits: Array


def _unit(
  name: str,
  features: int,
  kernel: int | Sequence[int] = 1,
  stride: int = 1,
  padding: str = _PADDED,
) -> Unit:
  sizes = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)
  return Unit(features, sizes, (stride, stride), padding, name=name)


def average_pool(x: Array) -> Array:
  """3 x 3 mean of the real pixels around each: [B H W C] -> same."""
  height, width = x.shape[1:3]
  # A constant: XLA is slow to fold a reduce_window over ones.
  edges = [np.full(n, 3.0, np.float32) for n in (height, width)]
  for edge in edges:
    edge[0] -= 1
    edge[-1] -= 1
  count = np.outer(*edges)[None, :, :, None]
  total = nn.avg_pool(x, (3, 3), (1, 1), "SAME") * 9.0
  return total / count


def _max_pool(x: Array, stride: int = 2, padding: str = _UNPADDED) -> Array:
  return nn.max_pool(x, (3, 3), (stride, stride), padding)


class MixedA(nn.Module):
  """[B H W C] -> [B H W 224 + pool_features]: 35 x 35 blocks."""

  pool_features: int

  @nn.compact
  def __call__(self, x: Array) -> Array:
    five = _unit("branch5x5_1", 48)(x)
    three = _unit("branch3x3dbl_1", 64)(x)
    three = _unit("branch3x3dbl_2", 96, 3)(three)
    parts = [
      _unit("branch1x1", 64)(x),
      _unit("branch5x5_2", 64, 5)(five),
      _unit("branch3x3dbl_3", 96, 3)(three),
      _unit("branch_pool", self.pool_features)(average_pool(x)),
    ]
    return jnp.concatenate(parts, axis=-1)


class MixedB(nn.Module):
  """[B 35 35 288] -> [B 17 17 768]."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    double = _unit("branch3x3dbl_1", 64)(x)
    double = _unit("branch3x3dbl_2", 96, 3)(double)
    parts = [
      _unit("branch3x3", 384, 3, 2, _UNPADDED)(x),
      _unit("branch3x3dbl_3", 96, 3, 2, _UNPADDED)(double),
      _max_pool(x),
    ]
    return jnp.concatenate(parts, axis=-1)


class MixedC(nn.Module):
  """[B 17 17 768] -> same, by factored 7 x 7 convolutions of some width."""

  width: int

  @nn.compact
  def __call__(self, x: Array) -> Array:
    row, column, c = (1, 7), (7, 1), self.width
    seven = _unit("branch7x7_1", c)(x)
    seven = _unit("branch7x7_2", c, row)(seven)
    double = _unit("branch7x7dbl_1", c)(x)
    double = _unit("branch7x7dbl_2", c, column)(double)
    double = _unit("branch7x7dbl_3", c, row)(double)
    double = _unit("branch7x7dbl_4", c, column)(double)
    parts = [
      _unit("branch1x1", 192)(x),
      _unit("branch7x7_3", 192, column)(seven),
      _unit("branch7x7dbl_5", 192, row)(double),
      _unit("branch_pool", 192)(average_pool(x)),
    ]
    return jnp.concatenate(parts, axis=-1)


class MixedD(nn.Module):
  """[B 17 17 768] -> [B 8 8 1280]."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    three = _unit("branch3x3_1", 192)(x)
    seven = _unit("branch7x7x3_1", 192)(x)
    seven = _unit("branch7x7x3_2", 192, (1, 7))(seven)
    seven = _unit("branch7x7x3_3", 192, (7, 1))(seven)
    parts = [
      _unit("branch3x3_2", 320, 3, 2, _UNPADDED)(three),
      _unit("branch7x7x3_4", 192, 3, 2, _UNPADDED)(seven),
      _max_pool(x),
    ]
    return jnp.concatenate(parts, axis=-1)


class MixedE(nn.Module):
  """[B 8 8 C] -> [B 8 8 2048]; the last block pools by the maximum."""

  maximum: bool

  @nn.compact
  def __call__(self, x: Array) -> Array:
    row, column = (1, 3), (3, 1)
    three = _unit("branch3x3_1", 384)(x)
    double = _unit("branch3x3dbl_1", 448)(x)
    double = _unit("branch3x3dbl_2", 384, 3)(double)
    pool = _max_pool(x, 1, _PADDED) if self.maximum else average_pool(x)
    parts = [
      _unit("branch1x1", 320)(x),
      _unit("branch3x3_2a", 384, row)(three),
      _unit("branch3x3_2b", 384, column)(three),
      _unit("branch3x3dbl_3a", 384, row)(double),
      _unit("branch3x3dbl_3b", 384, column)(double),
      _unit("branch_pool", 192)(pool),
    ]
    return jnp.concatenate(parts, axis=-1)


class Inception(nn.Module):
  """(image - 128) / 128 [B 299 299 3] -> Taps."""

  @nn.compact
  def __call__(self, x: Array) -> Taps:
    x = _unit("Conv2d_1a_3x3", 32, 3, 2, _UNPADDED)(x)
    x = _unit("Conv2d_2a_3x3", 32, 3, 1, _UNPADDED)(x)
    x = first = _max_pool(_unit("Conv2d_2b_3x3", 64, 3)(x))
    x = _unit("Conv2d_3b_1x1", 80)(x)
    x = _unit("Conv2d_4a_3x3", 192, 3, 1, _UNPADDED)(x)
    x = second = _max_pool(x)
    for letter, features in zip("bcd", (32, 64, 64), strict=True):
      x = MixedA(features, name=f"Mixed_5{letter}")(x)
    x = MixedB(name="Mixed_6a")(x)
    for letter, width in zip("bcde", (128, 160, 160, 192), strict=True):
      x = MixedC(width, name=f"Mixed_6{letter}")(x)
    third = x
    x = MixedD(name="Mixed_7a")(x)
    x = MixedE(maximum=False, name="Mixed_7b")(x)
    x = MixedE(maximum=True, name="Mixed_7c")(x)
    means = [
      reduce(tap, "b h w c -> b c", "mean") for tap in (first, second, third, x)
    ]
    logits = _Classifier(name="fc")(means[3])
    return Taps(means[0], means[1], means[2], means[3], logits)


class _Classifier(nn.Module):
  """[B 2048] -> class scores without their bias, as the inception score's."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    shape = (x.shape[-1], CLASSES)
    kernel = self.param("kernel", nn.initializers.zeros, shape)
    self.param("bias", nn.initializers.zeros, (CLASSES,))
    return jnp.dot(x, kernel, precision="highest")


@functools.cache
def shapes() -> dict:
  """Abstract parameters of the published network; nothing is computed."""
  image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
  return jax.eval_shape(Inception().init, jax.random.key(0), image)["params"]


def table() -> Table:
  """The rename table of the published file."""
  return units_table(shapes(), "conv")


def truncate_uint8(images: np.ndarray) -> np.ndarray:
  """float in [0, 1] -> uint8 by truncation: what the release feeds to FID."""
  return (np.asarray(images, np.float32) * np.float32(255)).astype(np.uint8)


def preprocess(images: Array, kind: Kind = "antialias") -> Array:
  """uint8 [B H W 3] -> resized, about [-1, 1]: [B 299 299 3]."""
  return (resize(images, (SIZE, SIZE), kind) - 128.0) / 128.0


def taps(params: dict, images: Array, kind: Kind = "antialias") -> Taps:
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
  return taps(params, images, resize).pool2048


METRIC = Metric(
  name="fid",
  kind="image_set",
  function=features,
  weights=Published(
    name="fid_inception",
    files=(
      (  # names under which the one file is published
        "pt_inception-2015-12-05-6726825d.pth",
        "weights-inception-2015-12-05-6726825d.pth",
      ),
    ),
    source=(
      "github.com/mseitzer/pytorch-fid/releases (fid_weights) or"
      " github.com/toshas/torch-fidelity/releases (v0.2.0)"
    ),
    licence="Apache-2.0",
    tensors=472,
    parameters=23_850_960,
    shapes=shapes,
  ),
  better="lower",
  digits=2,
  table=table,
  title="FID",
)

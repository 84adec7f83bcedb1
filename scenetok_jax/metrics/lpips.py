"""LPIPS v0.1 on VGG16: a learned distance between two images."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from einops import reduce

from scenetok_jax.convert.engine import Table
from scenetok_jax.metrics import lpips_package
from scenetok_jax.metrics.layers import conv, shapes_of
from scenetok_jax.metrics.metric import Metric, read_published
from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.types import Array, InputError

WIDTHS = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
SMALLEST = 16  # pixels that four poolings leave one of
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)
_EPSILON = 1e-10


class Vgg16(nn.Module):
  """VGG16's convolutions: RGB [... H W 3] in [-1, 1] -> its five taps.

  relu1_2, relu2_2, relu3_3, relu4_3, relu5_3 [... h w C]; each is half the
  size of the one before it, rounded down.
  """

  @nn.compact
  def __call__(self, images: Array) -> list[Array]:
    x = images - trailing(_SHIFT, images)
    x, taps, index = x / trailing(_SCALE, images), [], 0
    for group, widths in enumerate(WIDTHS):
      if group:
        x = nn.max_pool(x, (2, 2), (2, 2))
      for width in widths:
        layer = conv(width, (3, 3), name=f"conv{index}")
        x, index = nn.relu(layer(x)), index + 1
      taps.append(x)
    return taps


class Lpips(nn.Module):
  """RGB [B H W 3] in [-1, 1] twice -> terms of the five layers [B 5]."""

  @nn.compact
  def __call__(self, a: Array, b: Array) -> Array:
    terms = []
    taps = Vgg16(name="vgg")(jnp.stack([a, b]))
    for i, tap in enumerate(taps):
      norm = jnp.sqrt(reduce(tap**2, "p b h w c -> p b h w 1", "sum"))
      unit = tap / (norm + _EPSILON)
      weights = self.param(f"head{i}", nn.initializers.ones, tap.shape[-1:])
      difference = jnp.square(unit[0] - unit[1])
      difference = difference * trailing(weights, difference)
      terms.append(reduce(difference, "b h w c -> b h w", "sum"))
    return jnp.stack([reduce(x, "b h w -> b", "mean") for x in terms], -1)


shapes = shapes_of(Lpips(), *[(1, SMALLEST, SMALLEST, 3)] * 2)


def table() -> Table:
  """The rename table of both files: VGG16's, and LPIPS v0.1's heads."""
  renames = [
    (f"vgg/conv{i}/", f"features/{layer}/")
    for i, layer in enumerate(lpips_package.LAYERS)
  ]
  # VGG16's classifier, which LPIPS does not use.
  unused = [
    f"classifier.{n}.{x}" for n in (0, 3, 6) for x in ("weight", "bias")
  ]
  return Table(
    (*renames, (r"head(\d)", r"lin\1/model/1/weight")),
    {"head": "1 c 1 1 -> c"},
    buffers=dict.fromkeys(unused, functools.partial(np.zeros, 0, np.float32)),
  )


def distance(params: dict, a: Array, b: Array) -> Array:
  """float RGB [B H W 3] in [0, 1] twice -> LPIPS [B], float32; symmetric.

  Raises InputError: the shapes differ, or the images are smaller than 16 x 16.
  """
  return jnp.sum(layer_distances(params, a, b), axis=-1)


def layer_distances(params: dict, a: Array, b: Array) -> Array:
  """The five terms [B 5] of `distance`."""
  return Lpips().apply({"params": params}, *_scaled(a, b))


def features(params: dict, images: Array) -> list[Array]:
  """images [B H W 3] in [0, 1] -> the activations compared, 5 [B h w C]."""
  scaled, _ = _scaled(images, images)
  taps: Any = Vgg16().apply({"params": params["vgg"]}, scaled)
  return taps


def _scaled(a: Array, b: Array) -> tuple[Array, Array]:
  """Images of one shape, from [0, 1] to [-1, 1]."""
  if a.shape != b.shape or a.ndim != 4 or a.shape[-1] != 3:
    raise InputError(
      f"lpips: images {list(a.shape)} and {list(b.shape)}; give two arrays"
      " [B H W 3] of one shape"
    )
  if min(a.shape[1:3]) < SMALLEST:
    raise InputError(
      f"lpips: images of {a.shape[1]} x {a.shape[2]} pixels; at least"
      f" {SMALLEST} x {SMALLEST} are needed"
    )
  a, b = (jnp.asarray(x, jnp.float32) for x in (a, b))
  return 2.0 * a - 1.0, 2.0 * b - 1.0


VGG = read_published(
  "lpips_vgg",
  shapes=shapes,
  table=table,
  installed=lpips_package.installed_files,
  read=lpips_package.read_file,
)
METRIC = Metric("lpips", "image", distance, "lower", "LPIPS", 3, VGG, batch=8)

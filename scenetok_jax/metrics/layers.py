"""Layers of the frozen evaluation networks; channels last, float32.

Their parameters keep the published names: they are never trained, and a
reader who compares a number with the literature looks for those names. All
products run at the highest precision, lest a score depend on the machine.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.convert.engine import Rename, Table, manifest
from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.types import Array

_EPSILON = 1e-3  # of both published networks
_ZERO = functools.partial(np.array, 0, np.int64)
# Functions of x, fields of a Unit, or a list of steps that stand side by side.
Step = Any
Shapes = Callable[[], dict]

conv = functools.partial(
  nn.Conv,
  dtype=jnp.float32,
  precision=jax.lax.Precision.HIGHEST,
  # Always overwritten by published weights; random draws trace slowly.
  kernel_init=nn.initializers.zeros,
)


class FrozenNorm(nn.Module):
  """Batch normalisation with stored statistics: x [... C] -> same."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    shape = (x.shape[-1],)
    ones, zeros = nn.initializers.ones, nn.initializers.zeros
    scale = self.param("scale", ones, shape)
    bias = self.param("bias", zeros, shape)
    mean = self.param("mean", zeros, shape)
    var = self.param("var", ones, shape)
    factor = scale * jax.lax.rsqrt(var + _EPSILON)
    return x * trailing(factor, x) + trailing(bias - mean * factor, x)


class Unit(nn.Module):
  """Convolution without bias, stored normalisation, ReLU: [B ... C].

  kernel: its length along every axis, or along each.
  """

  features: int
  kernel: int | Sequence[int] = 1
  stride: int = 1
  padding: str = "SAME"

  @nn.compact
  def __call__(self, x: Array) -> Array:
    kernel = np.broadcast_to(self.kernel, x.ndim - 2).tolist()
    fields = (self.features, kernel, self.stride, self.padding)
    x = conv(*fields, use_bias=False, name="conv")(x)
    return nn.relu(FrozenNorm(name="norm")(x))


class Mixed(nn.Module):
  """Branches side by side: x [B ... C] -> [B ... D].

  branches: by name, the steps of each. labels: of its first, second, ... step,
  in place of {} in the name; steps side by side have a letter more.
  """

  @nn.compact
  def __call__(
    self, x: Array, branches: Mapping[str, Sequence[Step]], labels: str
  ) -> Array:
    ends = []
    for name, steps in branches.items():
      end = x
      for label, step in zip(labels, steps, strict=False):
        end = _take(step, end, name.format(label))
      ends.append(end)
    return jnp.concatenate(ends, axis=-1)


def _take(step: Step, x: Array, name: str) -> Array:
  if callable(step):
    return step(x)
  if isinstance(step, list):
    ends = [_take(s, x, f"{name}{'ab'[i]}") for i, s in enumerate(step)]
    return jnp.concatenate(ends, axis=-1)
  return Unit(*step, name=name)(x)


def shapes_of(network: nn.Module, *inputs: tuple[int, ...]) -> Shapes:
  """The abstract parameters of a network; nothing is computed."""

  @functools.cache
  def shapes() -> dict:
    given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in inputs]
    return jax.eval_shape(network.init, jax.random.key(0), *given)["params"]

  return shapes


def units_table(
  shapes: Shapes, conv: str, *renames: Rename
) -> Callable[[], Table]:
  """The rename table of a network of units that bear the published names.

  shapes: by shapes_of. conv: what the file calls a unit's convolution.
  renames: of everything else. Counters of training, which a file may hold, are
  ignored.
  """
  table = Table((("/conv/", f"/{conv}/"), ("/norm/", "/bn/"), *renames))

  def whole() -> Table:
    counters = {
      name.replace("running_var", "num_batches_tracked"): _ZERO
      for name in manifest(table, shapes())
      if name.endswith(".bn.running_var")
    }
    return dataclasses.replace(table, buffers=counters)

  return whole

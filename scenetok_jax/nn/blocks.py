"""Norms, MLPs, modulation and the scan over depth, shared by all networks."""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scenetok_jax.nn.block_spec import BlockSpec
from scenetok_jax.nn.init import bias_init, kernel_init
from scenetok_jax.nn.remat import REMAT_POLICIES, narrow_product
from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.ops.cpu import product
from scenetok_jax.ops.normalize import rms_normalize, scale_features
from scenetok_jax.parallel.rules import constrain
from scenetok_jax.types import Array


def dense(
  features: int | tuple[int, ...],
  fan_in: int,
  name: str | None,
  scheme: str,
  dtype: Any,
  *,
  fan_out: int | None = None,
  axis: int | tuple[int, ...] = -1,
  use_bias: bool = True,
  wide: bool = False,
) -> nn.DenseGeneral:
  """A linear layer with the reference's initialisation (nn.init).

  fan_out overrides the number of outputs in the Xavier bound, for layers that
  the reference stores fused with their neighbours. wide: what it gives is
  several times as wide as what it takes, so that "narrow" does not keep it.
  """
  sizes = (features,) if isinstance(features, int) else features
  return nn.DenseGeneral(
    features=sizes,
    axis=axis,
    use_bias=use_bias,
    dtype=dtype,
    kernel_init=kernel_init(scheme, fan_in, fan_out or math.prod(sizes)),
    bias_init=bias_init(scheme, fan_in),
    dot_general=product if wide else narrow_product,
    name=name,
  )


class Norm(nn.Module):
  """RMSNorm, or LayerNorm without affine; statistics in float32.

  plain: see BlockSpec.plain.
  """

  kind: str = "rms"
  epsilon: float = 1e-6
  affine: bool | None = None  # default: RMSNorm has a scale, LayerNorm none
  plain: bool = False

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """x [... D] -> [... D] in the dtype of x."""
    dtype, x = x.dtype, x.astype(jnp.float32)
    affine = (self.kind == "rms") if self.affine is None else self.affine
    if self.kind == "layer":
      x = x - jnp.mean(x, axis=-1, keepdims=True)
    x = rms_normalize(x, self.epsilon, plain=self.plain)
    if affine:
      scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
      x = scale_features(x, scale, plain=self.plain)
    if affine and self.kind == "layer":
      bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
      x = x + trailing(bias, x)
    return x.astype(dtype)


class Mlp(nn.Module):
  """SwiGLU, or tanh-GELU when swiglu is False: x [B L D] -> [B L D]."""

  block: BlockSpec

  @nn.compact
  def __call__(self, x: Array) -> Array:
    block, width = self.block, x.shape[-1]
    how = (block.scheme, block.dtype)
    x, hidden = constrain_tokens(x), int(width * block.mlp_ratio)
    if block.swiglu:
      hidden = int(2 / 3 * hidden)
      up = dense(2 * hidden, width, "up", *how, wide=True)(x)
      gate, up = jnp.split(up, 2, axis=-1)
      up = jax.nn.silu(gate) * up
    else:
      up = dense(hidden, width, "up", *how, wide=True)(x)
      up = jax.nn.gelu(up, approximate=True)
    return constrain_tokens(dense(width, hidden, "down", *how)(up))


class Modulation(nn.Module):
  """c [... D] -> `chunks` arrays [... D]: Linear(silu(c)) split in order."""

  chunks: int = 6
  scheme: str = "zero"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, c: Array) -> list[Array]:
    width, c = c.shape[-1], constrain_tokens(jax.nn.silu(c))
    # Named here, so that the kernel's path ends in "modulation/kernel".
    layer = dense(
      self.chunks * width,
      width,
      "modulation",
      self.scheme,
      self.dtype,
      wide=True,
    )
    return jnp.split(layer(c), self.chunks, axis=-1)


def adaln(c: Array, block: BlockSpec, scheme: str) -> list[Array | None]:
  """Shift, scale and gate of attention, then of the MLP; shifts or None."""
  count = 6 if block.shift else 4
  chunks = Modulation(count, scheme, block.dtype, name="adaln")(c)
  if block.shift:
    return [*chunks]
  return [None, *chunks[:2], None, *chunks[2:]]


def constrain_tokens(x: Array) -> Array:
  """Keeps the width of x [B L D], and of its cotangent, on every device.

  Inputs and outputs of layers that split over the tensor axis need it: XLA's
  partitioner (jaxlib 0.10.2) mixes up examples where a sum over that axis is
  split by width over the same axis again.
  """
  return constrain(x, "batch", "length", None)


def modulate(x: Array, shift: Array | None, scale: Array) -> Array:
  """x (1 + scale) + shift; no shift in the variant without shifts."""
  x = x * (1 + scale)
  return x if shift is None else x + shift


def stack(
  layer: type[nn.Module],
  depth: int,
  remat: str,
  in_axes: Any = nn.broadcast,
  **fields: Any,
) -> Callable[..., Any]:
  """`depth` blocks in a row with rematerialised bodies, as one scan.

  Their parameters are those named "blocks" of the module that calls, with a
  leading depth axis.

  layer: a module whose call takes (carry, *shared) and returns (carry, output
  or None). remat: a key of REMAT_POLICIES. in_axes: as nn.scan's; 0 for an
  argument with a leading depth axis. fields: the layer's. Returns (carry,
  *shared) -> (carry, outputs with a leading depth axis).
  """
  if remat != "none":
    # A scan keeps its recomputation apart from the forward pass by itself.
    layer = nn.remat(layer, policy=REMAT_POLICIES[remat], prevent_cse=False)
  scanned = nn.scan(
    layer,
    variable_axes={"params": 0, "intermediates": 0},
    split_rngs={"params": True},
    in_axes=in_axes,
    length=depth,
  )
  return scanned(name="blocks", **fields)

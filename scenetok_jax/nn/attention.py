"""Multi-head self- and cross-attention with q/k norms and rotations."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from scenetok_jax.nn.blocks import Norm, dense, pin
from scenetok_jax.ops.attention import attention
from scenetok_jax.ops.rope import rotate
from scenetok_jax.types import Array


class Attention(nn.Module):
  """Self-attention, or cross-attention when given a context.

  Queries and keys are normalised per head (if asked), then rotated.
  """

  heads: int
  qk_norm: bool = False
  norm: str = "rms"
  epsilon: float = 1e-6
  causal: bool = False
  scheme: str = "torch"
  dtype: Any = jnp.float32
  kernel: str = "xla"

  @nn.compact
  def __call__(
    self,
    x: Array,
    context: Array | None = None,
    *,
    query_angles: Array | None = None,
    key_angles: Array | None = None,
  ) -> Array:
    """x [B L D], context [B M D] or None -> [B L D]; angles [L or M, d/2]."""
    width = x.shape[-1]
    # The reference fuses q, k, v of self-attention in one [3D, D] matrix.
    fan_out = 3 * width if context is None else width
    x = pin(x)
    source = x if context is None else pin(context)

    def project(inputs: Array, name: str) -> Array:
      return dense(
        (self.heads, width // self.heads),
        width,
        name=name,
        scheme=self.scheme,
        dtype=self.dtype,
        fan_out=fan_out,
      )(inputs)

    query, key = project(x, "query"), project(source, "key")
    value = project(source, "value")
    if self.qk_norm:
      epsilon = self.epsilon if self.norm == "rms" else 1e-5
      norm: dict[str, Any] = {
        "kind": self.norm,
        "epsilon": epsilon,
        "affine": True,
      }
      query = Norm(**norm, name="query_norm")(query)
      key = Norm(**norm, name="key_norm")(key)
    if query_angles is not None:
      query = rotate(query, query_angles)
    if key_angles is not None:
      key = rotate(key, key_angles)
    out = attention(
      query, key, value, causal=self.causal, implementation=self.kernel
    )
    out = dense(
      width,
      width,
      name="out",
      scheme=self.scheme,
      dtype=self.dtype,
      axis=(-2, -1),
    )(out)
    return pin(out)

"""The softmax of attention."""

import jax
import jax.numpy as jnp

from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.types import Array


def masked_softmax(logits: Array, causal: bool) -> Array:
  """logits [... Lq Lk] -> weights over keys, same shape and dtype.

  causal: masks keys after the query's own index.
  """
  if causal:
    visible = jnp.tril(jnp.ones(logits.shape[-2:], bool))
    visible = trailing(visible, logits)
    logits = jnp.where(visible, logits, jnp.finfo(logits.dtype).min)
  return jax.nn.softmax(logits, axis=-1)

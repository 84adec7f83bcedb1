"""Everything that only a CPU wants: other forms of the same mathematics.

A definition says what to compute and is decorated with its form for CPUs:
`on_cpu` where that is another function, `cpu_gradient` where only the gradient
is written out. XLA for CPUs is slow at products over strided axes, and at
elementwise work that ends in a sum, of which the gradients of norms and of a
softmax are made (docs/performance_training.md). Written-out gradients raise
under forward-mode differentiation, as every custom gradient does: what jax.jvp
goes through asks for the plain forms.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange

from scenetok_jax.ops.broadcast import trailing
from scenetok_jax.ops.softmax import masked_softmax
from scenetok_jax.types import Array

Function = Callable[..., Any]
# Bytes of one example's logits from which on two leave a CPU's cache.
_CACHED = 1 << 23
_EXACT = jax.lax.Precision.HIGHEST  # they are sums, whatever products are


def traced_for_cpu() -> bool:
  """Whether what is being traced will run on CPU devices.

  Asks the mesh in force, which may be of a slice that is only compiled for.
  """
  device = jax.sharding.get_abstract_mesh().abstract_device or jax.devices()[0]
  return device.device_kind == "cpu"


def traced_for_one_cpu() -> bool:
  """traced_for_cpu, and not for a mesh of several devices."""
  return jax.sharding.get_abstract_mesh().size <= 1 and traced_for_cpu()


def on_cpu(form: Function) -> Callable[[Function], Function]:
  """Decorates a definition: on a CPU, `form` takes its place."""

  def decorate(definition: Function) -> Function:
    @functools.wraps(definition)
    def call(*args: Any, **kwargs: Any) -> Any:
      function = form if traced_for_cpu() else definition
      return function(*args, **kwargs)

    return call

  return decorate


def cpu_gradient(
  forward: Function, backward: Function, constants: tuple[int, ...] = ()
) -> Callable[[Function], Function]:
  """Decorates a definition: on one CPU its gradient is written out.

  Not where it is called with plain=True.

  forward, backward, constants: as of jax.custom_vjp, which has them as
  defvjp(forward, backward) and nondiff_argnums.
  """

  def decorate(definition: Function) -> Function:
    written = jax.custom_vjp(definition, nondiff_argnums=constants)
    written.defvjp(forward, backward)

    @functools.wraps(definition)
    def call(*args: Any, plain: bool = False) -> Any:
      chosen = not plain and traced_for_one_cpu()
      return (written if chosen else definition)(*args)

    return call

  return decorate


def _matrix_product(
  x: Array, kernel: Array, dimensions: Any, precision: Any = None, **more: Any
) -> Array:
  """x [... in] . kernel [in out], each of `in` and `out` one or more axes.

  With heads as an axis of their own, a CPU transposes kernels and their
  gradients. A TPU lays heads out as it likes and would pay for the reshapes.
  """
  (_, axes), _ = dimensions
  sizes = {f"axis{n}": size for n, size in enumerate(kernel.shape)}
  names = list(sizes)
  ins, outs = " ".join(names[: len(axes)]), " ".join(names[len(axes) :])
  lead = x.shape[: x.ndim - len(axes)]
  x = rearrange(x, f"... {ins} -> ... ({ins})")
  if traced_for_one_cpu():
    # One leading axis, or the kernel's gradient transposes a cotangent first.
    x = rearrange(x, "... d -> (...) d")
  y = jnp.matmul(
    x,
    rearrange(kernel, f"{ins} {outs} -> ({ins}) ({outs})"),
    precision=precision,
    **more,
  )
  return y.reshape(*lead, *kernel.shape[len(axes) :])


# The dot_general of linear layers: x's last axes times the kernel's first.
product = on_cpu(_matrix_product)(jax.lax.dot_general)


def rms_forward(x: Array, epsilon: float) -> tuple[Array, tuple[Array, Array]]:
  """x [... D] over the root of its mean square, and what its gradient needs."""
  factor = jax.lax.rsqrt(_mean_of_features(jnp.square(x)) + epsilon)
  return x * factor, (x * factor, factor)


def rms_backward(
  epsilon: float, saved: tuple[Array, Array], cotangent: Array
) -> tuple[Array]:
  del epsilon  # it is in the factor
  y, factor = saved
  return (factor * (cotangent - y * _mean_of_features(cotangent * y)),)


def scale_forward(x: Array, scale: Array) -> tuple[Array, tuple[Array, Array]]:
  """x [... D] times scale [D], and what its gradient needs."""
  return x * trailing(scale, x), (x, scale)


def scale_backward(
  saved: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array]:
  x, scale = saved
  rows = rearrange(cotangent * x, "... d -> (...) d")
  ones = jnp.ones((1, rows.shape[0]), rows.dtype)
  total = jnp.matmul(ones, rows, precision=_EXACT)[0]
  return cotangent * trailing(scale, cotangent), total


def _mean_of_features(x: Array) -> Array:
  """[... D] -> [... 1], as a product."""
  weights = jnp.full((x.shape[-1], 1), 1.0 / x.shape[-1], x.dtype)
  return jnp.matmul(x, weights, precision=_EXACT)


def heads_first_attention(
  query: Array, key: Array, value: Array, causal: bool
) -> Array:
  """ops.attention.softmax_average with heads before positions.

  Products over strided heads take twice the time. A lone CPU is faster with
  one large example after the other.
  """
  size = 4 * math.prod(query.shape[1:3]) * key.shape[1]
  if traced_for_one_cpu() and len(query) > 1 and size >= _CACHED:
    return jax.lax.map(
      lambda x: _heads_first(x[0][None], x[1][None], x[2][None], causal)[0],
      (query, key, value),
    )
  return _heads_first(query, key, value, causal)


def plain_heads_first(
  query: Array, key: Array, value: Array, causal: bool
) -> Array:
  """heads_first_attention without a gradient of its own, for jax.jvp."""
  return _heads_first(query, key, value, causal, plain=True)


def _heads_first(
  query: Array, key: Array, value: Array, causal: bool, plain: bool = False
) -> Array:
  query, key, value = (
    rearrange(x, "b l h d -> b h l d") for x in (query, key, value)
  )
  # Rounded weights must be differentiated as they were rounded.
  exact = value.dtype == jnp.float32 and not plain
  average = _average_by_output if exact else _average
  return rearrange(average(query, key, value, causal), "b h l d -> b l h d")


def _average(query: Array, key: Array, value: Array, causal: bool) -> Array:
  """Scaled query [B h Lq d], key and value [B h Lk d] -> [B h Lq d]."""
  return _attention_forward(query, key, value, causal)[0]


# In float32 with a gradient that sums no rows of the weights: the sum over
# keys of weights times their cotangents is the product of output and its
# cotangent (Dao et al. 2022, FlashAttention, appendix B.2).
_average_by_output = jax.custom_vjp(_average, nondiff_argnums=(3,))


def _attention_forward(
  query: Array, key: Array, value: Array, causal: bool
) -> tuple[Array, tuple[Array, ...]]:
  logits = jnp.einsum(
    "bhqd,bhkd->bhqk", query, key, preferred_element_type=jnp.float32
  )
  weights = masked_softmax(logits, causal).astype(value.dtype)
  out = jnp.einsum("bhqk,bhkd->bhqd", weights, value)
  return out, (query, key, value, weights, out)


def _attention_backward(
  causal: bool, saved: tuple[Array, ...], cotangent: Array
) -> tuple[Array, Array, Array]:
  query, key, value, weights, out = saved
  slopes = jnp.einsum("bhqd,bhkd->bhqk", cotangent, value)
  slopes = slopes - jnp.sum(cotangent * out, axis=-1, keepdims=True)
  # Masked weights are zero, and so is what they pass on.
  logits = weights * slopes
  return (
    jnp.einsum("bhqk,bhkd->bhqd", logits, key),
    jnp.einsum("bhqk,bhqd->bhkd", logits, query),
    jnp.einsum("bhqk,bhqd->bhkd", weights, cotangent),
  )


_average_by_output.defvjp(_attention_forward, _attention_backward)

"""Matrix-multiplication FLOPs: counted of a function, measured per second."""

import functools
import math
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params
from jax.interpreters import partial_eval

# Name of a chip -> FLOP/s in bfloat16 and float32.
PEAKS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))

# Part of a splash kernel's name -> its products of queries times keys.
_KERNELS = {"fwd": 2, "dq": 3, "dkv": 5}
# JAX's names of cuDNN's attention.
_CUDNN = re.compile("dot_product_attention_(fwd|bwd)_wrapper$")


def count_flops(function: Callable[..., Any], *args: Any) -> int:
  """FLOPs of dot_general and convolutions, as the program executes them.

  XLA's cost_analysis counts the body of a loop once; here a scan counts its
  body times its length, and recomputation by jax.checkpoint counts as often
  as it runs. A while loop of unknown length counts once; of a cond's branches
  the dearest counts; a shard_map counts on all its devices. Attention by a
  Pallas kernel or cuDNN counts by its formula. Elementwise work counts nothing.

  args: of the function, arrays or jax.ShapeDtypeStruct trees. Returns FLOPs of
  one call over all devices; a multiply-add is two.
  """
  traced = jax.make_jaxpr(function)(*args).jaxpr
  # A rematerialised kernel whose results were kept is traced, and never run.
  used, _ = partial_eval.dce_jaxpr(traced, [True] * len(traced.outvars))
  return _count(used)


def _count(jaxpr: Any) -> int:
  return sum(_count_equation(equation) for equation in jaxpr.eqns)


def _count_equation(equation: Any) -> int:
  name, params = equation.primitive.name, equation.params
  if name == "dot_general":
    (contracted, _), _ = params["dimension_numbers"]
    shape = equation.invars[0].aval.shape
    return _products(equation, (shape[axis] for axis in contracted))
  if name == "conv_general_dilated":
    # Gradients of convolutions dilate their input with zeros that no one needs
    # to multiply, yet most backends do: they are counted.
    kernel = equation.invars[1].aval.shape  # taps and channels per group
    axes = params["dimension_numbers"].rhs_spec[1:]
    return _products(equation, (kernel[axis] for axis in axes))
  if name == "pallas_call":
    given = [x.aval for x in equation.invars]
    rows = [x.shape for x in given if x.ndim > 2 and _is_real(x)]
    return int(kernel_flops(params["name"], rows))
  if match := _CUDNN.match(name):
    query, key = (x.aval.shape for x in equation.invars[:2])
    return int(attention_flops(query, key[1], match[1] == "bwd"))
  if name == "cond":
    return max(_count(branch.jaxpr) for branch in params["branches"])
  total = sum(_count(inner) for inner in jaxprs_in_params(params))
  if name == "scan":
    return params["length"] * total
  if name == "shard_map":
    manual = params["newly_manual_axes"]
    return math.prod(params["mesh"].shape[a] for a in manual) * total
  return total


def _is_real(array: Any) -> bool:
  return jnp.issubdtype(array.dtype, jnp.floating)


def _products(equation: Any, depth: Any) -> int:
  """Of an output whose every element sums that many products."""
  return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(depth)


def kernel_flops(name: str, shapes: list[tuple[int, ...]]) -> float:
  """FLOPs of a call of a kernel; 0 for one that is not attention's.

  shapes: of its operands of floating type and at least three axes, the first
  two query [... h Lq d] and key [... h Lk d]. A causal mask counts as none.
  """
  match = re.match(r"splash_m[hq]a_(fwd|dq|dkv)", name)
  if match is None:
    return 0.0
  query, key = shapes[:2]
  return 2.0 * _KERNELS[match[1]] * math.prod(query) * key[-2]


def attention_flops(query: tuple[int, ...], keys: int, backward: bool) -> float:
  """FLOPs of cuDNN's attention, whose backward pass forms logits again.

  query: [B Lq h d]. keys: their number. A causal mask counts as none.
  """
  return 2.0 * (5 if backward else 2) * math.prod(query) * keys


def published_flops(device: Any, dtype: str) -> float | None:
  """Peak FLOP/s of a device, None for one that flops.toml does not know."""
  kind = device.device_kind
  names = [name for name in PEAKS if re.search(rf"\b{name}\b", kind)]
  if not names or " MIG " in kind:  # a part of a GPU
    return None
  bfloat16, float32 = PEAKS[max(names, key=len)]
  peak = bfloat16 if dtype == "bfloat16" else float32
  return peak * getattr(device, "num_cores", 1)


def peak_flops_per_second(dtype: str = "float32") -> float:
  """FLOP/s that one device can reach: published, or else measured."""
  device = jax.local_devices()[0]
  if known := published_flops(device, dtype):
    return known
  memory = (device.memory_stats() or {}).get("bytes_limit", math.inf)
  return fastest(lambda size: matmul_flops_per_second(dtype, size, 0.1), memory)


def fastest(speed: Callable[[int], float], memory: float = math.inf) -> float:
  """The best FLOP/s of square matmuls, whose sizes double while that pays.

  speed: FLOP/s at a size. They end before a product would take half a second,
  or three float32 matrices a quarter of `memory`, in bytes.
  """
  best, size, found = 0.0, 1024, speed(1024)
  while found > 1.05 * best:
    best, size = found, 2 * size
    if 2 * size**3 < 0.5 * best and 12 * size**2 < memory / 4:
      found = speed(size)
  return max(best, found)


@functools.cache
def matmul_flops_per_second(
  dtype: str = "float32", size: int = 2048, seconds: float = 0.3
) -> float:
  """FLOP/s of a square matmul on one device, the median of repeated runs.

  Measured for `seconds` after compilation, once per process and argument set;
  the machine may drift under other load.
  """
  matrix = jnp.full((size, size), 1.0 / size, dtype)
  multiply = jax.jit(jnp.matmul)
  multiply(matrix, matrix).block_until_ready()
  times: list[float] = []
  while sum(times) < seconds or len(times) < 3:
    start = time.perf_counter()
    multiply(matrix, matrix).block_until_ready()
    times.append(time.perf_counter() - start)
  return 2.0 * size**3 / float(np.median(times))

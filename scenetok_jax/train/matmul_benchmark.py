"""The matmul speed of this machine, measured, to judge step times by."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np


@functools.cache
def matmul_flops_per_second(
  dtype: str = "float32", size: int = 2048, seconds: float = 0.3
) -> float:
  """FLOP/s of a square matmul on one device, the median of repeated runs.

  Measured for `seconds` after compilation, once per process and argument set;
  the machine may drift under other load. Multiply by the number of devices
  that a step runs on, but not by fake CPU devices, which share one machine.
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

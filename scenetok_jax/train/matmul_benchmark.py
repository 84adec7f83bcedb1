"""The matmul speed of this machine, measured, to judge step times by."""

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@functools.cache
def matmul_flops_per_second(
  dtype: str = "float32", size: int = 2048, seconds: float = 0.3
) -> float:
  """FLOP/s of a square matmul on one device, the median of repeated runs.

  Measured once per process and argument set; the machine may drift under
  other load.

  Args:
    dtype: "float32" or "bfloat16"; float32 uses the default precision.
    size: rows and columns.
    seconds: time to spend after compilation.

  Returns:
    FLOP/s of one device; multiply by the number of devices that the step
    runs on (fake CPU devices share one machine: do not multiply those).
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


def step_flops(stage: Any) -> float:
  """XLA's own FLOP count of a lowered or compiled function, per device.

  Bodies of loops (scan over depth, sampler steps) are counted once whatever
  their length; train.flops.count_flops multiplies them.

  Args:
    stage: result of jax.jit(f).lower(...) or of .compile().

  Returns:
    FLOPs, 0.0 where the backend does not say.
  """
  cost = stage.cost_analysis() or {}
  cost = cost[0] if isinstance(cost, (list, tuple)) else cost
  return float(cost.get("flops", 0.0))

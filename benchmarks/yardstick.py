"""Seconds of a function beside the machine's matmul speed at that moment."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import repeat

from scenetok_jax.aot.hlo import parse
from scenetok_jax.aot.hlo_cost import cost
from scenetok_jax.train.flops import matmul_flops_per_second
from scenetok_jax.types import InputError


@dataclasses.dataclass(frozen=True)
class Measured:
  """Medians over the runs of one function.

  seconds: of a run. peak: FLOP/s of a 2048-square matmul around the runs.
  share: FLOP/s of a run over the mean of those right before and after it.
  """

  seconds: float
  peak: float
  share: float


def matmul_speed(dtype: str = "float32") -> float:
  """FLOP/s of a 2048-square matmul now; not remembered."""
  matmul_flops_per_second.cache_clear()
  return matmul_flops_per_second(dtype, seconds=1.0)


def against_matmul(
  run: Callable[[], Any], flops: float, repeats: int, dtype: str = "float32"
) -> Measured:
  """Times `run` between two matmuls, `repeats` times.

  Args:
    run: does the work and returns what to wait for; compiled before.
    flops: matrix-multiplication FLOPs of one run, as executed.
    repeats: runs.
    dtype: of the matmul.
  """
  seconds, shares, peaks = [], [], [matmul_speed(dtype)]
  for _ in range(repeats):
    start = time.perf_counter()
    jax.block_until_ready(run())
    seconds.append(time.perf_counter() - start)
    peaks.append(matmul_speed(dtype))
    around = (peaks[-2] + peaks[-1]) / 2
    shares.append(flops / seconds[-1] / around)
  medians = [float(np.median(x)) for x in (seconds, peaks, shares)]
  return Measured(*medians)


def executed_flops(compiled: Any) -> int:
  """FLOPs of matrix products that a compiled program executes.

  Not those of the function it was made from: what two parts of it have in
  common is computed once.

  Raises:
    InputError: a loop of unknown length, or no product that can be counted.
  """
  found = cost(parse(compiled.as_text()))
  if found.unknown_loops or not found.flops:
    raise InputError(
      f"benchmark: {found.unknown_loops} loops of unknown length and"
      f" {found.flops:.0f} FLOPs in the compiled program: on"
      f" {jax.default_backend()} they cannot be counted"
    )
  return int(found.flops)


def filled(shapes: Any, scale: float = 0.02) -> Any:
  """Arrays of the given shapes from one repeated draw; integers are 0."""
  draw = np.random.default_rng(1).standard_normal(1 << 16, np.float32)

  def fill(leaf: Any, values: jax.Array) -> jax.Array:
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
      return jnp.zeros(leaf.shape, leaf.dtype)
    size = math.prod(leaf.shape)
    count = -(-size // len(draw))
    long = repeat(values.astype(leaf.dtype), "n -> (count n)", count=count)
    return long[:size].reshape(leaf.shape)

  # One program on the device: a borrowed NumPy buffer could not be donated.
  make = jax.jit(
    lambda values: jax.tree.map(lambda leaf: fill(leaf, values), shapes)
  )
  return make(scale * draw)

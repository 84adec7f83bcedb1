"""Matrix-multiplication FLOPs of a function, counted on its jaxpr."""

import math
from collections.abc import Callable
from typing import Any

import jax


def count_flops(function: Callable[..., Any], *args: Any) -> int:
  """FLOPs of dot_general and convolutions, as the program executes them.

  XLA's cost_analysis counts the body of a loop once; here a scan counts its
  body times its length, and recomputation by jax.checkpoint counts as often
  as it runs. A while loop of unknown length counts once; of a cond's branches
  the dearest counts; a shard_map counts on all its devices. Elementwise work
  and opaque kernels (cuDNN, Pallas) count nothing.

  Args:
    function: any traceable function.
    *args: arrays or jax.ShapeDtypeStruct trees.

  Returns:
    FLOPs of one call over all devices; a multiply-add is two.
  """
  return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(jaxpr: Any) -> int:
  return sum(_count_equation(equation) for equation in jaxpr.eqns)


def _count_equation(equation: Any) -> int:
  name, params = equation.primitive.name, equation.params
  if name == "dot_general":
    return _dot(equation)
  if name == "conv_general_dilated":
    return _convolution(equation)
  if name == "cond":
    return max(_count(branch.jaxpr) for branch in params["branches"])
  total = sum(_count(inner) for inner in _inner_jaxprs(params))
  if name == "scan":
    return params["length"] * total
  if name == "shard_map":
    manual = params["newly_manual_axes"]
    return math.prod(params["mesh"].shape[a] for a in manual) * total
  return total


def _inner_jaxprs(params: dict[str, Any]) -> list[Any]:
  """Jaxprs among an equation's parameters: pjit, remat, custom_vjp, scan."""
  found = []
  for value in params.values():
    for item in value if isinstance(value, (tuple, list)) else (value,):
      item = getattr(item, "jaxpr", item)  # a closed jaxpr holds a jaxpr
      if hasattr(item, "eqns"):
        found.append(item)
  return found


def _dot(equation: Any) -> int:
  """2 * size of the output * size of the contracted dimensions."""
  (contracted, _), _ = equation.params["dimension_numbers"]
  shape = equation.invars[0].aval.shape
  depth = math.prod(shape[axis] for axis in contracted)
  return 2 * math.prod(equation.outvars[0].aval.shape) * depth


def _convolution(equation: Any) -> int:
  """2 * size of the output * kernel taps * input channels per group."""
  numbers = equation.params["dimension_numbers"]
  kernel = equation.invars[1].aval.shape
  taps = math.prod(kernel[axis] for axis in numbers.rhs_spec[1:])
  # Gradients of convolutions dilate their input with zeros that no one needs
  # to multiply, yet most backends do: they are counted.
  return 2 * math.prod(equation.outvars[0].aval.shape) * taps

"""Comparing a training step with the reference's, loss and gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from scenetok_jax.codecs.registry import published
from scenetok_jax.convert.engine import Table, export_tensors
from scenetok_jax.train.task import StepLoss
from tests import goldens, networks

GRADIENTS = 2e-4  # of a gradient's largest magnitude
ROUNDING = 1e-6  # zero in exact arithmetic


def normalized(codec: str, latents: np.ndarray) -> np.ndarray:
  """Latents [B V C h w] as stored on disk -> [B V h w C] as networks see."""
  scaling = published(codec).scaling
  return scaling.normalize(networks.channels_last(latents))


def differentiate(
  loss: Callable[[Any, Any], StepLoss],
) -> Callable[[Any, Any], tuple[StepLoss, Any]]:
  """(params, arguments) -> (per-scene results, gradients of their mean)."""

  def mean(params: Any, arguments: Any) -> Any:
    out = loss(params, arguments)
    return out.loss.mean(), out

  @networks.quick_jit
  def step(params: Any, arguments: Any) -> Any:
    grads, out = jax.grad(mean, has_aux=True)(params, arguments)
    return out, grads

  def run(params: Any, arguments: Any) -> Any:
    with jax.default_matmul_precision("highest"):
      return jax.device_get(step(params, arguments))

  return run


def assert_gradients(
  case: goldens.Case, prefix: str, trees: Sequence[tuple[Table, Any]]
) -> set[str]:
  """Compares gradients, by torch name, with a run of a reference case.

  Args:
    case: has grad_names, grad_norms and grad/<name> outputs.
    prefix: the run's.
    trees: rename table and gradients of each trained network.

  Returns:
    Names of the parameters that get no gradient in the reference.
  """
  found = {
    name: np.asarray(tensor)
    for table, grads in trees
    for name, tensor in export_tensors(grads, table)
    if name.removeprefix(table.prefix) not in table.buffers
  }
  expected = case.run(prefix, "outputs")
  absent = set()
  names = [str(name) for name in expected["grad_names"]]
  assert set(names) == found.keys()
  for name, norm in zip(names, expected["grad_norms"], strict=True):
    if np.isnan(norm):
      absent.add(name)
      assert not found[name].any(), name
    else:
      ours = np.linalg.norm(found[name].astype(np.float64))
      assert abs(ours - norm) <= GRADIENTS * norm + ROUNDING, name
  for name, value in expected.items():
    if name.startswith("grad/"):
      worst = np.abs(found[name.removeprefix("grad/")] - value).max()
      assert worst <= GRADIENTS * np.abs(value).max() + ROUNDING, name
  return absent

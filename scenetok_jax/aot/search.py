"""Which mesh and remat policy to compile first: a forecast of memory."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from scenetok_jax.aot.chips import Chip
from scenetok_jax.aot.program import abstract_key, latent_batch, stage_task
from scenetok_jax.model import build
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import device_bytes
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.state import abstract
from scenetok_jax.train.task import Task

# The fastest first. "none" is not among them: on every slice tried, what it
# stores takes longer to move than "dots" takes to recompute.
POLICIES = ("dots", "full")
# Share of the memory that a forecast may fill: forecasts err by a tenth.
_ROOM = 0.9
# What the compiler needs beside what is kept: heads of 64 are padded to 128
# lanes and one layer is recomputed (ours: measured at remat dots and full).
_OVERHEAD = 2.2


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A mesh and policy with the bytes per device that it should need."""

  mesh: dict[str, int]
  remat: str
  accumulate: int
  forecast_bytes: float


def candidates(
  config: ConfigDict, devices: list[Any], chip: Chip
) -> Iterator[Candidate]:
  """Candidates that should fit, the fastest first.

  Less recomputation comes before smaller parameter shards (fsdp), and both
  before gradient accumulation. Devices that the batch does not divide over
  share examples along tensor, or along sequence where heads do not divide.
  """
  saved = {policy: saved_bytes(config, policy) for policy in POLICIES}
  for accumulate in (1, 2, 4, 8):
    batch, rest = divmod(config.data.batch_size, accumulate)
    if rest:
      continue
    for policy in POLICIES:
      for sizes in meshes(config, batch, len(devices)):
        held = _state_bytes(config, make_mesh(sizes, devices))
        ways = sizes["data"] * sizes["fsdp"]
        shards = ways * sizes["sequence"]
        forecast = held + _OVERHEAD * batch * saved[policy] / shards
        if forecast <= _ROOM * chip.hbm:
          yield Candidate(sizes, policy, accumulate, forecast)


def meshes(
  config: ConfigDict, batch: int, count: int
) -> Iterator[dict[str, int]]:
  """Axis sizes for `count` devices, the least communication first."""
  ways = math.gcd(batch, count)
  inner = count // ways
  trained = "generator" if config.stage == "generator" else "decoder"
  split = math.gcd(inner, config.tokenizer.heads, config[trained].heads)
  shared = {"tensor": split, "sequence": inner // split}
  fsdp = [n for n in (1, 4, 16, 64, 256) if n < ways and ways % n == 0]
  for size in [*fsdp, ways]:
    yield {"data": ways // size, "fsdp": size, **shared}


def saved_bytes(config: ConfigDict, policy: str) -> float:
  """Bytes per example that the forward pass keeps for the backward one.

  The growth of what jax.vjp keeps from one to two examples: parameters and
  their casts do not grow.
  """
  mesh, sizes = make_mesh({}, jax.devices()[:1]), []
  for batch in (1, 2):
    config = with_values(config, remat=policy, data={"batch_size": batch})
    model = build(config)
    task, key = stage_task(config, model), abstract_key()
    step = jax.ShapeDtypeStruct((), jax.numpy.int32)

    def residuals(params: Any, *args: Any, task: Task = task) -> Any:
      return jax.vjp(lambda params: task.loss(params, *args).loss, params)[1]

    params = jax.eval_shape(task.init, key)
    views = latent_batch(config, model, mesh)
    kept = jax.eval_shape(residuals, params, task.frozen, views, key, step)
    leaves = jax.tree.leaves(kept)
    sizes.append(sum(leaf.size * leaf.dtype.itemsize for leaf in leaves))
  return float(sizes[1] - sizes[0])


def _state_bytes(config: ConfigDict, mesh: Mesh) -> int:
  """State and gradients of one device."""
  task = stage_task(config, build(config))
  optimizer = Optimizer.of(config)
  state = abstract(task.init, optimizer, abstract_key(), mesh)
  return device_bytes(state) + device_bytes(state.params)


def with_values(config: ConfigDict, **values: Any) -> ConfigDict:
  """A copy of a configuration in which these values are others."""
  config = config.copy_and_resolve_references()
  config.update(values)
  return config

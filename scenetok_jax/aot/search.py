"""Which mesh and remat policy to compile first: a forecast of memory."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from scenetok_jax.aot.chips import Chip
from scenetok_jax.aot.program import device_bytes, latent_batch, stage_task
from scenetok_jax.model import build
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.train.optimizer import OptimizerConfig, make_optimizer
from scenetok_jax.train.state import abstract

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
  saved = {
    policy: saved_bytes(config.copy_and_resolve_references(), policy)
    for policy in POLICIES
  }
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
  heads = [config[name].heads for name in _networks(config)]
  split = math.gcd(inner, *heads)
  shared = {"tensor": split, "sequence": inner // split}
  fsdp = [n for n in (1, 4, 16, 64, 256) if n < ways and ways % n == 0]
  for size in [*fsdp, ways]:
    yield {"data": ways // size, "fsdp": size, **shared}


def _networks(config: ConfigDict) -> tuple[str, ...]:
  trained = ("generator",) if config.stage == "generator" else ("decoder",)
  return ("tokenizer", *trained)


def saved_bytes(config: ConfigDict, policy: str) -> float:
  """Bytes per example that the forward pass keeps for the backward one.

  The growth of what jax.vjp keeps from one to two examples: parameters and
  their casts do not grow.
  """
  mesh = make_mesh({}, jax.devices()[:1])
  sizes = []
  for batch in (1, 2):
    with config.unlocked():
      config.remat, config.data.batch_size = policy, batch
    sizes.append(_residual_bytes(config, mesh))
  return float(sizes[1] - sizes[0])


def _residual_bytes(config: ConfigDict, mesh: Mesh) -> int:
  model = build(config)
  task = stage_task(config, model)
  key = jax.eval_shape(lambda: jax.random.key(0))

  def residuals(params: Any, frozen: Any, batch: Any, key: Any) -> Any:
    def loss(params: Any) -> Any:
      step = jax.numpy.zeros((), jax.numpy.int32)
      return task.loss(params, frozen, batch, key, step).loss

    return jax.vjp(loss, params)[1]

  batch = latent_batch(config, model, mesh)
  params = jax.eval_shape(task.init, key)
  kept = jax.eval_shape(residuals, params, task.frozen, batch, key)
  return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(kept))


def _state_bytes(config: ConfigDict, mesh: Mesh) -> int:
  """State and gradients of one device."""
  task = stage_task(config, build(config))
  key = jax.eval_shape(lambda: jax.random.key(0))
  optimizer = make_optimizer(OptimizerConfig.of(config))
  state = abstract(task.init, optimizer, key, mesh)
  return device_bytes(state) + device_bytes(state.params)


def with_candidate(config: ConfigDict, chosen: Candidate) -> ConfigDict:
  """The configuration with a candidate's choices."""
  config = config.copy_and_resolve_references()
  with config.unlocked():
    config.mesh = dict(chosen.mesh)
    config.remat = chosen.remat
    config.train.accumulate = chosen.accumulate
  return config


def nothing_fits(config: ConfigDict, chip: Chip, count: int, tried: int) -> str:
  """Why a search ended without a result, and what to do."""
  how = (
    f"{tried} candidates were compiled, the smallest among them"
    if tried
    else "by the forecast not even remat=full, fsdp and 8 micro-batches do"
  )
  return (
    f"--search: nothing fits {count} {chip.name} chips at a global batch of"
    f" {config.data.batch_size}: {how}; use more or larger chips"
  )

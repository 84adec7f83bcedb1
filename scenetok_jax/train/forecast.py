"""What a training step should need on each mesh: a forecast of memory."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from scenetok_jax.model import build
from scenetok_jax.parallel import rules
from scenetok_jax.parallel.mesh import (
  batch_ways,
  loader_shares,
  make_mesh,
  mesh_shape,
  part_owners,
  slice_count,
)
from scenetok_jax.train.gradients import Reduction
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.shapes import abstract_key, latent_batch, stage_task
from scenetok_jax.train.state import at_start
from scenetok_jax.train.step import cast_kernels
from scenetok_jax.train.task import Task
from scenetok_jax.types import AUTO, InputError

# The fastest first. "none" is not among them: on every slice tried, what it
# stores takes longer to move than "dots" takes to recompute.
POLICIES = ("dots", "narrow", "full")
# Share of the memory that a forecast may fill: forecasts err by a tenth.
_ROOM = 0.9
# What the compiler needs for each byte that is kept (ours: measured at remat
# dots and full). TPUs pad heads of 64 to 128 lanes; one layer is recomputed.
_OVERHEAD = {"tpu": 2.2, "gpu": 1.5}


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A mesh and policy with the bytes per device that it should need."""

  mesh: dict[str, int]
  remat: str
  accumulate: int
  forecast_bytes: float


def candidates(config: ConfigDict, devices: list[Any]) -> Iterator[Candidate]:
  """What may be chosen where a configuration says "auto", the fastest first.

  Less recomputation comes before smaller parameter shards (fsdp), and both
  before gradient accumulation. Devices that the batch does not divide over
  share examples along tensor, or along sequence where heads do not divide.

  config: with a dtype and attention of the devices. What else it says stays;
  train.accumulate is the least that is tried.
  """
  # Nothing of the networks' memory depends on the codecs.
  config = with_values(config, data={"latents": "stored"})
  policies = POLICIES if config.remat == AUTO else (config.remat,)
  saved = functools.cache(lambda policy: saved_bytes(config, policy))
  held = _held(config)
  overhead = _OVERHEAD.get(devices[0].platform, max(_OVERHEAD.values()))
  for accumulate in (config.train.accumulate * n for n in (1, 2, 4, 8)):
    batch, rest = divmod(config.data.batch_size, accumulate)
    if rest:
      continue
    found = list(placements(config, batch, devices))
    for policy in policies:
      for mesh in found:
        sizes = dict(mesh.shape)
        shards = batch_ways(sizes) * sizes["sequence"]
        kept = overhead * batch * saved(policy) / shards
        state = rules.device_bytes(rules.placed_shapes(held, mesh))
        yield Candidate(sizes, policy, accumulate, state + kept)


def fits(candidate: Candidate, memory: float) -> bool:
  """Whether it should fit into so many bytes of a device."""
  return candidate.forecast_bytes <= _ROOM * memory


def placements(
  config: ConfigDict, batch: int, devices: list[Any]
) -> Iterator[Mesh]:
  """Meshes whose hosts and slices share a batch, and reduce as asked for."""
  slices = slice_count(devices)
  for sizes in meshes(config, batch, len(devices)):
    if sizes["data"] % slices or batch % batch_ways(sizes):
      continue
    mesh = make_mesh(sizes, devices)
    try:
      Reduction.of(config, sizes)
      loader_shares(part_owners(mesh))
    except InputError:
      continue
    yield mesh


def meshes(
  config: ConfigDict, batch: int, count: int
) -> Iterator[dict[str, int]]:
  """Axis sizes for `count` devices, the least communication first.

  Those of the configuration alone, where it has any.
  """
  if any(config.mesh.values()):
    yield mesh_shape(dict(config.mesh), count)
    return
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
  mesh, sizes = make_mesh({}, jax.local_devices()[:1]), []
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


def _held(config: ConfigDict) -> Any:
  """State, gradients, whole parameters, frozen networks: shapes, as named."""
  model = build(config)
  task, dtype = stage_task(config, model), model.tokenizer.block.dtype
  optimizer = Optimizer.of(config)
  state = jax.eval_shape(
    lambda key: at_start(task.init(key), optimizer), abstract_key()
  )
  copy = jax.eval_shape(
    lambda params: cast_kernels(params, dtype), state.params
  )
  return state, {"params": state.params}, copy, task.frozen


def with_candidate(config: ConfigDict, candidate: Candidate) -> ConfigDict:
  """A copy with a candidate's values where it says "auto"; its micro-batches.

  A mesh of the configuration's own stays as it says.
  """
  mesh = config.mesh if any(config.mesh.values()) else candidate.mesh
  return with_values(
    config,
    mesh=dict(mesh),
    remat=candidate.remat,
    train={"accumulate": candidate.accumulate},
  )


def with_values(config: ConfigDict, **values: Any) -> ConfigDict:
  """A copy of a configuration in which these values are others."""
  config = config.copy_and_resolve_references()
  config.update(values)
  return config

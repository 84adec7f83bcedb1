"""Placing a sampling run on whatever devices there are."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from scenetok_jax.parallel.mesh import BATCH_AXES, make_mesh
from scenetok_jax.parallel.rules import param_shardings


def sampling_mesh(batch: int, devices: Sequence[Any] | None = None) -> Mesh:
  """Videos over the data axis; devices left over share one video's tokens.

  devices: to use, default all.
  """
  count = len(jax.devices() if devices is None else devices)
  data = math.gcd(batch, count)
  return make_mesh({"data": data, "sequence": count // data}, devices)


def place_params(params: Any, mesh: Mesh) -> Any:
  """Parameters on the devices of a mesh, by parallel.rules."""
  return jax.device_put(params, param_shardings(params, mesh))


def shard_batch(tree: Any) -> Any:
  """Arrays [B ...] over the data axes of the current mesh, where B divides."""
  mesh = jax.sharding.get_mesh()
  if mesh.empty:
    return jax.tree.map(jnp.asarray, tree)
  ways = math.prod(mesh.shape[axis] for axis in BATCH_AXES)

  def put(leaf: Any) -> Any:
    spec = P(BATCH_AXES) if leaf.shape[0] % ways == 0 else P()
    return jax.device_put(leaf, NamedSharding(mesh, spec))

  return jax.tree.map(put, tree)

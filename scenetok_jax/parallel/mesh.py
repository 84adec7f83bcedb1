"""The device mesh that every program runs on; its processes' shares."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from einops import rearrange
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh

from scenetok_jax.types import InputError

# data: replicas. fsdp: batch split as data, parameters split too. tensor:
# heads and hidden units. sequence: tokens of one example.
AXES = ("data", "fsdp", "tensor", "sequence")
BATCH_AXES = ("data", "fsdp")


def make_mesh(
  sizes: Mapping[str, int] | None = None, devices: Sequence[Any] | None = None
) -> Mesh:
  """A mesh with axes data, fsdp, tensor, sequence (all of type Auto).

  sizes: of the axes; a missing one, or one of 0, is 1, except data, which then
  fills. -1 (at most once) fills with the remaining devices. None: all on data.
  InputError where they do not multiply to the number of devices. devices:
  default all. Those of several TPU slices are split over the data axis, whose
  traffic is the lightest.
  """
  devices = list(jax.devices() if devices is None else devices)
  shape = tuple(mesh_shape(sizes or {}, len(devices)).values())
  if (slices := slice_count(devices)) > 1:
    if shape[0] % slices:
      raise InputError(
        f"config: mesh.data: {shape[0]} does not divide over {slices}"
        " slices, between which only the data axis may run; make it a multiple"
      )
    inner = (shape[0] // slices, *shape[1:])
    grid = mesh_utils.create_hybrid_device_mesh(
      inner, (slices, 1, 1, 1), devices, allow_split_physical_axes=True
    )
  elif devices[0].platform == "cpu":
    # Fixed order, whatever the version: tests and resumes rely on it.
    grid = np.asarray(devices).reshape(shape)
  else:
    # Splitting lets sizes differ from those of the physical torus.
    grid = mesh_utils.create_device_mesh(
      shape, devices, allow_split_physical_axes=True
    )
  return Mesh(grid, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def slice_count(devices: Sequence[Any]) -> int:
  """TPU slices; GPUs have a slice_index too, one a host.

  Theirs are joined by a network that carries any axis.
  """
  if devices[0].platform != "tpu":
    return 1
  return len({getattr(device, "slice_index", 0) for device in devices})


def sampling_mesh(batch: int, devices: Sequence[Any] | None = None) -> Mesh:
  """Videos over the data axis; devices left over share one video's tokens.

  devices: to use, default all.
  """
  count = len(jax.devices() if devices is None else devices)
  data = math.gcd(batch, count)
  return make_mesh({"data": data, "sequence": count // data}, devices)


def mesh_shape(sizes: Mapping[str, int], count: int) -> dict[str, int]:
  """Sizes of all axes on `count` devices; make_mesh needs the devices."""
  for axis in sorted(set(sizes) - set(AXES)):
    raise InputError(
      f"config: mesh.{axis}: no such axis; use {', '.join(AXES)}"
    )
  given = filled_sizes(sizes)
  shape = list(given.values())
  if any(n < -1 for n in shape) or shape.count(-1) > 1:
    raise InputError(
      f"config: mesh: sizes {given} must be positive, with at most one -1"
    )
  known = math.prod(n for n in shape if n > 0)
  if count % known or (-1 not in shape and known != count):
    raise InputError(
      f"config: mesh: sizes {given} do not fit {count} devices; make their"
      f" product {count}, or give one axis -1"
    )
  filled = (count // known if n == -1 else n for n in shape)
  return dict(zip(AXES, filled, strict=True))


def filled_sizes(sizes: Mapping[str, int]) -> dict[str, int]:
  """Sizes of all axes: one that is 0 or missing is -1 of data, 1 of others."""
  usual = {axis: -1 if axis == "data" else 1 for axis in AXES}
  return {axis: int(sizes.get(axis) or usual[axis]) for axis in AXES}


def batch_ways(sizes: Mapping[str, int]) -> int:
  """Into how many parts the data axes of these sizes cut a batch."""
  return math.prod(sizes[axis] for axis in BATCH_AXES)


def check_batch(
  batch_size: int, accumulate: int, sizes: Mapping[str, int]
) -> None:
  """InputError unless the global batch divides over devices and steps.

  sizes: of the mesh's axes.
  """
  ways = batch_ways(sizes)
  if batch_size % (ways * accumulate):
    raise InputError(
      f"config.data.batch_size: {batch_size} examples do not divide over"
      f" {ways} devices of mesh axes data x fsdp times {accumulate}"
      " micro-batches; use a multiple, or give the other devices to tensor or"
      " sequence"
    )


class LoaderShare(NamedTuple):
  """What one process loads of every global batch.

  number, total: which of how many disjoint shares. parts: the parts that the
  process's devices hold, of the total * len(parts) equal ones into which data
  x fsdp cut the batch, ascending; a TPU's are often not neighbours.
  """

  number: int
  total: int
  parts: tuple[int, ...]


@functools.cache
def loader_share(mesh: Mesh) -> LoaderShare:
  """The share of the global batch that this process must load.

  Processes that differ only along tensor or sequence load the same share.
  InputError where two hold some parts in common and others not.
  """
  return loader_shares(part_owners(mesh))[jax.process_index()]


def part_owners(mesh: Mesh) -> list[set[int]]:
  """The processes that hold each of the parts of a batch."""
  grid = rearrange(mesh.devices, "data fsdp t s -> (data fsdp) (t s)")
  return [{device.process_index for device in row} for row in grid]


def loader_shares(owners: Sequence[set[int]]) -> dict[int, LoaderShare]:
  """part_owners -> each process's share; InputError where there is none."""
  parts: dict[int, tuple[int, ...]] = {
    process: tuple(n for n, held in enumerate(owners) if process in held)
    for process in sorted(set().union(*owners))
  }
  shares = sorted(set(parts.values()))
  sizes = {len(share) for share in shares}
  if len(sizes) > 1 or sum(map(len, shares)) > len(owners):
    raise InputError(
      "config: mesh: processes hold overlapping or unequal parts of the batch;"
      " make data * fsdp a multiple of the number of processes, or the other"
      " way round"
    )
  return {
    process: LoaderShare(shares.index(held), len(shares), held)
    for process, held in parts.items()
  }

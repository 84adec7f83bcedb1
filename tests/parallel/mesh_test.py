"""Meshes have four named axes whose sizes must fit the devices."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from scenetok_jax.parallel.mesh import loader_share, loader_shares, make_mesh
from scenetok_jax.types import InputError


@pytest.mark.parametrize(
  ("sizes", "shape"),
  [
    (None, (8, 1, 1, 1)),
    ({"data": -1, "fsdp": 1, "tensor": 1, "sequence": 1}, (8, 1, 1, 1)),
    ({"fsdp": 2, "tensor": 2}, (2, 2, 2, 1)),
    ({"data": 1, "fsdp": -1, "sequence": 2}, (1, 4, 1, 2)),
    ({"data": 0, "fsdp": 2, "tensor": 0, "sequence": 0}, (4, 2, 1, 1)),
    (dict.fromkeys(("data", "fsdp", "tensor", "sequence"), 0), (8, 1, 1, 1)),
    ({"data": 2, "fsdp": 2, "tensor": 2, "sequence": 1}, (2, 2, 2, 1)),
  ],
)
def test_sizes_fill_the_devices(sizes, shape):
  mesh = make_mesh(sizes)
  assert mesh.devices.shape == shape
  assert mesh.axis_names == ("data", "fsdp", "tensor", "sequence")
  assert set(mesh.axis_types) == {AxisType.Auto}


def test_a_subset_of_devices_may_be_used():
  mesh = make_mesh({"tensor": 2}, jax.devices()[:2])
  assert mesh.devices.shape == (1, 1, 2, 1)


@pytest.mark.parametrize(
  ("sizes", "message"),
  [
    ({"fsdp": 3}, "do not fit 8 devices"),
    ({"data": 2}, "do not fit 8 devices"),
    ({"data": 16}, "do not fit 8 devices"),
    ({"data": -1, "fsdp": -1}, "at most one -1"),
    ({"data": -2}, "must be positive"),
    ({"model": 2}, r"mesh\.model: no such axis"),
  ],
)
def test_wrong_sizes_are_refused(sizes, message):
  with pytest.raises(InputError, match=message):
    make_mesh(sizes)


@dataclasses.dataclass(frozen=True)
class Chip:
  """What mesh_utils asks of a chip of a 4 x 4 slice, two by two a host."""

  id: int
  coords: tuple[int, int, int]
  slice_index: int
  process_index: int
  platform: str = "tpu"
  device_kind: str = "TPU v5 lite"
  core_on_chip: int = 0


def two_slices():
  places = itertools.product(range(2), range(4), range(4))
  return [
    Chip(i, (x, y, 0), s, 4 * s + x // 2 + 2 * (y // 2))
    for i, (s, y, x) in enumerate(places)
  ]


@pytest.mark.parametrize(
  "sizes",
  [
    {},
    {"fsdp": 4},
    {"fsdp": 16},
    {"fsdp": 2, "tensor": 4},
    {"data": 2, "sequence": 16},
  ],
)
def test_only_the_data_axis_runs_between_slices(sizes):
  mesh = make_mesh(sizes, two_slices())
  assert mesh.devices.size == 32
  halves = np.split(mesh.devices, 2)
  for number, half in enumerate(halves):
    assert {chip.slice_index for chip in half.flat} == {number}


def test_fsdp_may_cross_the_hosts_of_a_gpu_cluster():
  gpus = [
    Chip(i, (0, 0, 0), i // 4, i // 4, "gpu", "NVIDIA H100") for i in range(8)
  ]
  mesh = make_mesh({"fsdp": 8}, gpus)
  assert mesh.devices.shape == (1, 8, 1, 1)
  inside = make_mesh({"fsdp": 4}, gpus)
  for host, row in enumerate(inside.devices):
    assert {gpu.process_index for gpu in row.flat} == {host}


def test_a_data_axis_of_less_than_the_slices_is_refused():
  with pytest.raises(InputError, match=r"mesh\.data: 1 does not divide over 2"):
    make_mesh({"data": 1, "fsdp": 32}, two_slices())


def test_lone_process_loads_the_whole_batch():
  mesh = make_mesh({"fsdp": 2, "tensor": 2})
  assert loader_share(mesh) == (0, 1, (0, 1, 2, 3))


def test_hosts_of_a_torus_load_the_parts_that_their_chips_hold():
  # v5e-16, data=16: a host has two chips of one row and two of the next.
  owners = [0, 0, 2, 2, 3, 3, 1, 1, 1, 1, 3, 3, 2, 2, 0, 0]
  shares = loader_shares([{process} for process in owners])
  assert shares[1] == (3, 4, (6, 7, 8, 9))
  assert [shares[p].parts for p in (0, 2)] == [(0, 1, 14, 15), (2, 3, 12, 13)]
  assert sorted(share.number for share in shares.values()) == [0, 1, 2, 3]


def test_processes_along_tensor_load_the_same():
  shares = loader_shares([{0, 1}, {0, 1}, {2, 3}, {2, 3}])
  assert shares[0] == shares[1] == (0, 2, (0, 1))
  assert shares[2] == shares[3] == (1, 2, (2, 3))


@pytest.mark.parametrize("owners", [[{0}, {0, 1}, {1}], [{0}, {0}, {1}]])
def test_parts_that_are_half_shared_or_unequal_are_refused(owners):
  with pytest.raises(InputError, match="overlapping or unequal parts"):
    loader_shares(owners)

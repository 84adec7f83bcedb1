"""Meshes have four named axes whose sizes must fit the devices."""

import jax
import pytest
from jax.sharding import AxisType

from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.types import InputError


@pytest.mark.parametrize(
  ("sizes", "shape"),
  [
    (None, (8, 1, 1, 1)),
    ({"data": -1, "fsdp": 1, "tensor": 1, "sequence": 1}, (8, 1, 1, 1)),
    ({"fsdp": 2, "tensor": 2}, (2, 2, 2, 1)),
    ({"data": 1, "fsdp": -1, "sequence": 2}, (1, 4, 1, 2)),
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
    ({"data": 0}, "must be positive"),
    ({"model": 2}, r"mesh\.model: no such axis"),
  ],
)
def test_wrong_sizes_are_refused(sizes, message):
  with pytest.raises(InputError, match=message):
    make_mesh(sizes)

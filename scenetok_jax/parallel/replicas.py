"""Arrays that one replica of the data axis reads, copied to the others."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from scenetok_jax.parallel.rules import axis_names


def on_first_replica(target: Any) -> Any:
  """Placed shapes -> the same on the first row of their mesh's data axis.

  What data splits stays where it is. Unchanged where every process holds a
  part of that row: none would be spared.
  """
  mesh = jax.tree.leaves(target)[0].sharding.mesh
  row, all_ = (
    {device.process_index for device in devices.flat}
    for devices in (mesh.devices[:1], mesh.devices)
  )
  if row == all_:
    return target
  first = Mesh(mesh.devices[:1], mesh.axis_names)

  def move(x: Any) -> Any:
    place = NamedSharding(first, x.sharding.spec)
    return x.update(sharding=place) if _alike(x.sharding) else x

  return jax.tree.map(move, target)


def copy_to_replicas(first: Any, target: Any) -> Any:
  """Arrays of on_first_replica(target) -> the target's, bit for bit, in place.

  first: in processes that hold no part of that replica, its shapes.
  """

  def spread(x: Any, read: Any) -> jax.Array:
    parts = {s.device: s.data for s in getattr(read, "addressable_shards", ())}
    for device in x.sharding.addressable_devices - parts.keys():
      shape = x.sharding.shard_shape(x.shape)
      parts[device] = jnp.zeros(shape, x.dtype, device=device)
    return jax.make_array_from_single_device_arrays(
      x.shape, x.sharding, [*parts.values()]
    )

  def add(x: jax.Array) -> jax.Array:
    # As integers: -0.0 + 0.0 would be 0.0.
    bits = x.view(f"uint{8 * x.dtype.itemsize}")
    return jax.lax.psum(bits, "data").view(x.dtype)

  wanted, tree = jax.tree.flatten(target)
  found = jax.tree.leaves(first)
  moved = [n for n, x in enumerate(wanted) if _alike(x.sharding)]
  places = [wanted[n].sharding for n in moved]
  specs = [place.spec for place in places]
  total = jax.shard_map(
    lambda arrays: [add(x) for x in arrays],
    mesh=places[0].mesh, in_specs=(specs,), out_specs=specs, check_vma=False,
  )  # fmt: skip
  summed = jax.jit(total, out_shardings=places, donate_argnums=0)
  copies = summed([spread(wanted[n], found[n]) for n in moved])
  for n, copy in zip(moved, copies, strict=True):
    found[n] = copy
  return jax.tree.unflatten(tree, found)


def _alike(place: NamedSharding) -> bool:
  """Whether every replica along data holds the same."""
  return not any("data" in axis_names(axes) for axes in place.spec)

"""What counts as a CPU is the mesh in force, not the machine."""

import jax

from scenetok_jax.ops import cpu


def test_platform_is_that_of_the_mesh_in_force():
  assert cpu.traced_for_cpu()
  mesh = jax.sharding.AbstractMesh(
    (4,),
    ("data",),
    abstract_device=jax.sharding.AbstractDevice("TPU v5p", 1, "tpu"),
  )
  with jax.sharding.use_abstract_mesh(mesh):
    assert not cpu.traced_for_cpu()

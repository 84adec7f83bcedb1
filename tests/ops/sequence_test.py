"""Attention that exchanges lengths for heads equals one device's."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from scenetok_jax.aot.hlo import parse
from scenetok_jax.aot.hlo_cost import cost
from scenetok_jax.ops.attention import attend, softmax_average
from scenetok_jax.parallel.mesh import BATCH_AXES, make_mesh
from scenetok_jax.parallel.rules import constrain
from tests.networks import MESH, assert_same, normals, quick_jit

MESHES = (
  {"sequence": 8},
  {"data": 2, "sequence": 4},
  {"data": 2, "fsdp": 2, "sequence": 2},
  {"fsdp": 2, "tensor": 2, "sequence": 2},
)
BATCH, SIZE = 4, 8


def inputs(heads, queries, keys):
  sizes = queries, keys, keys
  return [normals(i, BATCH, n, heads, SIZE) for i, n in enumerate(sizes)]


@functools.cache
def program(causal):
  """Gradients and results of two blocks in a scan, which recomputes them."""

  def loss(arrays):
    @jax.checkpoint
    def block(scale):
      return attend(*(scale * x for x in arrays), causal=causal)

    scales = jnp.asarray([1.0, 0.5])
    out = jax.lax.scan(lambda _, x: (None, block(x)), None, scales)[1]
    return jnp.sum(jnp.sin(out)), out

  return quick_jit(jax.grad(loss, has_aux=True))


def results(causal, arrays):
  gradients, out = program(causal)(arrays)
  names = "query", "key", "value", "out"
  found = zip(names, [*gradients, out], strict=True)
  return jax.device_get(dict(found))


@pytest.mark.parametrize(
  "causal, sizes",
  [
    (False, (8, 16, 40)),
    (True, (8, 16, 16)),
    (False, (16, 6, 10)),  # lengths that 4 and 8 do not divide
    (True, (3, 16, 24)),  # heads that nothing divides
  ],
)
def test_values_and_gradients_are_those_of_one_device(causal, sizes):
  arrays = inputs(*sizes)
  expected = results(causal, arrays)
  for mesh in MESHES:
    with jax.set_mesh(make_mesh(mesh)):
      assert_same(results(causal, arrays), expected, 1e-5)


def collectives(mesh, heads, queries, keys):
  """Of attention and its gradient, between tokens that lie over the mesh."""
  mesh = make_mesh(mesh)
  place = NamedSharding(mesh, P(BATCH_AXES, "sequence", "tensor"))

  def gradients(arrays, cotangent):
    return jax.vjp(attend, *arrays)[1](cotangent)

  def abstract(length):
    shape = (BATCH, length, heads, SIZE)
    return jax.ShapeDtypeStruct(shape, jnp.float32, sharding=place)

  with jax.set_mesh(mesh):
    step = jax.jit(gradients, out_shardings=(place,) * 3)
    arrays = [abstract(n) for n in (queries, keys, keys)]
    compiled = step.lower(arrays, abstract(queries)).compile()
  return cost(parse(compiled.as_text()))


@pytest.mark.parametrize("mesh", MESHES)
def test_devices_send_what_the_formula_says(mesh):
  found = collectives(mesh, 8, 16, 40)
  assert {c.kind for c in found.collectives} == {"all-to-all"}
  sizes = {"tensor": 1} | mesh
  ways, devices = sizes["sequence"], 8
  # Query, key, value and result of one device, and their gradients.
  numbers = 2 * (2 * 16 + 2 * 40) * BATCH * 8 * SIZE // devices
  # One way: the result itself is not asked for, so it is not sent.
  numbers -= 16 * BATCH * 8 * SIZE // devices
  assert found.sent == 4 * numbers * (ways - 1) / ways


def test_heads_that_do_not_divide_are_gathered():
  found = collectives({"data": 2, "sequence": 4}, 6, 16, 16)
  kinds = {c.kind for c in found.collectives}
  assert "all-gather" in kinds and "all-to-all" not in kinds


def test_without_the_axis_the_program_is_as_it_was():
  def gathered(*arrays):
    places = "batch", None, "heads", None
    query, key, value = (constrain(x, *places) for x in arrays)
    scale = jnp.asarray(SIZE**-0.5, query.dtype)
    return softmax_average(query * scale, key, value, False)

  arrays = inputs(4, 16, 16)
  with jax.set_mesh(make_mesh(MESH)):
    ours, plain = (str(jax.make_jaxpr(f)(*arrays)) for f in (attend, gathered))
  assert ours == plain


def test_axes_under_manual_control_stay():
  mesh, arrays = make_mesh({"data": 2, "sequence": 4}), inputs(8, 16, 16)
  mapped = jax.shard_map(
    attend, mesh=mesh, in_specs=P("data"), out_specs=P("data"),
    axis_names={"data", "sequence"}, check_vma=False,
  )  # fmt: skip
  expected = attend(*arrays)
  with jax.set_mesh(mesh):
    assert_same({"x": jax.jit(mapped)(*arrays)}, {"x": expected})

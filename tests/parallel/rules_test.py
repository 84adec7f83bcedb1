"""The rule table places every array, and placement changes no number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from scenetok_jax.parallel import rules
from scenetok_jax.parallel.mesh import check_batch, make_mesh
from scenetok_jax.types import InputError

SIZES = {"data": 2, "fsdp": 2, "tensor": 2, "sequence": 1}


def leaf(*shape):
  return jax.ShapeDtypeStruct(shape, jnp.float32)


NETWORK = {
  "scene_tokens": leaf(1, 16, 8),
  "rays": {"embed": {"kernel": leaf(6, 8)}},
  "blocks": {
    "attention": {
      "query": {"kernel": leaf(3, 8, 4, 2), "bias": leaf(3, 4, 2)},
      "out": {"kernel": leaf(3, 4, 2, 8), "bias": leaf(3, 8)},
      "query_norm": {"scale": leaf(3, 2)},
    },
    "mlp": {
      "up": {"kernel": leaf(3, 8, 32)},
      "down": {"kernel": leaf(3, 16, 8)},
    },
    "adaln": {"modulation": {"kernel": leaf(3, 8, 48)}},
  },
  "final": {"head": {"kernel": leaf(8, 5)}},
}


@pytest.mark.parametrize(
  ("path", "spec"),
  [
    ("scene_tokens", P(None, None, "fsdp")),
    ("rays/embed/kernel", P(None, "fsdp")),
    ("blocks/attention/query/kernel", P(None, "fsdp", "tensor", None)),
    ("blocks/attention/query/bias", P(None, "tensor", None)),
    ("blocks/attention/out/kernel", P(None, "tensor", None, "fsdp")),
    ("blocks/attention/out/bias", P(None, None)),
    ("blocks/attention/query_norm/scale", P(None, None)),
    ("blocks/mlp/up/kernel", P(None, "fsdp", "tensor")),
    ("blocks/mlp/down/kernel", P(None, "tensor", "fsdp")),
    ("blocks/adaln/modulation/kernel", P(None, "fsdp", "tensor")),
    ("final/head/kernel", P("fsdp", None)),
  ],
)
def test_each_name_finds_its_rule(path, spec):
  tree = {"opt_state": {"mu": NETWORK}, "params": NETWORK}
  shardings = rules.param_shardings(tree, make_mesh(SIZES))
  by_path = {
    rules.path_name(key): value.spec
    for key, value in jax.tree_util.tree_leaves_with_path(shardings)
  }
  assert by_path[f"params/{path}"] == spec
  assert by_path[f"opt_state/mu/{path}"] == spec


@pytest.mark.parametrize(
  ("shape", "path", "spec"),
  [
    # What an axis has cut already, in whole tiles of 8 x 128.
    (
      (3, 64, 4, 512),
      "query/kernel",
      P(None, ("fsdp", "data"), "tensor", None),
    ),
    ((4, 64, 4, 512), "key/kernel", P("data", "fsdp", "tensor", None)),
    ((3, 256, 512), "up/kernel", P(None, ("fsdp", "data"), "tensor")),
    ((512, 257), "head/kernel", P(("fsdp", "data"), None)),
    # No dimension divides; too small.
    ((257, 257), "head/kernel", P(None, None)),
    ((64, 64), "head/kernel", P("fsdp", None)),
  ],
)
def test_replicas_share_out_a_training_state(shape, path, spec):
  mesh = make_mesh(SIZES)
  for name in ("opt_state/mu", "opt_state/nu", "ema", "params"):
    assert rules.leaf_spec(f"{name}/{path}", shape, mesh) == spec
  assert "data" not in str(rules.leaf_spec(path, shape, mesh))
  lone = make_mesh({"fsdp": 4, "tensor": 2})
  assert "data" not in str(rules.leaf_spec(f"ema/{path}", shape, lone))


def test_indivisible_axes_are_dropped():
  mesh = make_mesh(SIZES)
  assert rules.fit(("fsdp", "tensor"), (3, 4), mesh) == P(None, "tensor")
  assert rules.fit(("fsdp", "tensor"), (5, 4, 7), mesh) == P(None, "fsdp", None)
  assert rules.fit(("fsdp", "tensor"), (4,), mesh) == P("tensor")
  assert rules.fit(("fsdp", "tensor"), (), mesh) == P()


def test_batches_are_split_over_data_and_fsdp():
  mesh = make_mesh(SIZES)
  batch = rules.put_batch({"x": np.arange(8.0).reshape(4, 2)}, mesh)
  assert batch["x"].sharding.spec == P(("data", "fsdp"))
  np.testing.assert_array_equal(batch["x"], np.arange(8.0).reshape(4, 2))


def test_a_batch_must_divide_over_devices_and_micro_batches():
  check_batch(8, 2, SIZES)
  with pytest.raises(InputError, match="times 3 micro-batches"):
    check_batch(8, 3, SIZES)


def test_constrain_does_nothing_without_a_mesh():
  x = jnp.ones((4, 6))
  assert rules.constrain(x, "batch", "length") is x


def constrained_spec(x, *names):
  mesh = make_mesh(SIZES)
  with jax.set_mesh(mesh):
    return jax.jit(lambda x: rules.constrain(x, *names))(x).sharding.spec


def test_constrain_places_what_divides():
  spec = constrained_spec(jnp.ones((8, 6, 4)), "batch", "length", "heads")
  assert spec == P(("data", "fsdp"), None, "tensor")
  spec = constrained_spec(jnp.ones((8, 6, 3)), "batch", None, "heads")
  assert spec[0] == ("data", "fsdp")


def test_constrain_ignores_what_does_not_divide():
  x = jnp.arange(15.0).reshape(3, 5)
  mesh = make_mesh(SIZES)
  with jax.set_mesh(mesh):
    y = jax.jit(lambda x: rules.constrain(x, "batch", "width"))(x)
    # Outside of jit too.
    z = rules.constrain(jnp.ones((4, 2)), "batch", "width")
  np.testing.assert_array_equal(x, y)
  assert z.shape == (4, 2)


def test_constrain_leaves_manual_axes_alone():
  mesh = make_mesh(SIZES)

  def double(x):
    return 2 * rules.constrain(x, "batch", "width")

  mapped = jax.shard_map(
    double,
    mesh=mesh,
    in_specs=P(("data", "fsdp")),
    out_specs=P(("data", "fsdp")),
    axis_names={"data", "fsdp"},
  )
  with jax.set_mesh(mesh):
    y = jax.jit(mapped)(jnp.ones((8, 4)))
  np.testing.assert_array_equal(y, 2 * np.ones((8, 4)))


def test_constrain_wants_a_name_for_each_dimension():
  with (
    jax.set_mesh(make_mesh(SIZES)),
    pytest.raises(ValueError, match="1 names"),
  ):
    rules.constrain(jnp.ones((2, 2)), "batch")

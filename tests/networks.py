"""What the three networks' tests share: tiny inputs, and what a layer owes."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.convert.engine import flatten
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import batch_sharding, param_shardings
from scenetok_jax.types import Cameras

MESH = {"data": 2, "fsdp": 2, "tensor": 2, "sequence": 1}


def normals(seed: int, *shape: int) -> np.ndarray:
  return np.random.default_rng(seed).standard_normal(shape, np.float32)


def cameras(seed: int, batch: int, views: int) -> Cameras:
  """Random rotations and offsets, pinholes near the image centre."""
  rotations, _ = np.linalg.qr(normals(seed, batch, views, 3, 3))
  rotations *= np.sign(np.linalg.det(rotations))[..., None, None]
  extrinsics = np.tile(np.eye(4, dtype=np.float32), (batch, views, 1, 1))
  extrinsics[..., :3, :3] = rotations
  extrinsics[..., :3, 3] = normals(seed + 1, batch, views, 3)
  intrinsics = np.array([[0.9, 0, 0.5], [0, 1.1, 0.5], [0, 0, 1]], np.float32)
  return Cameras(extrinsics, np.tile(intrinsics, (batch, views, 1, 1)))


def perturbed(params: Any) -> Any:
  """Adds seeded normals to all parameters: some layers start at zero."""
  leaves, tree = jax.tree.flatten(params)
  return tree.unflatten(
    [x + 0.1 * normals(i, *x.shape) for i, x in enumerate(leaves)]
  )


def init(module: Any, *args: Any, **kwargs: Any) -> Any:
  """Perturbed parameters of a module."""
  variables = jax.jit(lambda key: module.init(key, *args, **kwargs))(
    jax.random.key(0)
  )
  return perturbed(variables["params"])


def run(module: Any, params: Any, args: Any, kwargs: Any) -> Any:
  """(outputs, gradients of all parameters), jitted, at highest precision."""

  def loss(params: Any) -> Any:
    out = module.apply({"params": params}, *args, **kwargs)
    leaves = jax.tree.leaves(out)
    draws = (normals(i, *leaf.shape) for i, leaf in enumerate(leaves))
    total = sum(jnp.sum(a * b) for a, b in zip(leaves, draws, strict=True))
    return total, out

  with jax.default_matmul_precision("highest"):
    grads, out = jax.jit(jax.grad(loss, has_aux=True))(params)
  return jax.device_get((out, grads))


def assert_same(actual: Any, expected: Any, tolerance: float = 1e-5) -> None:
  """Every leaf, to a share of its largest magnitude (or of 1e-3)."""
  actual, expected = flatten(actual), flatten(expected)
  assert actual.keys() == expected.keys()
  for path, value in expected.items():
    scale = max(float(np.abs(value).max()), 1e-3)
    worst = float(np.abs(actual[path] - value).max()) / scale
    assert worst <= tolerance, f"{path}: {worst:.2g}"


def assert_gradients(grads: Any, zero: str = "$^") -> None:
  """Finite everywhere, and not zero but for paths that match `zero`."""
  for path, grad in flatten(grads).items():
    assert np.isfinite(grad).all(), path
    if not re.search(zero, path):
      assert np.abs(grad).max() > 1e-6, path


def assert_sharding_is_neutral(
  module: Any, params: Any, args: Any, kwargs: Any, expected: Any
) -> None:
  """The same outputs and gradients on eight devices; the batch divides 4."""
  mesh = make_mesh(MESH)
  with jax.set_mesh(mesh):
    placed = jax.device_put(params, param_shardings(params, mesh))
    args, kwargs = jax.device_put((args, kwargs), batch_sharding(mesh))
    assert_same(run(module, placed, args, kwargs), expected)


def channels_last(x: np.ndarray) -> np.ndarray:
  return rearrange(x, "b v c h w -> b v h w c")


def count(module: Any, *args: Any) -> int:
  """Number of parameters; args are shapes or trees of abstract arrays."""
  variables = jax.eval_shape(
    lambda *a: module.init(jax.random.key(0), *a), *args
  )
  return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def abstract(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, jnp.float32)


def abstract_cameras(batch: int, views: int) -> Cameras:
  return Cameras(abstract(batch, views, 4, 4), abstract(batch, views, 3, 3))


def reference_params(case: Any, module: Any, table: Any, *args: Any) -> Any:
  """A reference case's weights, through the users' converter."""
  from scenetok_jax.convert.load import load_params

  variables = jax.eval_shape(lambda: module.init(jax.random.key(0), *args))
  return load_params(
    case.path / "weights.safetensors", table, variables["params"]
  )


def apply(module: Any, params: Any, *args: Any, **kwargs: Any) -> Any:
  """A jitted call at highest precision."""
  with jax.default_matmul_precision("highest"):
    return jax.device_get(
      jax.jit(lambda p, *a: module.apply({"params": p}, *a, **kwargs))(
        params, *args
      )
    )

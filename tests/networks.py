"""What the three networks' tests share: tiny inputs, and what a layer owes."""

import functools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange

from scenetok_jax.convert.engine import export_tensors, flatten, import_params
from scenetok_jax.convert.load import load_params
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import (
  batch_sharding,
  param_shardings,
  put_batch,
)
from scenetok_jax.train.shapes import latent_batch
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


def shapes(module: Any, *args: Any, **kwargs: Any) -> Any:
  """Abstract parameters of a module; nothing is compiled."""
  variables = jax.eval_shape(
    lambda: module.init(jax.random.key(0), *args, **kwargs)
  )
  return variables["params"]


def draw(module: Any, *args: Any, **kwargs: Any) -> Any:
  """Seeded normal parameters: some layers start at zero, and hide errors."""
  leaves, tree = jax.tree_util.tree_flatten_with_path(
    shapes(module, *args, **kwargs)
  )
  return tree.unflatten(
    [
      0.1 * normals(i, *leaf.shape) + (path[-1].key == "scale")
      for i, (path, leaf) in enumerate(leaves)
    ]
  )


def quick_jit(function: Any) -> Any:
  """jit that compiles fast: the arrays here are tiny."""
  options = {"xla_backend_optimization_level": 0}
  return jax.jit(function, compiler_options=options)


@functools.cache
def _step(module: Any) -> Any:
  def loss(params: Any, args: Any, kwargs: Any) -> Any:
    out = module.apply({"params": params}, *args, **kwargs)
    leaves = jax.tree.leaves(out)
    draws = (normals(i, *leaf.shape) for i, leaf in enumerate(leaves))
    total = sum(jnp.sum(a * b) for a, b in zip(leaves, draws, strict=True))
    return total, out

  return quick_jit(jax.grad(loss, has_aux=True))


@functools.cache
def _call(module: Any) -> Any:
  return quick_jit(
    lambda params, args, kwargs: module.apply(
      {"params": params}, *args, **kwargs
    )
  )


def run(module: Any, params: Any, args: Any, kwargs: Any) -> Any:
  """(outputs, gradients of all parameters), at highest precision."""
  with jax.default_matmul_precision("highest"):
    grads, out = _step(module)(params, args, kwargs)
  return jax.device_get((out, grads))


def apply(module: Any, params: Any, *args: Any, **kwargs: Any) -> Any:
  """Outputs at highest precision."""
  with jax.default_matmul_precision("highest"):
    return jax.device_get(_call(module)(params, args, kwargs))


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


def run_sharded(module: Any, params: Any, args: Any, kwargs: Any) -> Any:
  """`run` on eight devices; the batch must divide by 4."""
  mesh = make_mesh(MESH)
  with jax.set_mesh(mesh):
    params = jax.device_put(params, param_shardings(params, mesh))
    args, kwargs = jax.device_put((args, kwargs), batch_sharding(mesh))
    return run(module, params, args, kwargs)


def channels_last(x: np.ndarray) -> np.ndarray:
  return rearrange(x, "b v c h w -> b v h w c")


def count(module: Any, *args: Any) -> int:
  """Number of parameters of a module, for abstract inputs."""
  variables = jax.eval_shape(
    lambda *inputs: module.init(jax.random.key(0), *inputs), *args
  )
  return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def abstract(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, jnp.float32)


def abstract_cameras(batch: int, views: int) -> Cameras:
  return Cameras(abstract(batch, views, 4, 4), abstract(batch, views, 3, 3))


def reference_params(case: Any, module: Any, table: Any, *args: Any) -> Any:
  """A reference case's weights, through the users' converter."""
  path = case.path / "weights.safetensors"
  return load_params(path, table, shapes(module, *args))


def assert_exact_round_trip(table: Any, params: Any) -> dict[str, Any]:
  """Exports and imports again; returns the exported tensors, no prefix."""
  tensors = {
    name.removeprefix(table.prefix): tensor
    for name, tensor in export_tensors(params, table)
  }
  again = import_params(tensors, table, params, "memory")
  assert_same(again, params, 0)
  return tensors


def drawn(init: Callable[[Any], Any]) -> Any:
  """Parameters drawn by NumPy: compiling each init would take longest."""
  shapes = jax.eval_shape(init, jax.random.key(0))
  leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
  return tree.unflatten(
    [
      0.1 * normals(i, *leaf.shape) + (path[-1].key == "scale")
      for i, (path, leaf) in enumerate(leaves)
    ]
  )


def scenes(config: Any, model: Any, mesh: Any) -> Any:
  """A batch of latents; cameras look one way from places of their own."""
  shapes = latent_batch(config, model, mesh)
  draws = np.random.default_rng(3)

  def fill(leaf: Any) -> np.ndarray:
    if leaf.shape[-2:] in ((4, 4), (3, 3)):
      eye = np.eye(leaf.shape[-1], dtype="f")
      eye = np.broadcast_to(eye, leaf.shape).copy()
      eye[..., :3, -1] += draws.uniform(0, 0.5, (*leaf.shape[:-2], 3))
      return eye
    return draws.normal(size=leaf.shape).astype(leaf.dtype)

  return put_batch(jax.tree.map(fill, shapes), mesh)

"""Train and render programs, lowered for devices that need not exist."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from scenetok_jax.codecs.api import Codec
from scenetok_jax.model import Model, build, init_stage1
from scenetok_jax.parallel.rules import (
  batch_sharding,
  batch_ways,
  check_batch,
  loader_shares,
  part_owners,
  placed_shapes,
)
from scenetok_jax.sampling.generate import SceneCondition, generate_tokens
from scenetok_jax.sampling.options import GenerateOptions, RenderOptions
from scenetok_jax.sampling.render import render_latents
from scenetok_jax.train.flops import count_flops
from scenetok_jax.train.generator_task import generator_task
from scenetok_jax.train.optimizer import OptimizerConfig, make_optimizer
from scenetok_jax.train.state import abstract
from scenetok_jax.train.step import jit_step, make_step
from scenetok_jax.train.task import Task
from scenetok_jax.train.tokenizer_task import tokenizer_task
from scenetok_jax.types import Cameras, SceneBatch, Views


@dataclasses.dataclass(frozen=True)
class Program:
  """A program before compilation: jitted.lower(*arguments) under the mesh."""

  jitted: Any
  arguments: tuple[Any, ...]
  held: dict[str, int]  # bytes per device of its inputs, by what they are
  flops: int  # of one call over all devices, counted on the jaxpr


def stage_task(config: ConfigDict, model: Model) -> Task:
  """The configured stage; the frozen networks of stage 2 are only shapes."""
  if config.stage == "tokenizer":
    return tokenizer_task(model, config)
  shapes = jax.eval_shape(lambda key: init_stage1(model, key), abstract_key())
  return generator_task(model, config, shapes["tokenizer"])


def train_program(config: ConfigDict, mesh: Mesh) -> Program:
  """The train step of the loop, fed with precomputed latents.

  Raises:
    InputError: the batch does not divide over the mesh, or its hosts cannot
      load their shares.
  """
  check_batch(config.data.batch_size, config.train.accumulate, mesh.shape)
  loader_shares(part_owners(mesh))  # the hosts of the slice can feed it
  model = build(config)
  task = stage_task(config, model)
  optimizer = make_optimizer(OptimizerConfig.of(config))
  state = abstract(task.init, optimizer, abstract_key(), mesh)
  arguments = (
    state,
    placed_shapes(task.frozen, mesh),
    latent_batch(config, model, mesh),
    abstract_key().update(sharding=NamedSharding(mesh, P())),
  )
  step = make_step(task, optimizer, config.train.accumulate)
  with jax.set_mesh(mesh):
    flops = count_flops(step, *arguments)
  held = {
    "params": state.params,
    "optimizer": state.opt_state,
    "ema": state.ema,
    "frozen": arguments[1],
    "batch": arguments[2],
  }
  return Program(
    jit_step(step, state, mesh, flops),
    arguments,
    {name: device_bytes(tree) for name, tree in held.items()},
    flops,
  )


def render_program(config: ConfigDict, mesh: Mesh) -> Program:
  """Stage 1: one window of frames per replica; stage 2: tokens of a scene.

  All denoising steps of config.sampling, or of config.generation.
  """
  trace = _render if config.stage == "tokenizer" else _generate
  function, arguments = trace(config, build(config), mesh, batch_ways(mesh))
  with jax.set_mesh(mesh):
    flops = count_flops(function, *arguments)
  held = {
    "params": device_bytes(arguments[0]),
    "batch": device_bytes(arguments[1:]),
  }
  return Program(jax.jit(function), arguments, held, flops)


def latent_batch(config: ConfigDict, model: Model, mesh: Mesh) -> SceneBatch:
  """A global batch of stored latents (float16) with cameras, abstract."""
  batch, place = config.data.batch_size, batch_sharding(mesh)

  def views(codec: Codec, latents: int) -> Views:
    shape = (batch, latents, *model.latent_shape(codec))
    return Views(
      cameras=_cameras((batch, codec.frames(latents)), place),
      latents=_array(shape, place, jnp.float16),
    )

  conditions = model.num_conditions
  return SceneBatch(
    context=views(model.context_codec, model.num_context),
    target=views(model.target_codec, model.num_targets),
    condition=views(model.context_codec, conditions) if conditions else None,
  )


def device_bytes(tree: Any) -> int:
  """Bytes of a tree of abstract arrays on one device."""
  return sum(
    math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
    for leaf in jax.tree.leaves(tree)
    if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
  )


def _render(
  config: ConfigDict, model: Model, mesh: Mesh, batch: int
) -> tuple[Any, tuple[Any, ...]]:
  options, place = RenderOptions.of(config.sampling), batch_sharding(mesh)
  codec, latents = model.target_codec, model.num_targets

  def render(params: Any, tokens: Any, cameras: Cameras, noise: Any) -> Any:
    return render_latents(model, params, tokens, cameras, noise, options)

  params = jax.eval_shape(lambda key: init_stage1(model, key), abstract_key())
  return render, (
    placed_shapes({"decoder": params["decoder"]}, mesh),
    _tokens(model, batch, place),
    _cameras((batch, codec.frames(latents)), place),
    _array((batch, latents, *model.latent_shape(codec)), place),
  )


def _generate(
  config: ConfigDict, model: Model, mesh: Mesh, batch: int
) -> tuple[Any, tuple[Any, ...]]:
  options, place = GenerateOptions.of(config.generation), batch_sharding(mesh)
  seen = (batch, model.num_conditions)

  def generate(params: Any, condition: SceneCondition, noise: Any) -> Any:
    return generate_tokens(model, params, condition, noise, options)

  condition = SceneCondition(
    _array((*seen, *model.latent_shape(model.context_codec)), place),
    _cameras(seen, place),
    _cameras((batch, config.generation.anchors), place),
    _array(seen, place, jnp.bool_),
  )
  params = jax.eval_shape(stage_task(config, model).init, abstract_key())
  return generate, (
    placed_shapes(params, mesh), condition, _tokens(model, batch, place),
  )  # fmt: skip


def _array(
  shape: tuple[int, ...], place: NamedSharding, dtype: Any = jnp.float32
) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, dtype, sharding=place)


def _tokens(model: Model, batch: int, place: NamedSharding) -> Any:
  tokenizer = model.tokenizer
  return _array((batch, tokenizer.num_tokens, tokenizer.token_channels), place)


def _cameras(shape: tuple[int, int], place: NamedSharding) -> Cameras:
  return Cameras(*(_array((*shape, n, n), place) for n in (4, 3)))


def abstract_key() -> jax.ShapeDtypeStruct:
  """A random key's shape."""
  return jax.eval_shape(lambda: jax.random.key(0))

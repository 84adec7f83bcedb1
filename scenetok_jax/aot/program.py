"""Train and render programs, lowered for devices that need not exist."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from scenetok_jax.codecs.api import Codec
from scenetok_jax.model import Model, build, init_stage1
from scenetok_jax.parallel import rules
from scenetok_jax.parallel.mesh import batch_ways, check_batch
from scenetok_jax.sampling.generate import SceneCondition, generate_tokens
from scenetok_jax.sampling.options import GenerateOptions, RenderOptions
from scenetok_jax.sampling.render import render_latents
from scenetok_jax.train.flops import count_flops
from scenetok_jax.train.generator_task import generator_task
from scenetok_jax.train.gradients import Reduction
from scenetok_jax.train.optimizer import Optimizer
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
  return generator_task(model, config, _stage1(model)["tokenizer"])


def train_program(config: ConfigDict, mesh: Mesh) -> Program:
  """The train step of the loop, fed with precomputed latents.

  InputError where the batch does not divide over the mesh, or its hosts cannot
  load their shares.
  """
  check_batch(config.data.batch_size, config.train.accumulate, mesh.shape)
  rules.loader_shares(rules.part_owners(mesh))  # its hosts can feed it
  model = build(config)
  task = stage_task(config, model)
  optimizer = Optimizer.of(config)
  state = abstract(task.init, optimizer, abstract_key(), mesh)
  arguments = (
    state,
    rules.placed_shapes(task.frozen, mesh),
    latent_batch(config, model, mesh),
    abstract_key().update(sharding=NamedSharding(mesh, P())),
  )
  reduction = Reduction.of(config, mesh.shape)
  step = make_step(task, optimizer, config.train.accumulate, reduction)
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
    {name: rules.device_bytes(tree) for name, tree in held.items()},
    flops,
  )


def render_program(config: ConfigDict, mesh: Mesh) -> Program:
  """Stage 1: one window of frames per replica; stage 2: tokens of a scene.

  All denoising steps of config.sampling, or of config.generation.
  """
  trace = _render if config.stage == "tokenizer" else _generate
  ways = batch_ways(mesh.shape)
  function, params, inputs = trace(config, build(config), ways)
  arguments = (rules.placed_shapes(params, mesh), *_along_batch(inputs, mesh))
  with jax.set_mesh(mesh):
    flops = count_flops(function, *arguments)
  held = {
    "params": rules.device_bytes(arguments[0]),
    "batch": rules.device_bytes(arguments[1:]),
  }
  return Program(jax.jit(function), arguments, held, flops)


def latent_batch(config: ConfigDict, model: Model, mesh: Mesh) -> SceneBatch:
  """A global batch of stored latents (float16) with cameras, abstract."""
  batch, conditions = config.data.batch_size, model.num_conditions

  def views(codec: Codec, latents: int) -> Views:
    shape = (batch, latents, *model.latent_shape(codec))
    cameras = _cameras(batch, codec.frames(latents))
    return Views(cameras, latents=_array(*shape, dtype=jnp.float16))

  scenes = SceneBatch(
    context=views(model.context_codec, model.num_context),
    target=views(model.target_codec, model.num_targets),
    condition=views(model.context_codec, conditions) if conditions else None,
  )
  return _along_batch(scenes, mesh)


def _render(config: ConfigDict, model: Model, batch: int) -> tuple[Any, ...]:
  """Function, its parameters and its other arguments, abstract."""
  options = RenderOptions.of(config.sampling)
  codec, latents = model.target_codec, model.num_targets

  def render(params: Any, tokens: Any, cameras: Cameras, noise: Any) -> Any:
    return render_latents(model, params, tokens, cameras, noise, options)

  params = {"decoder": _stage1(model)["decoder"]}
  cameras = _cameras(batch, codec.frames(latents))
  noise = _array(batch, latents, *model.latent_shape(codec))
  return render, params, (_array(batch, *model.token_shape), cameras, noise)


def _generate(config: ConfigDict, model: Model, batch: int) -> tuple[Any, ...]:
  """The same of stage 2."""
  options = GenerateOptions.of(config.generation)
  seen = (batch, model.num_conditions)

  def generate(params: Any, condition: SceneCondition, noise: Any) -> Any:
    return generate_tokens(model, params, condition, noise, options)

  params = jax.eval_shape(stage_task(config, model).init, abstract_key())
  condition = SceneCondition(
    _array(*seen, *model.latent_shape(model.context_codec)),
    _cameras(*seen),
    _cameras(batch, config.generation.anchors),
    _array(*seen, dtype=jnp.bool_),
  )
  return generate, params, (condition, _array(batch, *model.token_shape))


def _along_batch(tree: Any, mesh: Mesh) -> Any:
  """Shapes of arrays [B ...] with their places."""
  place = rules.batch_sharding(mesh)
  return jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
    tree,
  )


def _array(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, dtype)


def _cameras(batch: int, views: int) -> Cameras:
  return Cameras(*(_array(batch, views, n, n) for n in (4, 3)))


def _stage1(model: Model) -> Any:
  """Shapes of the parameters of tokenizer and decoder."""
  return jax.eval_shape(lambda key: init_stage1(model, key), abstract_key())


def abstract_key() -> jax.ShapeDtypeStruct:
  """A random key's shape."""
  return jax.eval_shape(lambda: jax.random.key(0))

"""Train and render programs, lowered for devices that need not exist."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from scenetok_jax.model import Model, build
from scenetok_jax.parallel import rules
from scenetok_jax.parallel.mesh import (
  batch_ways,
  check_batch,
  loader_shares,
  part_owners,
)
from scenetok_jax.sampling.generate import SceneCondition, generate_tokens
from scenetok_jax.sampling.options import GenerateOptions, RenderOptions
from scenetok_jax.sampling.render import render_latents
from scenetok_jax.train import shapes
from scenetok_jax.train.device_batches import BATCHES_AHEAD
from scenetok_jax.train.flops import count_flops
from scenetok_jax.train.gradients import Reduction
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.state import abstract
from scenetok_jax.train.step import jit_step, make_step
from scenetok_jax.types import Cameras


@dataclasses.dataclass(frozen=True)
class Program:
  """A program before compilation: jitted.lower(*arguments) under the mesh.

  made: how many "frames" or "scenes" a call over all devices makes. waiting:
  bytes per device that lie beside the program.
  """

  jitted: Any
  arguments: tuple[Any, ...]
  held: dict[str, int]  # bytes per device of its inputs, by what they are
  flops: int  # of one call over all devices, counted on the jaxpr
  made: dict[str, int] = dataclasses.field(default_factory=dict)
  waiting: dict[str, int] = dataclasses.field(default_factory=dict)


def train_program(config: ConfigDict, mesh: Mesh) -> Program:
  """The train step of the loop, fed with precomputed latents.

  InputError where the batch does not divide over the mesh, or its hosts cannot
  load their shares.
  """
  check_batch(config.data.batch_size, config.train.accumulate, mesh.shape)
  loader_shares(part_owners(mesh))  # its hosts can feed it
  model = build(config)
  task = shapes.stage_task(config, model)
  optimizer = Optimizer.of(config)
  state = abstract(task.init, optimizer, shapes.abstract_key(), mesh)
  arguments = (
    state,
    rules.placed_shapes(task.frozen, mesh),
    shapes.latent_batch(config, model, mesh),
    shapes.abstract_key().update(sharding=NamedSharding(mesh, P())),
  )
  reduction = Reduction.of(config, mesh.shape)
  step = make_step(
    task,
    optimizer,
    config.train.accumulate,
    reduction,
    model.tokenizer.block.dtype,
  )
  with jax.set_mesh(mesh):
    flops = count_flops(step, *arguments)
  held = {
    "params": state.params,
    "optimizer": state.opt_state,
    "ema": state.ema,
    "frozen": arguments[1],
    "batch": arguments[2],
  }
  sizes = {name: rules.device_bytes(tree) for name, tree in held.items()}
  return Program(
    jit_step(step, state, mesh, flops),
    arguments,
    sizes,
    flops,
    waiting={"next batches": BATCHES_AHEAD * sizes["batch"]},
  )


def render_program(config: ConfigDict, mesh: Mesh, batch: int = 1) -> Program:
  """Stage 1: windows of frames; stage 2: tokens of scenes.

  All denoising steps of config.sampling, or of config.generation; frames are
  not decoded. batch: windows or scenes of each replica.
  """
  model, count = build(config), batch * batch_ways(mesh.shape)
  if config.stage == "tokenizer":
    trace, made = _render, {"frames": count * _window_frames(model)}
  else:
    trace, made = _generate, {"scenes": count}
  function, params, inputs = trace(config, model, count)
  arguments = (
    rules.placed_shapes(params, mesh),
    *shapes.along_batch(inputs, mesh),
  )
  with jax.set_mesh(mesh):
    flops = count_flops(function, *arguments)
  held = {
    "params": rules.device_bytes(arguments[0]),
    "batch": rules.device_bytes(arguments[1:]),
  }
  return Program(jax.jit(function), arguments, held, flops, made)


def _window_frames(model: Model) -> int:
  return model.target_codec.frames(model.num_targets)


def _render(config: ConfigDict, model: Model, batch: int) -> tuple[Any, ...]:
  """Function, its parameters and its other arguments, abstract."""
  options = RenderOptions.of(config.sampling)
  latents = model.num_targets

  def render(params: Any, tokens: Any, cameras: Cameras, noise: Any) -> Any:
    return render_latents(model, params, tokens, cameras, noise, options)

  params = {"decoder": shapes.stage1_params(model)["decoder"]}
  cameras = shapes.cameras(batch, _window_frames(model))
  shape = model.latent_shape(model.target_codec)
  noise = shapes.array(batch, latents, *shape)
  return (
    render,
    params,
    (shapes.array(batch, *model.token_shape), cameras, noise),
  )


def _generate(config: ConfigDict, model: Model, batch: int) -> tuple[Any, ...]:
  """The same of stage 2."""
  options = GenerateOptions.of(config.generation)
  seen = (batch, model.num_conditions)

  def generate(params: Any, condition: SceneCondition, noise: Any) -> Any:
    return generate_tokens(model, params, condition, noise, options)

  params = jax.eval_shape(
    shapes.stage_task(config, model).init, shapes.abstract_key()
  )
  condition = SceneCondition(
    shapes.array(*seen, *model.latent_shape(model.context_codec)),
    shapes.cameras(*seen),
    shapes.cameras(batch, config.generation.anchors),
    shapes.array(*seen, dtype=jnp.bool_),
  )
  return generate, params, (condition, shapes.array(batch, *model.token_shape))

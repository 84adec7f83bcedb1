"""Cases of training: train_stage1, train_stage2."""

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from scenetok_jax.codecs.registry import published
from scenetok_jax.convert.engine import export_tensors
from scenetok_jax.flow import path, timesteps
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.model import Model, tokenize
from scenetok_jax.parity import modules
from scenetok_jax.parity.case import (
  FORWARD,
  GRADIENT,
  Arrays,
  Case,
  Tolerance,
  prefixed,
)
from scenetok_jax.train import generator_task, tokenizer_task
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.task import StepLoss
from scenetok_jax.train.tokenizer_noise import StepNoise
from scenetok_jax.types import Array, Cameras, InputError, Views

# Keys and queries of the attention that reads the condition.
_UNREAD = re.compile(r"denoiser\..*attn2\.(to_[qk]|[qk]_norm)\.")


def stage1(case: Case) -> Arrays:
  """Losses, intermediate targets and gradients of the tokenizer stage."""
  given, config = case.inputs, case.config
  found: Arrays = {}
  nets = {
    "tokenizer": modules.tokenizer(case),
    "decoder": modules.decoder(case),
  }
  for block in ("compressor", "denoiser"):
    _no_dropout(case, block)
  scaling = modules.target_scaling(
    case, config.get("target_autoencoder"), config.get("target_scaling_factor")
  )
  model = modules.model(case, scaling, **nets)
  context = Views(
    case.cameras("context_"),
    latents=published("va_vae").scaling.normalize(
      modules.channels_last(given["context_latent"])
    ),
  )
  latents = scaling.normalize(modules.channels_last(given["target_latent"]))
  target, shape = Views(case.cameras("target_"), latents=latents), latents.shape
  params = {
    "tokenizer": modules.weights(
      case, nets["tokenizer"], context.latents, context.cameras
    ),
    "decoder": modules.weights(
      case,
      nets["decoder"],
      target.latents,
      np.zeros(shape[:2]),
      target.cameras,
      modules.any_tokens(case, shape[0]),
    ),
  }
  tables = {name: modules.table(net) for name, net in nets.items()}
  predict = modules.jit(functools.partial(_stage1_prediction, model))

  @functools.cache
  def gradients(settings: Any) -> Any:
    config = ConfigDict({"train": dict(settings)})
    loss = functools.partial(tokenizer_task.loss_from_noise, model, config)
    return _gradients(loss, (("tokenizer", config.train.freeze_after),))

  for run in config["runs"]:
    given = case.given(run["prefix"])
    _check_run(case, run)
    noise = StepNoise(
      reference=given["reference_index"],
      unconditional=np.asarray(not run["conditional"]),
      posterior=given.get("posterior_noise"),
      levels=_levels(case, run, run["scheduler"], shape[1]),
      target=modules.channels_last(given["noise"]),
    )
    step = np.int32(run["global_step"])
    out = _named(
      gradients(_stage1_settings(run))(params, context, target, noise, step),
      tables,
      case.wanted(run["prefix"])["grad_names"],
    )
    x_t = path.interpolate(target.latents, noise.target, noise.levels)
    velocity = path.velocity(target.latents, noise.target)
    out |= {
      "timestep": noise.levels,
      "noisy_latents": modules.channels_first(x_t),
      "flow_target": modules.channels_first(velocity),
      "pred": modules.channels_first(
        predict(params, context, target, noise, x_t)
      ),
    }
    found |= prefixed(run["prefix"], out)
  return found


# Masks and noise that every release leaves off.
_OFF = ("mask_context", "mask_tokens", "noisy_scene_tokens", "force_clean")


def _check_run(case: Case, run: Any) -> None:
  """InputError for a training option that nothing computes."""
  for field in _OFF:
    case.only(run, field, False)


def _no_dropout(case: Case, block: str) -> None:
  """InputError where a network of stage 1 would drop its cameras."""
  embedding = case.config[block]["camera"].get("embedding") or {}
  case.only(embedding, "dropout_prob", 0.0)


def _levels(case: Case, run: Any, scheduler: Any, latents: int) -> Array:
  """Noise levels [B L] (or [B]) from the recorded draw."""
  options = modules.flow_options(case, scheduler)
  draw = case.given(run["prefix"])["timestep_draw"]
  levels = timesteps.noise_levels(
    draw, options["weighting"], options["timestep_shift"]
  )
  if np.ndim(levels) == 1:
    levels = levels[:, None]
  return timesteps.per_latent(levels, latents)


def _stage1_settings(run: Any) -> tuple[tuple[str, Any], ...]:
  """config.train of a run, as pairs."""
  frozen = run.get("frozen_compressor", False)
  return (
    ("freeze_after", 0 if frozen else run.get("freeze_after", -1)),
    ("kl_weights", tuple(run.get("kl_weights", (0.0, 0.0)))),
    ("kl_schedule", tuple(run.get("kl_schedule", (100_000, 300_000)))),
  )


def _stage1_prediction(
  model: Model,
  params: Any,
  context: Views,
  target: Views,
  noise: Any,
  x_t: Array,
) -> Array:
  """The velocity that the loss judges, computed apart from it."""
  batch = jnp.arange(noise.reference.shape[0])
  poses = jnp.asarray(context.cameras.extrinsics)
  reference = poses[batch, noise.reference]
  cameras = relative_to(context.cameras, reference)
  posterior = tokenize(model, params, context.latents, cameras)
  return model.decoder.apply(
    {"params": params["decoder"]},
    x_t,
    timesteps.model_timestep(noise.levels),
    relative_to(target.cameras, reference),
    posterior.sample(noise.posterior),
    noise.unconditional if model.decoder.null_token else False,
  )


def _gradients(
  loss: Callable[..., StepLoss], frozen: tuple[tuple[str, int], ...] = ()
) -> Any:
  """(params, ...) -> (mean loss, StepLoss, gradients, optimiser's norms).

  frozen: see Optimizer; the step is then the last argument.
  """

  def call(params: Any, *args: Any) -> Any:
    def mean(params: Any) -> tuple[Array, StepLoss]:
      out = loss(params, *args)
      return jnp.mean(out.loss), out

    (value, out), grads = jax.value_and_grad(mean, has_aux=True)(params)
    optimizer = Optimizer(schedule="constant", frozen=frozen)
    step = args[-1] if frozen else jnp.int32(0)
    update = optimizer.update(
      grads, optimizer.init(params), params, step, out.unused
    )
    return value, out, grads, update.metrics

  return modules.jit(call)


def _named(result: Any, tables: dict[str, Any], names: np.ndarray) -> Arrays:
  """Results of _gradients, the gradients under the release's names.

  names: of the parameters whose gradients' norms are listed.
  """
  value, out, grads, metrics = jax.device_get(result)
  tensors: Arrays = {}
  for name, table in tables.items():
    table = dataclasses.replace(table, buffers={})
    tensors |= dict(export_tensors(grads[name], table))
  found: Arrays = {"loss": value}
  if "kl" in out.metrics:
    found["kl_mean"] = np.mean(out.metrics["kl"])
  found["grad_norms"] = np.array([_norm(tensors[str(n)]) for n in names])
  found["grad_total_norm"] = metrics["grad_norm"]
  found["grad_mean_norm"] = metrics["mean_tensor_norm"]
  found |= {f"grad/{name}": tensor for name, tensor in tensors.items()}
  return found


def _norm(x: np.ndarray) -> float:
  return float(np.linalg.norm(x.astype(np.float64)))


def stage2(case: Case) -> Arrays:
  """Losses, intermediate targets and gradients of SceneGen."""
  given = case.inputs
  found: Arrays = {}
  nets = {
    "tokenizer": modules.tokenizer(case),
    "generator": modules.generator(case),
  }
  scaling = published("va_vae").scaling
  model = modules.model(case, scaling, **nets)
  context, condition = (
    Views(
      case.cameras(f"{role}_"),
      latents=scaling.normalize(modules.channels_last(given[f"{role}_latent"])),
    )
    for role in ("context", "cond")
  )
  tokens = given["noise"]
  _no_dropout(case, "compressor")
  frozen = {
    "tokenizer": modules.weights(
      case, nets["tokenizer"], context.latents, context.cameras
    )
  }
  params = {
    "generator": modules.weights(
      case,
      nets["generator"],
      tokens,
      np.zeros(tokens.shape[:2]),
      condition.latents,
      condition.cameras,
      context.cameras,
    )
  }
  factor = case.config["scene_generator"].get("scale_factor", 0.1)
  config = ConfigDict({"generation": {"scale_factor": factor}})
  tables = {"generator": modules.table(nets["generator"])}

  def loss(params: Any, noise: Any) -> StepLoss:
    return generator_task.loss_from_noise(
      model, config, params, frozen, context, condition, noise
    )

  gradients = _gradients(loss)
  predict = modules.jit(functools.partial(_stage2_prediction, model, factor))
  reference = condition.cameras.extrinsics[:, 0]
  anchors = relative_to(context.cameras, reference)
  cameras = relative_to(condition.cameras, reference)
  for run in case.config["runs"]:
    noise = _stage2_noise(case, run)
    out = _named(
      gradients(params, noise), tables, case.wanted(run["prefix"])["grad_names"]
    )
    out |= jax.device_get(
      predict(
        {**frozen, **params},
        context.latents,
        condition.latents,
        noise,
        anchors,
        cameras,
      )
    )
    out["cond_mask"] = noise.visible
    out["cond_relative_extrinsics"] = cameras.extrinsics
    out["anchor_relative_extrinsics"] = anchors.extrinsics
    found |= prefixed(run["prefix"], out)
  return found


def _stage2_noise(case: Case, run: Any) -> generator_task.StepNoise:
  given = case.given(run["prefix"])
  batch = given["noise"].shape[0]
  kept = np.asarray(run.get("conditional", [True] * batch))
  levels = _levels(case, run, run["scene_scheduler"], 1)
  dropped = _dropped(case, run, batch)
  return generator_task.StepNoise(
    posterior=given.get("posterior_noise"),
    tokens=given["noise"],
    levels=levels[:, 0],
    visible=generator_task.visible_views(
      jnp.asarray(given["mask_uniforms"]), 0.5, jnp.asarray(~kept)
    ),
    drop_cameras=dropped[0],
    drop_anchors=dropped[1],
  )


def _dropped(case: Case, run: Any, batch: int) -> tuple[Any, Any]:
  """Scenes whose embedding of (views, anchors) is dropped: [B] bool each.

  The draws are arrays with "drop" in their name: one with "anchor" too, or
  one for both with a leading axis.

  Raises:
    InputError: embeddings may be dropped, and the case does not say which.
  """
  block = case.config["scene_generator"]
  rate = block["camera"]["embedding"].get("dropout_prob") or 0.0
  prefixes = tuple(r["prefix"] for r in case.config["runs"])
  own = {
    name.removeprefix(run["prefix"]): x
    for name, x in case.inputs.items()
    if name.startswith(run["prefix"]) or not name.startswith(prefixes)
  }
  draws = {name: x for name, x in own.items() if "drop" in name}
  none = np.zeros(batch, bool)
  if not rate:
    return none, none
  anchors = [x for name, x in draws.items() if "anchor" in name]
  views = [x for name, x in draws.items() if "anchor" not in name]
  if not anchors and len(views) == 1 and len(views[0]) == 2:
    views, anchors = [views[0][0]], [views[0][1]]
  if block["camera_type"] == "flatten":
    anchors = [np.ones(batch)]  # not embedded as rays: nothing is drawn
  if len(views) != 1 or len(anchors) != 1:
    raise InputError(
      f"{case.path / 'inputs.npz'}: dropout_prob is {rate}, but"
      f" {sorted(draws)} are no draws for views and anchors; name them"
      f" {run['prefix']}cond_dropout and {run['prefix']}anchor_dropout"
    )

  def below(draw: np.ndarray) -> np.ndarray:
    flags = np.ravel(draw)
    return flags if flags.dtype == bool else flags < rate

  return below(views[0]), below(anchors[0])


def _stage2_prediction(
  model: Model,
  factor: float,
  params: Any,
  context: Array,
  condition: Array,
  noise: Any,
  anchors: Cameras,
  cameras: Cameras,
) -> Arrays:
  """Tokens, timesteps and velocity of the loss, computed apart from it."""
  posterior = tokenize(model, params, context, anchors)
  tokens = posterior.sample(noise.posterior) * factor
  levels = timesteps.per_latent(noise.levels[:, None], tokens.shape[1])
  t = timesteps.model_timestep(levels)
  assert model.generator is not None
  velocity = model.generator.apply(
    {"params": params["generator"]},
    path.interpolate(tokens, noise.tokens, levels),
    t,
    condition,
    cameras,
    anchors,
    noise.visible,
    noise.drop_cameras,
    noise.drop_anchors,
  )
  return {"scaled_scene_tokens": tokens, "timestep": levels, "pred": velocity}


def wanted(case: Case) -> Arrays:
  """The outputs; a parameter without a gradient has a zero one here."""
  return {
    name: np.nan_to_num(x) if name.endswith("grad_norms") else x
    for name, x in case.outputs.items()
    if not name.endswith("grad_names")
  }


def stage1_rules(case: Case) -> dict[str, Tolerance]:
  """Gradients are looser; some of an unconditional run are rounding noise."""
  rules = stage2_rules(case)
  for run in case.config["runs"]:
    if run.get("conditional", True) is False:
      rules |= {
        name: Tolerance(GRADIENT.relative, 1e-6)
        for name in case.outputs
        if name.startswith(f"{run['prefix']}grad/") and _UNREAD.search(name)
      }
  return rules


def stage2_rules(case: Case) -> dict[str, Tolerance]:
  return {
    name: GRADIENT if "grad" in name else FORWARD for name in case.outputs
  }

"""Cases of inference: sampling, scene_sampling, render_pipeline."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.codecs.network import Scaling
from scenetok_jax.codecs.registry import published
from scenetok_jax.flow.solvers import SolverState, SolverStep, get_solver
from scenetok_jax.flow.timesteps import WEIGHTINGS, shift
from scenetok_jax.flow.windows import WindowSchedule, schedule
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.model import Model, tokenize
from scenetok_jax.parity import modules
from scenetok_jax.parity.case import Arrays, Case, prefixed
from scenetok_jax.parity.config_block import check_fields
from scenetok_jax.parity.flow import SAMPLER_FIELDS
from scenetok_jax.sampling import generate, render, window
from scenetok_jax.sampling.options import GenerateOptions, RenderOptions
from scenetok_jax.sampling.velocity import (
  embed_path,
  predict_velocity,
  token_kv_cache,
)
from scenetok_jax.types import Array, Cameras


def sampling(case: Case) -> Arrays:
  """States of the sliding-window sampler, one run after another."""
  given = case.inputs
  found: Arrays = {}
  noise = modules.channels_last(given["x_T"])
  net = modules.decoder(case)
  cameras = case.cameras()
  model = modules.model(case, Scaling(), decoder=net)
  # Without tokens the release projects zeros.
  tokens = given.get("tokens", modules.any_tokens(case, noise.shape[0]))
  params = {"decoder": _decoder_weights(case, model, noise, cameras, tokens)}
  programs = _Programs(model, params)
  for run in case.config["runs"]:
    _check_frames(case, run, net.grouping)
    case.one_of(run, "weighting", WEIGHTINGS)
    scaling = modules.target_scaling(
      case, run.get("autoencoder"), run.get("scaling_factor")
    )
    if programs.model.target_codec.scaling != scaling:
      model = modules.model(case, scaling, decoder=net)
      programs = _Programs(model, params)
    plan = window_plan(
      run["sampler"],
      noise.shape[1],
      run["num_inference_steps"],
      run["concurrency"],
      run["timestep_shift"] if run["weighting"] == "shifted" else None,
    )
    out = _render(programs, tokens, cameras, noise, plan, run["cfg_scale"])
    out["scheduling_matrix"] = plan.levels
    out["denoising_mask"] = plan.mask
    found |= prefixed(run["prefix"], out)
  return found


def _check_frames(case: Case, block: Any, grouping: Grouping) -> None:
  """The index map between frames and latents has one form for each codec."""
  if grouping.chunked:
    case.only(block, "chunk_index_gap", grouping.unit_latents)
    case.only(block, "offset", 1)


def _decoder_weights(
  case: Case, model: Model, noise: Array, cameras: Cameras, tokens: Array
) -> Any:
  """The renderer's parameters; it takes one window at most."""
  net = model.decoder
  x = noise[:, : net.rope_latents]
  path = target_frames(model, cameras, x.shape[1])
  return modules.weights(case, net, x, np.zeros(x.shape[:2]), path, tokens)


def window_plan(
  sampler: dict, latents: int, steps: int, window: int, factor: float | None
) -> WindowSchedule:
  """The shifted schedule of the release's sampler block."""
  check_fields(sampler, SAMPLER_FIELDS, "sampler")
  plan = schedule(
    sampler["name"],
    latents,
    steps,
    window,
    sampler["clean_targets"],
    uncertainty_scale=sampler.get("uncertainty_scale"),
  )
  levels = shift(plan.levels, 1.0 if factor is None else factor)
  return dataclasses.replace(plan, levels=levels)


class _Programs:
  """Compiled parts of a render, shared by the runs of a case.

  They are the parts of sampling.render.render_latents, one step at a time.
  """

  def __init__(self, model: Model, params: Any) -> None:
    self.model, self.params = model, params
    self._steps: dict[int, Any] = {}
    self.cache = functools.cache(self._memory)
    self.embed = modules.jit(
      lambda params, cameras: embed_path(model, params, cameras)
    )
    self.predict = modules.jit(
      lambda params, *args: predict_velocity(model, params, *args)
    )

  def _memory(self, guided: bool) -> Any:
    return modules.jit(
      lambda params, tokens: token_kv_cache(self.model, params, tokens, guided)
    )

  def step(self, size: int) -> Any:
    """(params, memory, path, guidance, video, row) -> video."""

    def move(params, cache, path, guidance, video, row):
      options: Any = RenderOptions(guidance=guidance)
      step = window.window_step(self.model, params, cache, path, size, options)
      return step(video, row)

    return self._steps.setdefault(size, modules.jit(move))


def _render(
  programs: _Programs,
  tokens: Array,
  cameras: Cameras,
  noise: Array,
  plan: WindowSchedule,
  guidance: float,
) -> Arrays:
  """All states, the decoded video and the uncertainty of the last window."""
  model, params = programs.model, programs.params
  cache = programs.cache(guidance > 1)(params, tokens)
  path: Any = cameras
  if window.embeddable(model, plan):
    path = programs.embed(params, cameras)
  table = window.window_steps(model, plan, "euler")
  step, scale = programs.step(plan.size), np.float32(guidance)
  videos = [get_solver("euler").start(jnp.asarray(noise))]
  for k in range(plan.steps):
    row = jax.tree.map(lambda rows, k=k: rows[k], table)
    videos.append(step(params, cache, path, scale, videos[-1], row))
  states = [video.x for video in videos]
  # Counted from one in these cases.
  found = {
    f"x_before_step{k}": modules.channels_first(x)
    for k, x in enumerate(states, 1)
  }
  codec = model.target_codec
  decoded = codec.decode(codec.params, states[-1])
  return found | {
    "final": modules.channels_first(states[-1]),
    "decoded_with_identity_autoencoder": modules.channels_first(decoded),
    "uncertainty": _uncertainty(
      programs, tokens, cameras, states[-2], plan, table
    ),
  }


def _uncertainty(
  programs: _Programs,
  tokens: Array,
  cameras: Cameras,
  x: Array,
  plan: WindowSchedule,
  table: window.WindowStep,
) -> np.ndarray:
  """Norms of the unguided velocity of the last window [B L h w]."""
  start, frame = int(table.start[-1]), int(table.frame[-1])
  latents = slice(start, start + plan.size)
  frames = slice(frame, frame + programs.model.target_codec.frames(plan.size))
  x = x[:, latents]
  t = np.broadcast_to(plan.levels[-2, latents], x.shape[:2])
  path = jax.tree.map(lambda a: jnp.asarray(a)[:, frames], cameras)
  cache = programs.cache(False)(programs.params, tokens)
  velocity = programs.predict(programs.params, x, t, path, cache)
  return np.linalg.norm(np.asarray(velocity), axis=-1)


def render_pipeline(case: Case) -> Arrays:
  """From absolute poses and raw latents to tokens and rendered latents."""
  given, config = case.inputs, case.config
  found: Arrays = {}
  noise = modules.channels_last(given["x_T"])
  raw = modules.channels_last(given["context_latent"])
  context, target = case.cameras("context_"), case.cameras("target_")
  nets = {
    "tokenizer": modules.tokenizer(case),
    "decoder": modules.decoder(case),
  }
  _check_frames(case, config, nets["decoder"].grouping)
  scaling = modules.target_scaling(
    case, config.get("target_autoencoder"), config.get("target_scaling_factor")
  )
  model = modules.model(case, scaling, **nets)
  params = {
    "tokenizer": modules.weights(case, nets["tokenizer"], raw, context),
    "decoder": _decoder_weights(
      case, model, noise, target, modules.any_tokens(case, noise.shape[0])
    ),
  }
  latents = published("va_vae").scaling.normalize(raw)
  programs = _Programs(model, params)
  for run in config["runs"]:
    reference = context.extrinsics[:, run["reference_index"]]
    cameras = [relative_to(c, reference) for c in (context, target)]
    posterior = modules.jit(
      lambda p, latents, cameras: tokenize(model, p, latents, cameras)
    )(params, latents, cameras[0])
    tokens = posterior.sample(given.get("posterior_noise"))
    scheduler = config["scheduler"]
    options = modules.flow_options(case, scheduler)
    shifted = options["weighting"] == "shifted"
    plan = window_plan(
      run["sampler"],
      render.horizon(model, target.extrinsics.shape[1]),
      scheduler["num_inference_steps"],
      config["num_target_latents_at_construction"],
      options["timestep_shift"] if shifted else None,
    )
    path = target_frames(model, cameras[1], noise.shape[1])
    out = {
      "relative_context_extrinsics": cameras[0].extrinsics,
      "relative_target_extrinsics": cameras[1].extrinsics,
      "scene_tokens": tokens,
      **_render(programs, tokens, path, noise, plan, run["cfg_scale"]),
    }
    found |= prefixed(run["prefix"], out)
  return found


def target_frames(model: Model, cameras: Cameras, latents: int) -> Cameras:
  """Cameras of the frames that whole latents cover."""
  frames = model.target_codec.frames(latents)
  return jax.tree.map(lambda a: a[:, :frames], cameras)


def scene_sampling(case: Case) -> Arrays:
  """States of SceneGen's sampler and the tokens it ends with."""
  given = case.inputs
  found: Arrays = {}
  net = modules.generator(case)
  noise = given["x_T"]
  condition = (
    modules.channels_last(given["cond_latents"]),
    case.cameras("cond_"),
    case.cameras("anchor_"),
  )
  timestep = np.zeros(noise.shape[:2], np.float32)
  params = modules.weights(case, net, noise, timestep, *condition)
  model = modules.model(case, Scaling(), generator=net)
  tree, solver = {"generator": params}, get_solver("euler")

  def memories(guided: bool) -> Any:
    return modules.jit(
      lambda tree, request: generate.condition_kv_cache(
        model, tree, request, guided
      )
    )

  @modules.jit
  def step(tree, cache, guidance, x, row):
    field = generate.cached_velocity(model, tree, cache, guidance)
    return solver.step(field, SolverState(x), row).x

  for run in case.config["runs"]:
    scheduler = run["scene_scheduler"]
    options = GenerateOptions(
      steps=scheduler["num_inference_steps"],
      shift=modules.flow_options(case, scheduler)["timestep_shift"] or 1.0,
      guidance=run["scene_cfg"] if run["use_cfg"] else 1.0,
      scale_factor=run["scale_factor"],
    )
    slots = np.arange(run["max_cond_number"]) < run["num_cond"]
    visible = np.broadcast_to(slots, (noise.shape[0], len(slots)))

    guided = options.guidance != 1
    cache = memories(guided)(tree, generate.SceneCondition(*condition, visible))
    levels = generate.token_levels(options)
    table = solver.steps(levels)
    states = [noise]
    for k in range(options.steps):
      row = SolverStep(*(rows[k] for rows in table))
      scale = np.float32(options.guidance)
      states.append(step(tree, cache, scale, states[-1], row))
    out = {f"x_before_step{k}": x for k, x in enumerate(states)}
    out["scheduling_matrix"] = np.broadcast_to(
      levels[:, None], (len(levels), noise.shape[1])
    )
    out["final_scaled_tokens"] = states[-1]
    out["tokens"] = states[-1] / options.scale_factor
    found |= prefixed(run["prefix"], out)
  return found

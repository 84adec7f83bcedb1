"""Stage 1: tokenizer and renderer trained together on the flow loss."""

import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from einops import rearrange, reduce, repeat
from ml_collections import ConfigDict

from scenetok_jax.flow import path
from scenetok_jax.flow.losses import flow_loss, kl_divergence, kl_weight
from scenetok_jax.flow.mean import adaptive_weights, mean_target
from scenetok_jax.flow.timesteps import (
  model_interval,
  model_timestep,
  sample_intervals,
  sample_noise_levels,
)
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.model import (
  Model,
  codec_params,
  encoded,
  init_stage1,
  tokenize,
)
from scenetok_jax.nn.block_spec import with_fields
from scenetok_jax.ops.attention import PLAIN
from scenetok_jax.train.task import LossParts, StepLoss, Task
from scenetok_jax.types import Array, Cameras, InputError, SceneBatch, Views


@flax.struct.dataclass
class StepNoise:
  """Every random number of a stage-1 step; A is clips of all scenes, B n."""

  reference: Array  # [B] int, the context view that poses are relative to
  unconditional: Array  # [] bool, trains the null token on the whole batch
  posterior: Array  # [B N C] standard normal
  levels: Array  # [A L] in [0, 1]
  target: Array  # [A L h w C] standard normal
  starts: Array | None = None  # [A L] below levels, of average velocities


def sample_noise(
  config: ConfigDict, key: Array, seen: Any, target: Array, tokens: Any
) -> StepNoise:
  """The noise for (B, V) views, target latents [A L h w C], tokens (N, C)."""
  keys = jax.random.split(key, 5)
  batch, views = seen
  clips, latents = target.shape[:2]
  return StepNoise(
    reference=jax.random.randint(keys[0], (batch,), 0, views),
    unconditional=jax.random.bernoulli(
      keys[1], config.train.unconditional_probability
    ),
    posterior=jax.random.normal(keys[2], (batch, *tokens)),
    **_levels(config, keys[3], clips, latents),
    target=jax.random.normal(keys[4], target.shape),
  )


def _levels(
  config: ConfigDict, key: Array, batch: int, latents: int
) -> dict[str, Array]:
  """`levels` and, with config.mean_flow, `starts` of a StepNoise."""
  mean_flow = config.get("mean_flow")
  if mean_flow is None:
    return {"levels": sample_noise_levels(key, batch, latents, **config.flow)}
  found = sample_intervals(
    key, batch, latents, equal=mean_flow.equal, **config.flow
  )
  return {"levels": found.t, "starts": found.start}


def loss_from_noise(
  model: Model,
  config: ConfigDict,
  params: Any,
  context: Views,
  target: Views,
  noise: StepNoise,
  step: Array,
) -> StepLoss:
  """The stage-1 loss as a function of its noise.

  The formula is in docs/architecture/training.md.

  Views hold normalised latents and absolute cameras.
  loss = mean (velocity error)^2 + KL weight * KL, per scene. A scene's clips
  are rendered from one encoding, and their errors averaged (SVSM, arXiv
  2602.21341). From
  train.freeze_after on, the tokenizer gets no gradient and the KL term ends;
  with 0 there is neither, and no KL to log. With noise.starts the error is of
  the average velocity (flow.mean), weighted by config.mean_flow.power.
  """
  poses = jnp.asarray(context.cameras.extrinsics)
  reference = poses[jnp.arange(len(poses)), noise.reference]  # [B 4 4]
  cameras = relative_to(context.cameras, reference)
  posterior = tokenize(model, params, context.latents, cameras)
  tokens = posterior.sample(noise.posterior)
  after = config.train.freeze_after
  frozen = (step >= after) if after >= 0 else jnp.asarray(False)
  # Frozen from the first step on, it is not even differentiated.
  constant = jax.lax.stop_gradient(tokens)
  tokens = constant if after == 0 else jnp.where(frozen, constant, tokens)
  clips = len(noise.levels) // len(noise.reference)
  if clips > 1:
    tokens, reference = (
      repeat(x, "b ... -> (b n) ...", n=clips) for x in (tokens, reference)
    )
  x_t = path.interpolate(target.latents, noise.target, noise.levels)
  view = functools.partial(
    _predict, target.cameras, reference, noise.unconditional
  )
  levels = noise.levels, noise.starts
  prediction = view(model.decoder, params, tokens, x_t, *levels)
  wanted = path.velocity(target.latents, noise.target)
  if noise.starts is not None:
    turns = config.mean_flow.turns / 1000  # levels are 1000 timesteps
    plain = with_fields(
      model.decoder, attention=PLAIN, remat="none", turns=turns
    )
    fixed = jax.lax.stop_gradient((params, tokens))
    average = functools.partial(view, plain, *fixed)
    wanted = mean_target(average, x_t, wanted, noise.levels, noise.starts)
  flow = loss = flow_loss(prediction, wanted)
  if noise.starts is not None:
    loss = flow * adaptive_weights(flow, config.mean_flow.power)
  if clips > 1:
    flow, loss = (
      reduce(x, "(b n) -> b", "mean", n=clips) for x in (flow, loss)
    )
  # Without a gradient: one side of the choice is never reached.
  unused = {
    "decoder/null_tokens": ~noise.unconditional,
    "decoder/condition_embed": noise.unconditional,
    "tokenizer": noise.unconditional,
  }
  unused = unused if model.decoder.null_token else {}
  if posterior.logvar is None or after == 0:
    return StepLoss(loss, {"flow_loss": flow}, unused)
  kl = kl_divergence(posterior)
  weight = kl_weight(step, config.train.kl_weights, config.train.kl_schedule)
  trained = ~(frozen | noise.unconditional)
  # A zero weight must also silence an infinite KL, hence where.
  term = jnp.where(trained & (weight > 0), weight * kl, 0.0)
  return StepLoss(loss + term, {"flow_loss": flow, "kl": kl}, unused)


def _predict(
  cameras: Cameras,
  reference: Array,
  unconditional: Array,
  net: Any,
  params: Any,
  tokens: Array,
  x: Array,
  t: Array,
  start: Array | None,
) -> Array:
  """The renderer's velocity at (x, t), or its average down to `start`."""
  interval = {} if start is None else {"interval": model_interval(t - start)}
  out: Array = net.apply(
    {"params": params["decoder"]},
    x,
    model_timestep(t),
    relative_to(cameras, reference),
    tokens,
    unconditional if net.null_token else False,
    **interval,
  )
  return out


def tokenizer_task(model: Model, config: ConfigDict) -> Task:
  """Stage 1 as a Task."""
  if config.train.unconditional_probability and not model.decoder.null_token:
    raise ValueError(
      "train.unconditional_probability needs decoder.null_token=True"
    )
  if config.get("mean_flow") and not model.decoder.interval:
    raise InputError(
      "config.mean_flow: the renderer knows no intervals; set"
      " config.decoder.interval=True"
    )
  # Stored latents need no codec: its arrays would fill memory for nothing.
  codecs = {} if config.data.get("latents") else codec_params(model)
  count = config.data.get("target_clips") or 1

  def draw(
    frozen: Any, batch: SceneBatch, key: Array
  ) -> tuple[Views, Views, StepNoise]:
    keys, weights = jax.random.split(key, 3), frozen["codecs"]
    context = encoded(
      model.context_codec, batch.context, keys[0], weights.get("context")
    )
    clips = batch.target
    if count > 1:
      clips = jax.tree.map(
        lambda x: rearrange(x, "b (n v) ... -> (b n) v ...", n=count), clips
      )
    target = encoded(model.target_codec, clips, keys[1], weights.get("target"))
    tokens, seen = model.token_shape, context.cameras.extrinsics.shape[:2]
    noise = sample_noise(config, keys[2], seen, target.latents, tokens)
    return context, target, noise

  def loss(params: Any, frozen: Any, drawn: Any, step: Array) -> StepLoss:
    del frozen
    context, target, noise = drawn
    return loss_from_noise(model, config, params, context, target, noise, step)

  parts = LossParts(draw, loss)
  return Task(
    init=lambda key: init_stage1(model, key),
    loss=parts.whole,
    frozen={"codecs": codecs},
    parts=parts,
  )

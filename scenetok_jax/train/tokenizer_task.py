"""Stage 1: tokenizer and renderer trained together on the flow loss."""

from typing import Any

import jax
import jax.numpy as jnp
from einops import rearrange
from ml_collections import ConfigDict

from scenetok_jax.flow.losses import kl_divergence, kl_weight
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.model import (
  Model,
  codec_params,
  encoded,
  init_stage1,
  tokenize,
)
from scenetok_jax.train.rendering_loss import rendering_loss
from scenetok_jax.train.task import LossParts, StepLoss, Task
from scenetok_jax.train.tokenizer_noise import StepNoise, sample_noise
from scenetok_jax.types import Array, InputError, SceneBatch, Views


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
  loss = rendering_loss + KL weight * KL, per scene. From train.freeze_after on,
  the tokenizer gets no gradient and the KL term ends; with 0 there is neither,
  and no KL to log.
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
  flow, loss = rendering_loss(
    model.decoder, config, params, target, tokens, reference, noise
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

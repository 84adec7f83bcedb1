"""Stage 2: SceneGen trained on the tokens of a frozen tokenizer."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from scenetok_jax.flow import path
from scenetok_jax.flow.losses import flow_loss
from scenetok_jax.flow.timesteps import model_timestep, sample_noise_levels
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.model import Model, encoded, init_generator, tokenize
from scenetok_jax.train.task import LossParts, StepLoss, Task
from scenetok_jax.types import Array, SceneBatch, Views


@flax.struct.dataclass
class StepNoise:
  """Every random number of a stage-2 step."""

  posterior: Array  # [B N C] standard normal
  tokens: Array  # [B N C] standard normal
  levels: Array  # [B] in [0, 1]
  visible: Array  # [B V] bool, conditioning views that are shown
  drop_cameras: Array  # [B] bool, whole camera embeddings dropped
  drop_anchors: Array  # [B] bool


def visible_views(
  uniforms: Array, keep_probability: float, hidden: Array
) -> Array:
  """uniforms [B V], hidden [B] -> bool [B V].

  View 0 is always shown, the others with keep_probability; a hidden scene
  shows none (unconditional training).
  """
  visible = jnp.less(uniforms, keep_probability).at[:, 0].set(True)
  return visible & ~hidden[:, None]


def sample_noise(
  config: ConfigDict, key: Array, seen: tuple[int, int], tokens: tuple[int, int]
) -> StepNoise:
  """The noise of one batch; seen: (B, V) conditioning views, tokens: (N, C)."""
  keys, options = jax.random.split(key, 7), config.generation
  batch = seen[0]
  levels = sample_noise_levels(
    keys[2], batch, 1, weighting=options.weighting, shift=options.shift
  )

  def chosen(key: Array, probability: float) -> Array:
    return jax.random.bernoulli(key, probability, (batch,))

  return StepNoise(
    posterior=jax.random.normal(keys[0], (batch, *tokens)),
    tokens=jax.random.normal(keys[1], (batch, *tokens)),
    levels=levels[:, 0],
    visible=visible_views(
      jax.random.uniform(keys[3], seen),
      options.keep_probability,
      chosen(keys[4], options.unconditional_probability),
    ),
    drop_cameras=chosen(keys[5], options.camera_dropout),
    drop_anchors=chosen(keys[6], options.camera_dropout),
  )


def loss_from_noise(
  model: Model,
  config: ConfigDict,
  params: Any,
  frozen: Any,
  context: Views,
  condition: Views,
  noise: StepNoise,
) -> StepLoss:
  """The stage-2 loss as a function of its noise.

  The formula is in docs/architecture/training.md.

  Views hold normalised latents and absolute cameras; all poses are made
  relative to conditioning view 0. The anchors are the context cameras; tokens
  are sampled from the frozen tokenizer and scaled.
  """
  assert model.generator is not None
  reference = condition.cameras.extrinsics[:, 0]  # [B 4 4]
  anchors = relative_to(context.cameras, reference)
  posterior = tokenize(model, frozen, context.latents, anchors)
  tokens = posterior.sample(noise.posterior)
  tokens = jax.lax.stop_gradient(tokens) * config.generation.scale_factor
  levels = jnp.broadcast_to(noise.levels[:, None], tokens.shape[:2])  # [B N]
  prediction = model.generator.apply(
    {"params": params["generator"]},
    path.interpolate(tokens, noise.tokens, levels),
    model_timestep(levels),
    condition.latents,
    relative_to(condition.cameras, reference),
    anchors,
    noise.visible,
    noise.drop_cameras,
    noise.drop_anchors,
  )
  flow = flow_loss(prediction, path.velocity(tokens, noise.tokens))
  return StepLoss(flow, {"flow_loss": flow})


def generator_task(
  model: Model, config: ConfigDict, tokenizer_params: Any
) -> Task:
  """Stage 2 as a Task; tokenizer_params are stage 1's, frozen."""
  # Stored latents need no codec: its arrays would fill memory for nothing.
  stored = bool(config.data.get("latents"))
  codecs = {} if stored else {"context": model.context_codec.params}

  def draw(
    frozen: Any, batch: SceneBatch, key: Array
  ) -> tuple[Views, Views, StepNoise]:
    assert batch.condition is not None
    keys, weights = jax.random.split(key, 3), frozen["codecs"].get("context")
    codec = model.context_codec
    context = encoded(codec, batch.context, keys[0], weights)
    condition = encoded(codec, batch.condition, keys[1], weights)
    seen = condition.cameras.extrinsics.shape[:2]
    noise = sample_noise(config, keys[2], seen, model.token_shape)
    return context, condition, noise

  def loss(params: Any, frozen: Any, drawn: Any, step: Array) -> StepLoss:
    del step
    return loss_from_noise(model, config, params, frozen, *drawn)

  parts = LossParts(draw, loss)
  return Task(
    init=lambda key: init_generator(model, key, config.data.num_context),
    loss=parts.whole,
    frozen={"tokenizer": tokenizer_params, "codecs": codecs},
    parts=parts,
  )

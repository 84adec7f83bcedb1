"""Stages and batches of a configuration as shapes, without data or weights."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from scenetok_jax.codecs.api import Codec
from scenetok_jax.model import Model, init_stage1
from scenetok_jax.parallel import rules
from scenetok_jax.train.generator_task import generator_task
from scenetok_jax.train.task import Task
from scenetok_jax.train.tokenizer_task import tokenizer_task
from scenetok_jax.types import Cameras, SceneBatch, Views


def stage_task(config: ConfigDict, model: Model) -> Task:
  """The configured stage; the frozen networks of stage 2 are only shapes."""
  if config.stage == "tokenizer":
    return tokenizer_task(model, config)
  return generator_task(model, config, stage1_params(model)["tokenizer"])


def stage1_params(model: Model) -> Any:
  """Shapes of the parameters of tokenizer and decoder."""
  return jax.eval_shape(lambda key: init_stage1(model, key), abstract_key())


def latent_batch(config: ConfigDict, model: Model, mesh: Mesh) -> SceneBatch:
  """A global batch of stored latents (float16) with cameras, abstract."""
  batch, conditions = config.data.batch_size, model.num_conditions
  clips = config.data.get("target_clips") or 1

  def views(codec: Codec, latents: int) -> Views:
    shape = (batch, latents, *model.latent_shape(codec))
    seen = cameras(batch, codec.frames(latents))
    return Views(seen, latents=array(*shape, dtype=jnp.float16))

  scenes = SceneBatch(
    context=views(model.context_codec, model.num_context),
    target=views(model.target_codec, model.num_targets * clips),
    condition=views(model.context_codec, conditions) if conditions else None,
  )
  return along_batch(scenes, mesh)


def along_batch(tree: Any, mesh: Mesh) -> Any:
  """Shapes of arrays [B ...] with their places."""
  place = rules.batch_sharding(mesh)
  return jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
    tree,
  )


def array(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
  """An array's shape."""
  return jax.ShapeDtypeStruct(shape, dtype)


def cameras(batch: int, views: int) -> Cameras:
  """Shapes of cameras [batch views]."""
  return Cameras(*(array(batch, views, n, n) for n in (4, 3)))


def abstract_key() -> jax.ShapeDtypeStruct:
  """A random key's shape."""
  return jax.eval_shape(lambda: jax.random.key(0))

"""One to three given photos as the generator reads them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.geometry.scale import rescaled
from scenetok_jax.model import Model, encode_views
from scenetok_jax.sampling import generate
from scenetok_jax.sampling.generate import SceneCondition
from scenetok_jax.types import Array, Cameras, Views

Encode = Callable[[Any, Views], Array]


def start_program(model: Model) -> Encode:
  """Compiled: parameters of the codec, views [1 V] -> latents [1 V h w C']."""
  codec = model.context_codec
  return jax.jit(lambda params, views: encode_views(codec, views, None, params))


def start_condition(
  model: Model,
  encode: Encode,
  given: Views,
  anchors: Cameras,
  factor: float,
  count: int,
) -> SceneCondition:
  """Views [V] and anchors [A] in one frame of reference, for `count` scenes.

  encode: of start_program. factor: of all positions.
  """
  seen = rescaled(given.cameras, factor)
  given = dataclasses.replace(given, cameras=seen)
  anchors = rescaled(anchors, factor)
  given, anchors = jax.tree.map(lambda a: np.asarray(a)[None], (given, anchors))
  given, visible = generate.fill_slots(given, model.num_conditions, "images")
  reference = given.cameras.extrinsics[0, 0]
  condition = SceneCondition(
    latents=encode(model.context_codec.params, given),
    cameras=relative_to(given.cameras, reference),
    anchors=relative_to(anchors, reference),
    visible=visible,
  )
  return jax.tree.map(lambda a: jnp.repeat(a, count, axis=0), condition)

"""A tiny model with random weights, shared by the sampling tests."""

import functools
from typing import Any

import jax
from ml_collections import ConfigDict

from scenetok_jax.configs import rooms
from scenetok_jax.model import Model, build, init_generator, init_stage1
from tests import networks


def tiny_config(stage: str = "tokenizer") -> ConfigDict:
  """rooms:smoke with a null token, overlapping windows and few steps."""
  variant = "smoke" if stage == "tokenizer" else "generator,smoke"
  config = rooms.get_config(variant)
  config.decoder.null_token = True
  config.sampling.update({"steps": 3, "overlap": 2, "shift": 3.0})
  return config


@functools.cache
def tiny(stage: str = "tokenizer") -> tuple[Model, Any]:
  """(model, seeded normal parameters); nothing is compiled."""
  model = build(tiny_config(stage))
  shapes = jax.eval_shape(lambda: init_stage1(model, jax.random.key(0)))
  if stage == "generator":
    shapes |= jax.eval_shape(
      lambda: init_generator(model, jax.random.key(0), 3)
    )
  leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
  params = [
    0.1 * networks.normals(i, *leaf.shape) + (path[-1].key == "scale")
    for i, (path, leaf) in enumerate(leaves)
  ]
  return model, tree.unflatten(params)


def tokens(model: Model, scenes: int, seed: int = 7) -> Any:
  """Random scene tokens [scenes N C]."""
  return networks.normals(seed, scenes, *model.token_shape)

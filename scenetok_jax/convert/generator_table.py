"""Rename table of SceneGen (the release's `scene_generator`)."""

from typing import Any

import numpy as np

from scenetok_jax.convert import layers
from scenetok_jax.convert.engine import Table
from scenetok_jax.nn.embed import sincos_table

PREFIX = "scene_generator."


def table(generator: Any) -> Table:
  """The rename table of a generator.SceneGen; reads its fields."""
  cameras = {"pose_embed": "camera"}
  rules: layers.Rules = (
    *layers.linear("model.x_embedder", "embed"),
    *layers.tokens("model.pos_embed", "pos_embed"),
    *layers.tokens("model.null_tokens", "null_tokens"),
    *layers.patches("model.c_embedder.proj", "latents/embed", generator.patch),
    *layers.timestep("model.t_embedder", "timestep"),
    *layers.dit("model", generator),
  )
  if generator.anchor_embedding == "rays":
    cameras["anchor_pose_embed"] = "anchor_camera"
  else:
    rules += layers.linear("anchor_pose_embed.0", "anchor_up")
    rules += layers.linear("anchor_pose_embed.2", "anchor_down")
  for torch, flax in cameras.items():
    rules += layers.patches(
      f"{torch}.model.model.proj", f"{flax}/rays/embed", generator.rays.patch
    )
  buffers = {
    f"{torch}.model.model.pos_embed": lambda: _positions(generator)
    for torch in cameras
  }
  return Table(rules, PREFIX, buffers)


def _positions(generator: Any) -> np.ndarray:
  """The reference's whole table [1 G*G D]; the network uses its centre."""
  size, patch = generator.rays.size, generator.rays.patch
  grid = max(size)
  # float32 positions, as in nn.embed.sincos_crop.
  positions = np.arange(grid, dtype=np.float32) / (grid / (size[0] // patch))
  return sincos_table(positions, positions, generator.width)[None]

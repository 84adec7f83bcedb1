"""Rename table of SceneGen (the release's `scene_generator`)."""

from typing import Any

from scenetok_jax.convert import layers
from scenetok_jax.convert.engine import Table

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
  buffers: dict[str, Any] = {}
  for torch, flax in cameras.items():
    rules += layers.camera(torch, flax, generator)
    buffers |= layers.camera_buffers(torch, generator)
  return Table(rules, PREFIX, buffers)

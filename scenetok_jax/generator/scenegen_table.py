"""Rename table of SceneGen (the release's `scene_generator`)."""

from typing import Any

from scenetok_jax.convert.engine import Table
from scenetok_jax.convert.layers import DIT, network_table

PREFIX = "scene_generator."
_RENAMES = (
  *DIT,
  ("^embed/", "model/x_embedder/"),
  ("^(pos_embed|null_tokens)", r"model/\1"),
  ("latents/embed/", "model/c_embedder/proj/"),
  ("anchor_up/", "anchor_pose_embed/0/"),
  ("anchor_down/", "anchor_pose_embed/2/"),
)


def table(generator: Any) -> Table:
  """The rename table of a generator.SceneGen; reads its fields."""
  rays = generator.anchor_embedding == "rays"
  cameras = ("pose_embed", *["anchor_pose_embed"] * rays)
  return network_table(generator, PREFIX, _RENAMES, {}, cameras)

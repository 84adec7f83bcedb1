"""Rename table of the renderer (the release's `denoiser`)."""

from typing import Any

from scenetok_jax.convert import layers
from scenetok_jax.convert.engine import Table

PREFIX = "denoiser."


def table(decoder: Any) -> Table:
  """The rename table of a decoder.RayConditionedDiT; reads its fields."""
  rules: layers.Rules = (
    *layers.camera("pose_embed", "camera", decoder),
    *layers.linear("cnd_proj", "condition_embed"),
    *layers.patches("model.x_embedder.proj", "latents/embed", decoder.patch),
    *layers.timestep("model.t_embedder", "timestep"),
    *layers.dit("model", decoder),
  )
  if decoder.null_token:
    rules += layers.tokens("null_tokens", "null_tokens")
  return Table(rules, PREFIX, layers.camera_buffers("pose_embed", decoder))

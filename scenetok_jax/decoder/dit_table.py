"""Rename table of the renderer (the release's `denoiser`)."""

from typing import Any

from scenetok_jax.convert.engine import Table
from scenetok_jax.convert.layers import DIT, network_table

PREFIX = "denoiser."
_RENAMES = (
  *DIT,
  ("condition_embed/", "cnd_proj/"),
  ("latents/embed/", "model/x_embedder/proj/"),
)


def table(decoder: Any) -> Table:
  """The rename table of a decoder.RayConditionedDiT; reads its fields."""
  return network_table(decoder, PREFIX, _RENAMES, {})

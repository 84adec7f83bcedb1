"""Renames and layouts of the layers that the reference's networks share."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenetok_jax.convert.engine import Buffers, Layouts, Rename, Table
from scenetok_jax.ops.rope import sincos_table

_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
RENAMES: tuple[Rename, ...] = tuple(_TABLES["renames"].items())
DIT: tuple[Rename, ...] = tuple(_TABLES["dit"].items())
LAYOUTS: Layouts = _TABLES["layouts"]


def network_table(
  net: Any,
  prefix: str,
  renames: Sequence[Rename],
  buffers: Buffers,
  cameras: Sequence[str] = ("pose_embed",),
) -> Table:
  """The rename table of one of the release's networks.

  net: its module. renames: after those of the shared layers. buffers: beside
  those of its camera embeddings, cameras.
  """
  up, down = ("w12", "w3") if net.block.swiglu else ("fc1", "fc2")
  mlp = (("mlp/up/", f"mlp/{up}/"), ("mlp/down/", f"mlp/{down}/"))
  patch, rays = net.patch, net.rays.patch
  sizes = {"p": patch, "q": patch, "r": rays, "s": rays}

  def positions() -> np.ndarray:
    """[1 G*G D]; the network uses its centre (nn.embed.sincos_crop)."""
    grid = max(net.rays.size)
    # The reference divides in float32, then encodes in float64.
    spacing = grid / (net.rays.size[0] // rays)
    axis = np.arange(grid, dtype=np.float32) / spacing
    return sincos_table(axis, axis, net.width)[None]

  if net.camera_embedding == "patches":
    names = [f"{camera}.model.model.pos_embed" for camera in cameras]
    buffers = {**dict.fromkeys(names, positions), **buffers}
  return Table((*RENAMES, *mlp, *renames), LAYOUTS, sizes, prefix, buffers)

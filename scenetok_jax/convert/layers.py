"""Renames and layouts of the layers that the reference's networks share."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scenetok_jax.convert.engine import Buffers, Layouts, Rename, Table
from scenetok_jax.ops.rope import sincos_table

RENAMES: tuple[Rename, ...] = (
  # Self-attentions fuse query, key and value in one [3D D] matrix.
  ("cross_attention/([qkv])(uery|ey|alue)/", r"cross_attention/to_\1/"),
  ("attention/query/", "attention/qkv[0]/"),
  ("attention/key/", "attention/qkv[1]/"),
  ("attention/value/", "attention/qkv[2]/"),
  ("/([qk])(uery|ey)_norm/", r"/\1_norm/"),
  ("attention/out/", "attention/proj/"),
  # Indices count the SiLU of a pair, and what cuts ray maps into patches.
  ("adaln/modulation/", "adaLN_modulation/1/"),
  ("timestep/up/", "model/t_embedder/mlp/0/"),
  ("timestep/down/", "model/t_embedder/mlp/2/"),
  ("camera/embed/", "pose_embed/model/model/1/"),
  ("camera/rays/embed/", "pose_embed/model/model/proj/"),
)
# Stacked adaLN blocks and last layer of both rectified-flow networks.
DIT: tuple[Rename, ...] = (
  ("^blocks/", "model/blocks/{i}/"),
  ("/self_norm/", "/norm1/"),
  ("/self_attention/", "/attn/"),
  ("/cross_attention/", "/attn2/"),
  ("/mlp_norm/", "/norm2/"),
  ("^final/", "model/final_layer/"),
  ("final_layer/norm/", "final_layer/norm_final/"),
  ("final_layer/head/", "final_layer/linear/"),
)
LAYOUTS: Layouts = {
  "(query|key|value)/kernel": "(h d) i -> i h d",
  "(query|key|value)/bias": "(h d) -> h d",
  "attention/out/kernel": "o (h d) -> h d o",
  "latents/embed/kernel": "o c p q -> (p q c) o",
  "rays/embed/kernel": "o c r s -> (r s c) o",
  "tokens|pos_embed": "1 n d -> n d",
}


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

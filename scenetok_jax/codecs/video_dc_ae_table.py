"""Rename table of the Video DC-AE (F32T4C128_AE.safetensors)."""

from collections.abc import Mapping, Sequence
from typing import Any

from scenetok_jax.codecs.table_layers import conv3d, depthwise, norm, point3d
from scenetok_jax.convert.config_block import check_fields, check_values
from scenetok_jax.convert.engine import Rule, Table
from scenetok_jax.convert.layers import Rules

_STAGES = 6
_CONVOLUTIONAL = 3


def _res_block(torch: str, flax: str) -> Rules:
  return (
    *conv3d(f"{torch}.main.conv1.conv", f"{flax}/up"),
    *conv3d(f"{torch}.main.conv2.conv", f"{flax}/down", bias=False),
    *norm(f"{torch}.main.conv2.norm", f"{flax}/norm"),
  )


def _attention_block(torch: str, flax: str, head_dim: int) -> Rules:
  context, local = f"{torch}.context_module.main", f"{torch}.local_module.main"
  attention, mlp = f"{flax}/attention", f"{flax}/mlp"
  mix = Rule(
    f"{context}.aggreg.0.1.weight",
    (f"{attention}/mix/kernel",),
    "(g o) i 1 1 1 -> g i o",
    (("o", head_dim),),
  )
  return (
    *point3d(f"{context}.qkv.conv", f"{attention}/qkv", bias=False),
    *depthwise(f"{context}.aggreg.0.0", f"{attention}/local", bias=False),
    mix,
    *point3d(f"{context}.proj.conv", f"{attention}/out", bias=False),
    *norm(f"{context}.proj.norm", f"{attention}/norm"),
    *point3d(f"{local}.inverted_conv.conv", f"{mlp}/up"),
    *depthwise(f"{local}.depth_conv.conv", f"{mlp}/local"),
    *point3d(f"{local}.point_conv.conv", f"{mlp}/down", bias=False),
    *norm(f"{local}.point_conv.norm", f"{mlp}/norm"),
  )


def _stage(
  side: str, index: int, depth: int, first: int, head_dim: int
) -> Rules:
  """Blocks of a stage, whose torch numbers start at `first`."""
  rules: Rules = ()
  for i in range(depth):
    torch = f"{side}.stages.{index}.op_list.{first + i}"
    flax = f"{side}/stage{index}/block{i}"
    if index < _CONVOLUTIONAL:
      rules += _res_block(torch, flax)
    else:
      rules += _attention_block(torch, flax, head_dim)
  return rules


def table(
  *,
  head_dim: int = 32,
  encoder_depths: Sequence[int] = (2, 2, 2, 3, 3, 3),
  decoder_depths: Sequence[int] = (3, 3, 3, 3, 3, 3),
  **_: Any,
) -> Table:
  """The rename table; takes the fields of codecs.video_dc_ae.network."""
  rules: Rules = (
    *conv3d("encoder.project_in.conv", "encoder/embed"),
    *conv3d("encoder.project_out.main.op_list.0.conv", "encoder/head"),
    *conv3d("decoder.project_in.main.conv", "decoder/embed"),
    *norm("decoder.project_out.op_list.0", "decoder/norm"),
    *conv3d("decoder.project_out.op_list.2.conv", "decoder/head"),
  )
  for i in range(_STAGES):
    last = i == _STAGES - 1
    rules += _stage("encoder", i, encoder_depths[i], 0, head_dim)
    first = 0 if last else 1
    rules += _stage("decoder", i, decoder_depths[i], first, head_dim)
    if not last:
      down = f"encoder.stages.{i}.op_list.{encoder_depths[i]}.main.conv"
      up = f"decoder.stages.{i}.op_list.0.main.conv.conv"
      rules += conv3d(down, f"encoder/down{i}/conv")
      rules += conv3d(up, f"decoder/up{i}/conv")
  return Table(rules)


_FIELDS = (
  *("latent_channels", "attention_head_dim", "in_channels"),
  *("encoder", "decoder"),
)
# What the published network is made of and this one cannot change.
_SIDE: dict[str, Any] = {
  "block_type": ["ResBlock"] * 3 + ["EViTS5_GLU"] * 3,
  "norm": "rms3d",
  "act": "silu",
}
_IN_TIME = ["False"] * 3 + ["True"] * 2 + ["False"]
_ENCODER: dict[str, Any] = {
  "temporal_downsample": _IN_TIME,
  "downsample": "Conv + averaging shortcut",
  "out_norm": None,
  "out_shortcut": "averaging",
}
_DECODER: dict[str, Any] = {
  "temporal_upsample": _IN_TIME,
  "upsample": "InterpolateConv + duplicating shortcut",
  "out_norm": "rms3d",
  "out_act": "relu",
  "in_shortcut": "duplicating",
}


def fields(reduced: Mapping[str, Any]) -> dict[str, Any]:
  """Fields of codecs.video_dc_ae.network from the authors' configuration."""
  check_fields(reduced, _FIELDS, "reduced")
  check_values(reduced, {"in_channels": 3}, "reduced")
  for side, fixed in (("encoder", _ENCODER), ("decoder", _DECODER)):
    sizes = {"width_list", "depth_list"}
    check_fields(reduced[side], {*_SIDE, *fixed, *sizes}, f"reduced.{side}")
    # Flags are words in the authors' file.
    given = {
      name: list(map(str, value)) if name.startswith("temporal") else value
      for name, value in reduced[side].items()
    }
    check_values(given, _SIDE | fixed, f"reduced.{side}")
  found = {
    "latent_channels": reduced["latent_channels"],
    "head_dim": reduced["attention_head_dim"],
  }
  for side in ("encoder", "decoder"):
    found[f"{side}_widths"] = tuple(reduced[side]["width_list"])
    found[f"{side}_depths"] = tuple(reduced[side]["depth_list"])
  return found

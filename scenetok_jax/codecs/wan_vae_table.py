"""Rename table of the Wan 2.2 VAE (Wan2.2_VAE.pth)."""

from collections.abc import Mapping, Sequence
from typing import Any

from scenetok_jax.codecs.table_layers import conv2d, conv3d, point2d, point3d
from scenetok_jax.codecs.wan_vae import Sizes
from scenetok_jax.convert.config_block import check_fields
from scenetok_jax.convert.engine import Rule, Table
from scenetok_jax.convert.layers import Rules


def _gamma(torch: str, flax: str, trailing: str) -> Rules:
  """Norm's gamma [C 1 1 1], or [C 1 1] in attention."""
  rule = Rule(f"{torch}.gamma", (f"{flax}/scale",), f"c {trailing} -> c")
  return (rule,)


def _res_block(torch: str, flax: str, *, changes: bool) -> Rules:
  rules: Rules = point3d(f"{torch}.shortcut", f"{flax}/shortcut") * changes
  # Places in the reference's list of layers: norm, silu, conv, twice.
  for norm, conv, i in ((0, 2, 1), (3, 6, 2)):
    rules += _gamma(f"{torch}.residual.{norm}", f"{flax}/norm{i}", "1 1 1")
    rules += conv3d(f"{torch}.residual.{conv}", f"{flax}/conv{i}")
  return rules


def _ends(side: str) -> Rules:
  """Layers that both sides have once."""
  torch, flax = f"{side}.middle", f"{side}/middle"
  return (
    *conv3d(f"{side}.conv1", f"{side}/embed"),
    *_res_block(f"{torch}.0", f"{flax}/block0", changes=False),
    *_gamma(f"{torch}.1.norm", f"{flax}/attention/norm", "1 1"),
    *point2d(f"{torch}.1.to_qkv", f"{flax}/attention/qkv"),
    *point2d(f"{torch}.1.proj", f"{flax}/attention/out"),
    *_res_block(f"{torch}.2", f"{flax}/block1", changes=False),
    *_gamma(f"{side}.head.0", f"{side}/norm", "1 1 1"),
    *conv3d(f"{side}.head.2", f"{side}/head"),
  )


def _stages(
  side: str,
  widths: Sequence[int],
  blocks: int,
  times: Sequence[bool],
) -> Rules:
  """Stages in the order in which they run; widths start with the input's."""
  word = "down" if side == "encoder" else "up"
  rules: Rules = ()
  for i, time in enumerate((*times, False)):
    torch = f"{side}.{word}samples.{i}.{word}samples"
    flax = f"{side}/stage{i}"
    for j in range(blocks):
      changes = j == 0 and widths[i] != widths[i + 1]
      rules += _res_block(f"{torch}.{j}", f"{flax}/block{j}", changes=changes)
    if i < len(times):
      rules += conv2d(f"{torch}.{blocks}.resample.1", f"{flax}/{word}/conv")
    if time:
      rules += conv3d(f"{torch}.{blocks}.time_conv", f"{flax}/time/conv")
  return rules


def table(
  *,
  multipliers: Sequence[int] = Sizes.multipliers,
  temporal: Sequence[bool] = Sizes.temporal,
  blocks: int = Sizes.blocks,
  **_: Any,
) -> Table:
  """The rename table; takes the fields of codecs.wan_vae.network."""
  down = (1, *multipliers)
  up = (multipliers[-1], *reversed(multipliers))
  return Table(
    (
      *_ends("encoder"),
      *_ends("decoder"),
      *point3d("conv1", "encoder/moments"),
      *point3d("conv2", "decoder/latents"),
      *_stages("encoder", down, blocks, temporal),
      *_stages("decoder", up, blocks + 1, tuple(reversed(temporal))),
    )
  )


_FIELDS = (
  *("dim", "dec_dim", "num_res_blocks", "dim_mult", "temperal_downsample"),
  *("z_dim", "patch_size"),
)


def fields(reduced: Mapping[str, Any]) -> dict[str, Any]:
  """Fields of codecs.wan_vae.network from the authors' configuration."""
  check_fields(reduced, _FIELDS, "reduced")
  return {
    "encoder_width": reduced["dim"],
    "decoder_width": reduced["dec_dim"],
    "blocks": reduced["num_res_blocks"],
    "multipliers": tuple(reduced.get("dim_mult", Sizes.multipliers)),
    "temporal": tuple(reduced.get("temperal_downsample", Sizes.temporal)),
    "latent_channels": reduced.get("z_dim", Sizes.latent_channels),
    "patch": reduced.get("patch_size", Sizes.patch),
  }

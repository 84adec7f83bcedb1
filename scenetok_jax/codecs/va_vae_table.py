"""Rename table of the VA-VAE (vavae-imagenet256-f16d32-dinov2.pt)."""

from collections.abc import Mapping, Sequence
from typing import Any

from scenetok_jax.codecs.table_layers import conv2d, norm, point2d
from scenetok_jax.codecs.va_vae import Sizes
from scenetok_jax.convert.config_block import check_fields, check_values
from scenetok_jax.convert.engine import Table
from scenetok_jax.convert.layers import Rules

# The published file also holds what only training needs (loss.*,
# foundation_model.*, linear_proj.*); the autoencoder is all of these.
PREFIXES = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")


def _res_block(torch: str, flax: str, *, widens: bool) -> Rules:
  rules: Rules = ()
  for i in (1, 2):
    rules += norm(f"{torch}.norm{i}", f"{flax}/norm{i}")
    rules += conv2d(f"{torch}.conv{i}", f"{flax}/conv{i}")
  if widens:
    rules += point2d(f"{torch}.nin_shortcut", f"{flax}/shortcut")
  return rules


def _attention(torch: str, flax: str) -> Rules:
  names = {"q": "query", "k": "key", "v": "value", "proj_out": "out"}
  rules = norm(f"{torch}.norm", f"{flax}/norm")
  for source, target in names.items():
    rules += point2d(f"{torch}.{source}", f"{flax}/{target}")
  return rules


def _level(
  torch: str, flax: str, blocks: int, *, attends: bool, widens: bool
) -> Rules:
  rules: Rules = ()
  for i in range(blocks):
    rules += _res_block(
      f"{torch}.block.{i}", f"{flax}/block{i}", widens=widens and i == 0
    )
    if attends:
      rules += _attention(f"{torch}.attn.{i}", f"{flax}/attention{i}")
  return rules


def _ends(side: str) -> Rules:
  """Layers that both sides have once."""
  middle = f"{side}/middle"
  return (
    *conv2d(f"{side}.conv_in", f"{side}/embed"),
    *conv2d(f"{side}.conv_out", f"{side}/head"),
    *norm(f"{side}.norm_out", f"{side}/norm"),
    *_res_block(f"{side}.mid.block_1", f"{middle}/block0", widens=False),
    *_attention(f"{side}.mid.attn_1", f"{middle}/attention0"),
    *_res_block(f"{side}.mid.block_2", f"{middle}/block1", widens=False),
  )


def table(
  *,
  multipliers: Sequence[int] = Sizes.multipliers,
  blocks: int = Sizes.blocks,
  attention: Sequence[int] = Sizes.attention,
  **_: Any,
) -> Table:
  """The rename table; takes the fields of codecs.va_vae.network."""
  levels = len(multipliers)
  rules: Rules = (
    *_ends("encoder"),
    *_ends("decoder"),
    *point2d("quant_conv", "encoder/moments"),
    *point2d("post_quant_conv", "decoder/latents"),
  )
  for i, own in enumerate(multipliers):
    # What runs before a level, and how wide it is.
    finer = multipliers[i - 1] if i else 1
    coarser = multipliers[i + 1] if i + 1 < levels else own
    attends = i in attention
    rules += _level(
      f"encoder.down.{i}",
      f"encoder/level{i}",
      blocks,
      attends=attends,
      widens=own != finer,
    )
    rules += _level(
      f"decoder.up.{i}",
      f"decoder/level{i}",
      blocks + 1,
      attends=attends,
      widens=own != coarser,
    )
    if i + 1 < levels:
      down = f"encoder.down.{i}.downsample.conv"
      rules += conv2d(down, f"encoder/down{i}/conv")
    if i:
      rules += conv2d(f"decoder.up.{i}.upsample.conv", f"decoder/up{i}/conv")
  return Table(rules)


_FIELDS = (
  *("ch", "ch_mult", "num_res_blocks", "z_channels", "embed_dim", "resolution"),
  *("norm_num_groups", "attn_resolutions", "in_channels", "out_ch"),
)


def fields(reduced: Mapping[str, Any]) -> dict[str, Any]:
  """Fields of codecs.va_vae.network from the authors' configuration.

  Where attention sits follows from the nominal resolution, not from images.
  """
  check_fields(reduced, _FIELDS, "reduced")
  check_values(reduced, {"in_channels": 3, "out_ch": 3}, "reduced")
  latents = reduced.get("z_channels", 32)
  check_values(reduced, {"embed_dim": latents}, "reduced")
  levels = range(len(reduced["ch_mult"]))
  resolutions = reduced.get("attn_resolutions", (16,))
  nominal = reduced.get("resolution", 256)
  return {
    "width": reduced["ch"],
    "multipliers": tuple(reduced["ch_mult"]),
    "blocks": reduced["num_res_blocks"],
    "attention": tuple(i for i in levels if nominal // 2**i in resolutions),
    "groups": reduced["norm_num_groups"],
    "latent_channels": latents,
  }

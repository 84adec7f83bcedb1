"""Fields of the autoencoders' networks from the authors' configurations."""

from collections.abc import Mapping
from typing import Any

from scenetok_jax.codecs import wan_vae
from scenetok_jax.parity.config_block import check_fields, check_values

Fields = dict[str, Any]


def codec_fields(name: str, reduced: Mapping[str, Any]) -> Fields:
  """Fields of a codec's network from the authors' sizes, as a case has them.

  Raises:
    InputError: a field that nothing reads, or that has only one value.
  """
  return _READERS[name](reduced) if reduced else {}


_VA_VAE = (
  *("ch", "ch_mult", "num_res_blocks", "z_channels", "embed_dim", "resolution"),
  *("norm_num_groups", "attn_resolutions", "in_channels", "out_ch"),
)


def _va_vae(reduced: Mapping[str, Any]) -> Fields:
  # Where attention sits follows from the nominal resolution, not from images.
  check_fields(reduced, _VA_VAE, "reduced")
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


_VIDEO_DC_AE = (
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


def _video_dc_ae(reduced: Mapping[str, Any]) -> Fields:
  check_fields(reduced, _VIDEO_DC_AE, "reduced")
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


_WAN_VAE = (
  *("dim", "dec_dim", "num_res_blocks", "dim_mult", "temperal_downsample"),
  *("z_dim", "patch_size"),
)


def _wan_vae(reduced: Mapping[str, Any]) -> Fields:
  own = wan_vae.Sizes
  check_fields(reduced, _WAN_VAE, "reduced")
  return {
    "encoder_width": reduced["dim"],
    "decoder_width": reduced["dec_dim"],
    "blocks": reduced["num_res_blocks"],
    "multipliers": tuple(reduced.get("dim_mult", own.multipliers)),
    "temporal": tuple(reduced.get("temperal_downsample", own.temporal)),
    "latent_channels": reduced.get("z_dim", own.latent_channels),
    "patch": reduced.get("patch_size", own.patch),
  }


_READERS = {"va_vae": _va_vae, "video_dc_ae": _video_dc_ae, "wan_vae": _wan_vae}

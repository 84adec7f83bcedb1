"""Translates the release's configuration blocks to this package's fields."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from scenetok_jax.nn.embed import RaySpec
from scenetok_jax.parity.config_block import Config, check_fields
from scenetok_jax.types import InputError

Fields = dict[str, Any]

# Standard deviation of the initial scene tokens, by the flag that is set.
_TOKEN_INIT = {"zero_init": 0.0, "init_large": 5.0, "init_small": 0.02}
_CONDITIONING = {"adaLN": "adaln", "concat": "concat", "add": "add"}

# Fields of the release's blocks that are read or have no effect on numbers.
_CAMERA = {
  *("name", "input_shape", "normalize", "origin_first", "scale", "embedding")
}
_EMBEDDING = {
  *("name", "patch_size", "in_channels", "dropout_prob", "bias", "flatten")
}
_BLOCK = {
  *("name", "camera", "kwargs", "camera_conditioning", "input_shape"),
  *("gradient_checkpointing", "num_scene_tokens", "token_dim"),
}
_KWARGS = {
  *("hidden_size", "depth", "num_heads", "patch_size", "in_channels"),
  *("mlp_ratio", "use_qknorm", "use_swiglu", "use_rmsnorm", "wo_shift"),
  "frequency_embedding_size",
}
_TOKENIZER = {
  *("reproject_out", "scene_token_projection", "norm_before_proj"),
  *("use_scene_norm", "causal_self_atten", *_TOKEN_INIT),
}
_DECODER = {"num_target_split", "causal_attention", "no_null_expand"}
_GENERATOR = {"camera_type", "scale_factor"}
_EMBEDDINGS = {"lvsm": "linear", "patch_embed": "patches"}


def rays(camera: Config, where: str = "camera") -> RaySpec:
  """A `camera` block -> RaySpec; without an embedding, patches of one ray."""
  check_fields(camera, _CAMERA, where)
  embedding = camera.get("embedding") or {}
  rows, columns = camera["input_shape"]
  return RaySpec(
    size=(rows, columns),
    patch=embedding.get("patch_size", 1),
    encoding=_choice(
      camera, "name", {"ray": "ray", "plucker": "plucker"}, where
    ),
    normalize=camera.get("normalize", False),
    origin_first=camera.get("origin_first", False),
    scale=tuple(camera.get("scale") or (1.0, 1.0)),
  )


def _embedding(camera: Config, where: str, frames: int = 1) -> str:
  """Kind of the learned camera embedding (nn.embed.CameraEmbed)."""
  where = f"{where}.camera.embedding"
  embedding = camera.get("embedding")
  if not embedding:
    raise InputError(f"config: {where}: missing; it must name an embedding")
  check_fields(embedding, _EMBEDDING, where)
  kind = _choice(embedding, "name", _EMBEDDINGS, where)
  for field in ("bias", "flatten"):
    if kind == "patches" and not embedding.get(field, True):
      raise InputError(f"config: {where}.{field}: false is not supported")
  if kind == "linear" and embedding.get("dropout_prob"):
    raise InputError(
      f"config: {where}.dropout_prob: only patch_embed drops cameras; use 0"
    )
  channels = embedding.get("in_channels", 6 * frames)
  if channels != 6 * frames:
    raise InputError(
      f"config: {where}.in_channels: {channels} where rays of {frames} frames"
      f" have {6 * frames}"
    )
  return kind


def _shared(block: Config, where: str, more: Iterable[str]) -> Fields:
  """Fields that all three networks name alike."""
  kwargs = block["kwargs"]
  check_fields(block, {*_BLOCK, *more}, where)
  # Some switches may stand in either place.
  check_fields(kwargs, {*_KWARGS, *more}, f"{where}.kwargs")
  return {
    "width": kwargs["hidden_size"],
    "depth": kwargs["depth"],
    "heads": kwargs["num_heads"],
    "patch": kwargs["patch_size"],
    "mlp_ratio": kwargs.get("mlp_ratio", 4.0),
    "qk_norm": kwargs.get("use_qknorm", False),
    "swiglu": kwargs.get("use_swiglu", False),
    "norm": "rms" if kwargs.get("use_rmsnorm", False) else "layer",
    "shift": not kwargs.get("wo_shift", False),
    "rays": rays(block["camera"], f"{where}.camera"),
  }


def _choice(
  block: Config, field: str, choices: Mapping[str, str], where: str
) -> str:
  value = str(block.get(field))
  if value not in choices:
    raise InputError(
      f"config: {where}.{field}: {value!r} is not supported; use one of"
      f" {sorted(choices)}"
    )
  return choices[value]


def _only_adaln(block: Config, where: str) -> None:
  """The flow networks know one way to read cameras."""
  conditioning = {"camera_conditioning": "adaLN", **block}
  _choice(conditioning, "camera_conditioning", {"adaLN": "adaln"}, where)


def _flag(block: Config, name: str) -> bool:
  """A switch of a block, or of its kwargs."""
  return bool(block.get(name) or block["kwargs"].get(name))


def tokenizer_fields(config: Config) -> Fields:
  """Fields of tokenizer.Perceiver from the release's settings.

  config: has a `compressor` block, and num_context_views_at_construction:
  views that a 3-D rotation table is built for.
  """
  where, block = "compressor", config["compressor"]
  more = {*_TOKENIZER, "use_rope_2d", "use_rope_3d"}
  fields = _shared(block, where, more)
  projection = _choice(
    block, "scene_token_projection", {"kl": "kl", "simple": "simple"}, where
  )
  if projection == "simple" and _flag(block, "norm_before_proj"):
    projection = "simple_prenorm"
  ropes = [n for n in ("2d", "3d") if _flag(block, f"use_rope_{n}")]
  if len(ropes) > 1:
    raise InputError(
      f"config: {where}.kwargs.use_rope_3d: true beside use_rope_2d; set one"
    )
  conditioning = _choice(block, "camera_conditioning", _CONDITIONING, where)
  if conditioning == "concat":
    # Rays at the resolution of the latents, without an embedding.
    size = tuple(block.get("input_shape") or fields["rays"].size)
    fields["rays"] = dataclasses.replace(fields["rays"], size=size, patch=1)
  else:
    fields["camera_embedding"] = _embedding(block["camera"], where)
  views = config.get("num_context_views_at_construction", 12)
  return fields | {
    "num_tokens": block["num_scene_tokens"],
    "token_channels": block["token_dim"],
    "camera_conditioning": conditioning,
    "rope": ropes[0] if ropes else "none",
    "rope_views": views,
    "projection": projection,
    "normalize_tokens": _flag(block, "use_scene_norm"),
    "causal_tokens": _flag(block, "causal_self_atten"),
    "token_init": next(
      (std for flag, std in _TOKEN_INIT.items() if block.get(flag, False)), 1.0
    ),
  }


def decoder_fields(config: Config, *, null_token: bool = False) -> Fields:
  """Fields of decoder.RayConditionedDiT from the release's settings.

  Args:
    config: has a `denoiser` block, num_target_latents_at_construction,
      using_wan, and the camera grouping at construction and at the call
      (they differ in the release's Wan model with force_incorrect).
    null_token: whether the checkpoint holds `null_tokens`.
  """
  where, block = "denoiser", config["denoiser"]
  kwargs = block["kwargs"]
  fields = _shared(block, where, {*_DECODER, "use_rope_3d"})
  _only_adaln(block, where)
  channels = (block["camera"].get("embedding") or {}).get("in_channels", 24)
  frames = config.get("temporal_downsample_at_call") or channels // 6
  order = config.get("temporal_downsample_at_construction") or frames
  return fields | {
    "camera_embedding": _embedding(block["camera"], where, frames),
    "frames_per_latent": frames,
    "ray_patch_frames": None if order == frames else order,
    "chunked": config.get("using_wan", False),
    "rope": "3d" if kwargs.get("use_rope_3d", True) else "none",
    "rope_latents": config["num_target_latents_at_construction"],
    "rope_parts": block.get("num_target_split") or 1,
    "null_token": null_token,
    "causal": _flag(block, "causal_attention"),
    "timestep_features": kwargs.get("frequency_embedding_size", 256),
  }


def generator_fields(config: Config) -> Fields:
  """Fields of generator.SceneGen from a `scene_generator` block."""
  where, block = "scene_generator", config["scene_generator"]
  anchors = {"avg_raymap": "rays", "flatten": "flat"}
  # The release builds a table for use_rope_1d and never uses it.
  fields = _shared(block, where, {*_GENERATOR, "use_rope_1d"})
  _only_adaln(block, where)
  return fields | {
    "camera_embedding": _embedding(block["camera"], where),
    "anchor_embedding": _choice(block, "camera_type", anchors, where),
    "timestep_features": block["kwargs"].get("frequency_embedding_size", 256),
  }

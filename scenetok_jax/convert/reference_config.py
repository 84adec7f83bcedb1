"""Translates the release's configuration blocks to this package's fields."""

from collections.abc import Mapping
from typing import Any

from scenetok_jax.nn.embed import RaySpec
from scenetok_jax.types import InputError

Config = Mapping[str, Any]
Fields = dict[str, Any]

# Standard deviation of the initial scene tokens, by the flag that is set.
_TOKEN_INIT = {"zero_init": 0.0, "init_large": 5.0, "init_small": 0.02}
_CONDITIONING = {"adaLN": "adaln", "concat": "concat", "add": "add"}


def rays(camera: Config) -> RaySpec:
  """A `camera` block -> RaySpec; without an embedding, patches of one ray."""
  embedding = camera.get("embedding") or {}
  rows, columns = camera["input_shape"]
  return RaySpec(
    size=(rows, columns),
    patch=embedding.get("patch_size", 1),
    encoding=camera["name"],
    normalize=camera.get("normalize", False),
    origin_first=camera.get("origin_first", False),
    scale=tuple(camera.get("scale", (1.0, 1.0))),
  )


def _shared(block: Config) -> Fields:
  """Fields that all three networks name alike."""
  kwargs = block["kwargs"]
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
    "rays": rays(block["camera"]),
  }


def _choice(block: Config, field: str, choices: Mapping[str, str]) -> str:
  value = block[field]
  if value not in choices:
    raise InputError(
      f"config: {field}: {value!r} is unknown; use one of {sorted(choices)}"
    )
  return choices[value]


def tokenizer_fields(
  config: Config, *, context_views: int | None = None
) -> Fields:
  """Fields of tokenizer.Perceiver from the release's settings.

  Args:
    config: has a `compressor` block, and num_context_views_at_construction
      unless context_views says it.
    context_views: views that a 3-D rotation table is built for.
  """
  block = config["compressor"]
  kwargs = block["kwargs"]
  projection = _choice(
    block, "scene_token_projection", {"kl": "kl", "simple": "simple"}
  )
  if projection == "simple" and block.get("norm_before_proj", False):
    projection = "simple_prenorm"
  rope = "2d" if kwargs.get("use_rope_2d", False) else "none"
  if kwargs.get("use_rope_3d", False):
    rope = "3d"
  views = context_views or config.get("num_context_views_at_construction", 12)
  return _shared(block) | {
    "num_tokens": block["num_scene_tokens"],
    "token_channels": block["token_dim"],
    "camera_conditioning": _choice(block, "camera_conditioning", _CONDITIONING),
    "rope": rope,
    "rope_views": views,
    "projection": projection,
    "normalize_tokens": block.get("use_scene_norm", False),
    "causal_tokens": block.get("causal_self_atten", False),
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
  block = config["denoiser"]
  kwargs = block["kwargs"]
  frames = config.get("temporal_downsample_at_call", 4)
  order = config.get("temporal_downsample_at_construction", frames)
  return _shared(block) | {
    "frames_per_latent": frames,
    "order_frames": None if order == frames else order,
    "chunked": config.get("using_wan", False),
    "rope": "3d" if kwargs.get("use_rope_3d", True) else "none",
    "rope_latents": config["num_target_latents_at_construction"],
    "rope_split": block.get("num_target_split", 1),
    "null_token": null_token,
    "causal": block.get("causal_attention", False),
    "timestep_features": kwargs.get("frequency_embedding_size", 256),
  }


def generator_fields(config: Config) -> Fields:
  """Fields of generator.SceneGen from a `scene_generator` block."""
  block = config["scene_generator"]
  anchors = {"avg_raymap": "rays", "flatten": "flat"}
  return _shared(block) | {
    "anchor_embedding": _choice(block, "camera_type", anchors),
    "timestep_features": block["kwargs"].get("frequency_embedding_size", 256),
  }

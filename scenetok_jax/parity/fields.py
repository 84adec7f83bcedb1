"""Which fields of a case's config.json nothing reads.

Fields of the networks, samplers and schedulers are checked where they are
read, and are errors; these here may be remarks, so they are told.
"""

from collections.abc import Iterator
from typing import Any

from scenetok_jax.parity.case import Case

# Read by an adapter, or describing the case.
_TOP = {
  *("case", "note", "seed", "published_path", "published", "runs", "metric"),
  *("compressor", "denoiser", "scene_generator", "model", "source"),
  *("in_channels", "cond_dim", "num_scene_tokens"),
  "num_context_views_at_construction",
  *("num_target_latents_at_construction", "using_wan", "full_gradients"),
  *("temporal_downsample_at_construction", "temporal_downsample_at_call"),
  *("target_autoencoder", "target_scaling_factor", "chunk_index_gap", "offset"),
  *("scheduler", "shifts", "ctor_steps", "inference_steps", "noise_levels"),
  *("reference_indices", "interpolation_samples", "fps", "max_latent"),
  *("max_frame", "index_maps", "denoise_masks", "optimizers", "lr_steps"),
  *("names", "steps", "evaluation", "random", "scenes", "files", "expected"),
  *("dtypes", "weights_seed", "weights_sha256", "checkpoint", "heads_file"),
  *("head_keys", "inputs", "outputs", "versions", "torch", "network", "layout"),
  *("reduced", "tilings", "default_tiling", "latent_mean", "latent_std"),
  *("scaling_factor_target", "scale_rule", "ignore_keys", "distractor_keys"),
  *("frames_accepted", "num_parameters", "num_model_tensors"),
  *("suggested_atol", "suggested_rtol", "suggested_atol_vs_exact"),
  *("fp32_vs_fp64_max_abs", "difference_between_methods"),
  *("upstream_fp16_values_for_a_0", "whole_sequence_equivalence_max_abs"),
}
_RUN = {
  "compressor": {"batch", "views"},
  "denoiser": {"batch", "latents", "frames", "condition", "mid"},
  "scene_generator": {"mid"},
  "crop": {"shape"},
  "rays": {
    *("op", "shape", "normalize", "origin_first", "using_wan", "scale"),
    *("temporal_downsample", "patch", "patch_t"),
  },
  "samplers": {
    *("sampler", "horizon", "steps", "concurrency", "cond_mask_indices"),
    *("clean_targets_argument", "shift", "status", "rows", "all_clean_at_end"),
  },
  "sampling": {
    *("sampler", "concurrency", "num_inference_steps", "cfg_scale", "offset"),
    *("weighting", "timestep_shift", "autoencoder", "scaling_factor"),
    "chunk_index_gap",
  },
  "scene_sampling": {
    *("use_cfg", "scene_cfg", "num_cond", "max_cond_number", "scale_factor"),
    "scene_scheduler",
  },
  "render_pipeline": {"sampler", "reference_index", "cfg_scale"},
  "train_stage1": {
    *("conditional", "cfg_train", "uniform_noise", "noise_chunks", "scheduler"),
    *("global_step", "kl_weights", "kl_schedule", "freeze_after"),
    "frozen_compressor",
  },
  "train_stage2": {"cfg_train", "conditional", "scene_scheduler"},
  "dataset_re10k": {"view_sampler", "shape", "make_baseline"},
  "dataset_dl3dv": {
    *("view_sampler", "shape", "flip", "scale_focal_by_256"),
    "scale_context_focal_by_256",
  },
  "dataset_latent": {
    *("view_sampler", "context", "target", "make_baseline"),
    *("scale_focal_by_256", "target_latent_type"),
  },
  "view_samplers": {
    *("view_sampler", "num_views", "num_latents", "scenes", "global_step"),
    *("sampler_stage", "stage", "draws"),
  },
}


def unread(case: Case) -> list[str]:
  """Names of fields that are set and that no adapter reads."""
  config, known = case.config, _RUN.get(case.kind, set())
  found = [name for name, value in config.items() if value and name not in _TOP]
  for name, run in _runs(config):
    found += [
      f"{name}.{field}"
      for field, value in run.items()
      if value and field not in known and field not in ("prefix", "note")
    ]
  return found


def _runs(config: Any) -> Iterator[tuple[str, Any]]:
  for name in ("runs", "evaluation", "random"):
    for i, run in enumerate(config.get(name, ())):
      yield f"{name}[{i}]", run

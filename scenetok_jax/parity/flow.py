"""Cases of the flow: rectified_flow, samplers."""

import numpy as np
from einops import rearrange

from scenetok_jax.codecs.registry import published
from scenetok_jax.flow import path, timesteps
from scenetok_jax.flow.windows import SAMPLERS, WindowSchedule, schedule
from scenetok_jax.parity.case import Arrays, Case
from scenetok_jax.parity.config_block import check_fields
from scenetok_jax.parity.modules import (
  channels_first,
  channels_last,
  flow_options,
)
from scenetok_jax.types import InputError

SAMPLER_FIELDS = ("name", "clean_targets", "uncertainty_scale")


def rectified_flow(case: Case) -> Arrays:
  """Path, Euler step, noise levels and latent scaling."""
  given, config = case.inputs, case.config
  flow_options(case, config["scheduler"])
  x, noise, t = given["x0"], given["noise"], given["t"]
  steps = (x, given["flow_pred"], t)
  found = {
    "noisy_per_view_t": path.interpolate(x, noise, t),
    "noisy_per_batch_t": path.interpolate(x, noise, t[:, 0]),
    "flow": path.velocity(x, noise),
    "model_timestep": timesteps.model_timestep(t),
    "model_timestep_grid": timesteps.model_timestep(given["t_grid"]),
    "euler_prev_sample": path.euler_step(*steps, given["t_next"]),
    "euler_pred_original_sample": path.clean_estimate(*steps),
  }
  for i, factor in enumerate(config["shifts"]):
    levels = _linear(config["ctor_steps"])
    found[f"shifted_grid_{i}"] = timesteps.shift(given["t_grid"], factor)
    found[f"constructor_timesteps_{i}"] = timesteps.shift(levels, factor)
  levels = _linear(config["inference_steps"])
  found["set_timesteps"] = levels
  found["next_timestep_of_first"] = levels[1]
  found["next_timestep_of_third"] = levels[3]
  for i, (weighting, *logits, shift) in enumerate(config["noise_levels"]):
    draws = "normals" if weighting == "logit_normal" else "uniforms"
    found[f"noise_level_{i}"] = timesteps.noise_levels(
      given[draws], weighting, shift, *logits
    )
  return found | _scaling(given)


def _linear(steps: int) -> np.ndarray:
  return np.linspace(1, 0, steps + 1, dtype=np.float32)


def _scaling(given: Arrays) -> Arrays:
  """Latents as the networks see them, as a decoder does, and as pixels."""
  found: Arrays = {}
  inputs = {"va": ("va_vae", "va_latent")}
  inputs["video_dc"] = ("video_dc_ae", "target_latent")
  for name, (codec, latent) in inputs.items():
    scaling = published(codec).scaling
    x = channels_last(given[latent])
    normal = channels_first(scaling.normalize(x))
    decoder = channels_first(scaling.restore(x))
    found |= {
      f"{name}_normalised": normal,
      f"{name}_encode_normalised": normal,
      f"{name}_scaled": normal,
      f"{name}_decoder_input": decoder,
      f"{name}_image": np.clip(decoder / 2 + 0.5, 0, 1),
      f"{name}_mean": np.array(scaling.mean, np.float32),
      f"{name}_std": np.array(scaling.std, np.float32),
    }
  # Upstream flattens the batch before its image decoder.
  found["va_decoder_input"] = rearrange(
    found["va_decoder_input"], "b v c h w -> (b v) c h w"
  )
  return found


def samplers(case: Case) -> Arrays:
  """Noise levels and windows of every global step."""
  found: Arrays = {}
  for run in case.config["runs"]:
    prefix = run["prefix"]
    case.one_of(run["sampler"], "name", SAMPLERS)
    check_fields(run["sampler"], SAMPLER_FIELDS, "sampler")
    try:
      plan = plan_of(run)
    except InputError:
      found[f"{prefix}status"] = "endless"
      continue
    found[f"{prefix}status"] = "ok"
    found[f"{prefix}matrix"] = plan.levels
    found[f"{prefix}mask"] = plan.mask
    if run["shift"] is not None:
      shifted = timesteps.shift(plan.levels, run["shift"])
      found[f"{prefix}shifted_matrix"] = shifted
  return found


def plan_of(run: dict) -> WindowSchedule:
  """The schedule of a run of a `samplers` case."""
  sampler = run["sampler"]
  return schedule(
    sampler["name"],
    run["horizon"],
    run["steps"],
    run["concurrency"],
    sampler["clean_targets"],
    uncertainty_scale=sampler.get("uncertainty_scale"),
    clean_indices=tuple(run["cond_mask_indices"] or ()),
    overlap_override=run["clean_targets_argument"],
  )


def samplers_wanted(case: Case) -> Arrays:
  """The stored tables, and whether upstream's loop ends at all."""
  status = {f"{r['prefix']}status": r["status"] for r in case.config["runs"]}
  return status | case.outputs
